"""What is read from the folder sql/, and that the models there fit the star declared beside them."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pyarrow as pa
import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.adapters.sql_files import load_macros, load_models, load_references, read_files
from starlift.core.config_file import parse
from starlift.core.manifest import Column
from starlift.core.models import Model, parse_model
from starlift.core.typing import schema_of
from starlift.errors import ConfigurationError
from tests.transform.lakes import SQL, totesys_models

MODEL = "-- One row.\n-- kind: fact\n-- key: a\n-- from: t\nSELECT strict_date(a) AS a FROM t\n"


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        kind, _, stem = name.partition("__")
        path = tmp_path / kind / (stem + (".sql" if kind == "models" else ".csv"))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
    return tmp_path


def test_models_are_read_by_name_with_a_hash_of_all_they_depend_on(tmp_path: Path) -> None:
    second, first = load_models(folder(tmp_path, models__zebra=MODEL, models__ant=MODEL))[::-1]
    assert (first.name, second.name) == ("ant", "zebra")
    assert first.sha256 == second.sha256


def test_line_ends_and_byte_order_marks_of_a_checkout_do_not_change_a_model(tmp_path: Path) -> None:
    (unix,) = load_models(folder(tmp_path, models__a=MODEL))
    (windows,) = load_models(folder(tmp_path, models__a="\ufeff" + MODEL.replace("\n", "\r\n")))
    assert windows == unix


def test_a_folder_without_models_is_named_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(ConfigurationError, match="there is no model in") as caught:
        load_models(tmp_path)
    assert "one SELECT a star table" in caught.value.hint


def test_a_folder_that_is_not_there_is_named_with_the_way_to_have_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no model in .*models") as raised:
        load_models(tmp_path)
    assert raised.value.hint.endswith("starlift init --source --fact TABLE --dimension TABLE")


def test_a_model_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.sql").write_bytes(b"-- caf\xe9")
    with pytest.raises(ConfigurationError, match=r"models/a\.sql: 'utf-8' codec can't decode"):
        load_models(tmp_path)


def test_a_fault_in_a_header_is_told_with_the_path_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"models/a\.sql, line 2: kind is 'x'"):
        load_models(folder(tmp_path, models__a=MODEL.replace("kind: fact", "kind: x")))


def test_reference_data_may_be_missing_and_files_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    assert load_references(tmp_path) == {}
    folder(tmp_path, reference__b="x\n2\n", reference__a="x\n1\n")
    (tmp_path / "reference/README.md").write_text("#")
    assert load_references(tmp_path) == {"a": b"x\n1\n", "b": b"x\n2\n"}
    assert list(read_files(tmp_path / "reference", ".md")) == ["README"]


def test_the_macros_come_with_the_package_each_as_one_statement() -> None:
    macros = load_macros()
    assert list(macros)[:3] == ["refuse", "required", "strict_date"]
    assert all(
        text.startswith(f"CREATE MACRO {name}(") and text.endswith(";") for name, text in macros.items()
    )


def test_text_is_read_in_the_macros_by_try_cast_alone() -> None:
    """By this the plan of a model tells a checked cast from one that DuckDB put in."""
    casts = re.findall(r"(\w*CAST)\((text) AS", " ".join(load_macros().values()))
    assert {cast for cast, _ in casts} == {"TRY_CAST"}


def test_iso_4217_has_each_code_once_with_the_names_the_standard_writes() -> None:
    rows = list(csv.reader(io.StringIO(load_references(SQL)["iso_4217"].decode())))
    codes = [code for code, _ in rows[1:]]
    assert rows[0] == ["code", "name"]
    assert codes == sorted(set(codes))
    assert len(codes) > 178
    assert all(re.fullmatch("[A-Z]{3}", code) for code in codes)
    assert all(name and name == name.strip() for _, name in rows)
    names: dict[str, str] = {row[0]: row[1] for row in rows[1:]}
    assert (names["GBP"], names["USD"], names["EUR"]) == ("Pound Sterling", "US Dollar", "Euro")


DOCUMENT = (SQL.parent / "docs/models.md").read_text()


def test_the_document_on_models_names_every_macro_and_no_other() -> None:
    table = DOCUMENT.partition("| macro | gives |")[2].partition("\n\n")[0]
    first_cells = " ".join(line.split("|")[1] for line in table.splitlines() if line)
    assert sorted(re.findall(r"`(\w+)\(", first_cells)) == sorted(load_macros())


def test_the_example_in_the_document_on_models_is_a_model(engine: DuckDBEngine) -> None:
    text = DOCUMENT.partition("```sql\n")[2].partition("```")[0]
    model = parse_model("dim_staff", text, "docs/models.md")
    schemas = source_schemas()
    made = engine.run(model, {name: schemas[name].empty_table() for name in model.tables})
    assert made.column_names == ["staff_id", "first_name", "location"]


STAR_TYPES = {
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.string(): "varchar",
    pa.date32(): "date",
    pa.time64("us"): "time",
    pa.decimal128(10, 2): "numeric(10,2)",
}


def star_columns(name: str) -> list[tuple[str, str]]:
    """Columns and types of a star table as its DDL declares them, without a surrogate key."""
    ddl = "\n".join(path.read_text() for path in sorted((SQL / "warehouse").glob("*.sql")))
    found = re.search(rf"CREATE TABLE {name} \((.*?)\n\);", ddl, re.DOTALL)
    assert found, name
    columns = [re.split(r"\s+", line.strip())[:2] for line in found[1].strip().splitlines()]
    return [(column, type_.rstrip(",")) for column, type_ in columns if type_ != "serial"]


def source_schemas() -> dict[str, pa.Schema]:
    """The source's tables as they arrive: the configured columns with the types of the source's DDL."""
    config = parse((SQL / "pipeline.toml").read_text(), "pipeline.toml")
    ddl = (SQL / "source/totesys.sql").read_text()
    schemas = {}
    for name, spec in config.tables.items():
        found = re.search(rf"CREATE TABLE {name} \((.*?)\n\);", ddl, re.DOTALL)
        assert found, name
        types = dict(re.findall(r"^\s*(\w+)\s+(\S+)", found[1], re.MULTILINE))
        columns = [Column(column, _format_type(types[column].rstrip(","))) for column in spec.columns]
        schemas[name] = schema_of(columns)
    return schemas


def _format_type(declared: str) -> str:
    stamp = re.sub(r"^timestamp\((\d)\)$", r"timestamp(\1) without time zone", declared)
    return {"serial": "integer"}.get(declared, stamp)


@pytest.mark.parametrize("model", totesys_models(), ids=lambda model: model.name)
def test_a_models_columns_and_types_are_those_of_the_star_in_its_order(
    engine: DuckDBEngine, model: Model
) -> None:
    schemas = source_schemas()
    made = engine.run(model, {name: schemas[name].empty_table() for name in model.tables})
    assert [(field.name, STAR_TYPES[field.type]) for field in made.schema] == star_columns(model.name)

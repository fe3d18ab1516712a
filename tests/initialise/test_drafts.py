"""What `init --source` writes, from catalogues that are written down here."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa
import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.adapters.sql_files import load_macros
from starlift.core.config import PipelineConfig
from starlift.core.config_file import parse
from starlift.core.draft.catalogue import Catalogue, ForeignKey, Relation, obstacle
from starlift.core.draft.names import distinct, plain, quoted, remark, table_names
from starlift.core.draft.project import draft
from starlift.core.manifest import Column
from starlift.core.models import parse_model, with_dependencies
from starlift.core.source_check import SourceTable
from starlift.core.typing import schema_of
from tests.postgres import SQL

REFERENCE = {str(path.relative_to(SQL)): path.read_text() for path in SQL.rglob("*") if path.suffix == ".sql"}

HOSTILE = [
    'quote"in"it',
    "it's",
    "two\nlines",
    "tab\there",
    "back\\slash",
    "semi;colon -- DROP",
    "# comment",
    "[tables.other]",
    "a]b = 1",
    "select",
    "Ünïcödé 表",
    "🧾",
    "100%",
    "%(x)s {y} :z $1",
    " spaces ",
    ".dot",
    "a/b,c",
    "\x7f\x01",
    "_underscore",
    "n" * 63,
]


@pytest.fixture(scope="module")
def engine() -> DuckDBEngine:
    """One sandbox for all."""
    return DuckDBEngine()


def relation(name: str = "t", kind: str = "r", schema: str = "public", **columns: str) -> Relation:
    """Return a relation with the key `id`, where it has one, and the given columns and types."""
    shape = tuple(Column(column, of) for column, of in columns.items())
    keys = frozenset({frozenset({"id"})}) if "id" in columns and kind in "rp" else frozenset()
    found = SourceTable(name, kind, shape, keys, (1,), 8192)
    key = ("id",) if keys else ()
    return Relation(schema, name, found, key, required=frozenset(key))


def drafted(
    *relations: Relation, facts: tuple[str, ...] = (), dimensions: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return the texts for a source that has these relations."""
    schemas = tuple(dict.fromkeys(one.schema for one in relations))
    return draft(Catalogue("shop", schemas, relations), facts, dimensions, REFERENCE)


def config_of(texts: dict[str, str]) -> PipelineConfig:
    """Return the configuration among the texts."""
    return parse(texts["pipeline.toml"], "pipeline.toml")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_table_and_its_columns_comes_through_the_configuration(name: str) -> None:
    key = frozenset({frozenset({name})})
    found = SourceTable("0", "r", (Column(name, "integer"), Column("b", "text")), key, (1,), 0)
    strange = Relation(name, name, found, (name,), required=frozenset({name}))
    (spec,) = config_of(drafted(strange)).tables.values()
    assert spec.address == (name, name)
    assert spec.key == (name,)
    assert spec.columns == (name, "b")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.name)


@pytest.mark.parametrize("kind", ["fact", "dimension"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_drafted_model_of_hostile_names_passes_the_sandbox(
    engine: DuckDBEngine, name: str, kind: str
) -> None:
    key = frozenset({frozenset({name})})
    columns = (
        Column(name, "integer"),
        Column("due date", "text"),
        Column("moment", "timestamp with time zone"),
    )
    strange = Relation("s", name, SourceTable("0", "r", columns, key, (1,), 0), (name,))
    texts = drafted(strange, **{f"{kind}s": (name,)})
    (file,) = (file for file in texts if file.startswith("models/"))
    stem = file.removeprefix("models/").removesuffix(".sql")
    model = with_dependencies(parse_model(stem, texts[file], file), load_macros(), {})
    rows = schema_of(columns).append(pa.field("_key", pa.string())).empty_table()
    made = engine.run(model, {model.driving: rows})
    assert [name for name in made.column_names if name != "_key"] == [
        plain(column.name) for column in columns
    ]


def test_a_name_for_the_pipeline_is_plain_and_each_is_used_once() -> None:
    relations = [
        relation("Order Line", id="integer"),
        relation("order_line", id="integer"),
        relation("note", schema="a", id="integer"),
        relation("Note", schema="b", id="integer"),
    ]
    assert list(table_names(relations).values()) == [
        "public_order_line",
        "public_order_line_2",
        "a_note",
        "b_note",
    ]


def test_names_that_fall_together_are_numbered() -> None:
    assert distinct(["a", "a", "a_2", "b"], taken=["b"]) == ["a", "a_2", "a_2_2", "b_2"]


def test_an_identifier_is_quoted_where_it_must_be() -> None:
    assert [quoted(name) for name in ("plain", "Mixed", "order", 'a"b')] == [
        "plain",
        '"Mixed"',
        '"order"',
        '"a""b"',
    ]


def test_a_remark_stays_on_its_line() -> None:
    assert remark("a\nb\u2028c") == "a?b?c"


def test_a_cursor_with_a_time_zone_is_taken_and_one_without_is_asked_about() -> None:
    zoned = relation(id="integer", updated_at="timestamp with time zone", created="timestamp with time zone")
    assert config_of(drafted(zoned)).tables["t"].cursor == "updated_at"
    texts = drafted(relation(id="integer", updated_at="timestamp without time zone"))
    assert config_of(texts).tables["t"].cursor is None
    assert '\n#cursor = "updated_at"\n#cursor_zone = "UTC"\n' in texts["pipeline.toml"]


def test_a_moment_that_is_not_named_after_a_change_is_only_offered() -> None:
    texts = drafted(relation(id="integer", born="date", stamps="timestamp with time zone[]"))
    assert config_of(texts).tables["t"].cursor is None
    assert '#cursor = "born"' in texts["pipeline.toml"]
    assert '#cursor = "stamps"' not in texts["pipeline.toml"]


@pytest.mark.parametrize(
    "column",
    [
        "email",
        "e_mail",
        "Phone Number",
        "birth_date",
        "account_no",
        "iban",
        "card",
        "password_hash",
        "api_token",
    ],
)
def test_a_column_that_looks_personal_is_left_out_and_asked_about(column: str) -> None:
    text = drafted(relation(id="integer", **{column: "text"}))["pipeline.toml"]
    assert parse(text, "pipeline.toml").tables["t"].taken == ("id",)
    assert f'\n#drop = ["{column}"]\n#hmac = ["{column}"]\n' in text


def test_columns_that_a_model_could_not_tell_apart_are_named_and_left_out() -> None:
    text = drafted(relation(Id="text", id="integer", _Hash="text", x="text"))["pipeline.toml"]
    assert parse(text, "pipeline.toml").tables["t"].taken == ("id", "x")
    assert "starlift's: Id, _Hash" in text


def test_a_column_of_a_refused_type_is_left_out_and_a_key_of_one_is_an_obstacle() -> None:
    text = drafted(relation(id="integer", what="regclass", _stale="text"))["pipeline.toml"]
    assert parse(text, "pipeline.toml").tables["t"].taken == ("id",)
    assert "# Not taken: what is regclass: it names an object of the source's own server" in text
    found = obstacle(relation(id="regclass"))
    assert found is not None
    assert found[0].startswith("its key column id is regclass")


def test_a_reference_in_citext_finds_its_row_whatever_the_case() -> None:
    parent, child = relation("shop", id="public.citext"), relation("sale", id="integer", shop="public.citext")
    keys = (ForeignKey(("shop",), "public", "shop", ("id",)),)
    sale = Relation("public", "sale", child.found, ("id",), keys, frozenset({"id"}))
    texts = drafted(parent, sale, facts=("sale",), dimensions=("shop",))
    for file, column in (("020_dim_shop", "id"), ("030_fact_sale", "shop")):
        ddl = texts[f"warehouse/{file}.sql"]
        assert "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;" in ddl
        assert f"\n    {column} public.citext" in ddl
    other = drafted(relation(id="integer", title="public.citext"), dimensions=("t",))
    assert "title character varying" in other["warehouse/020_dim_t.sql"]


def test_a_child_is_taken_by_itself_where_nothing_brings_its_rows() -> None:
    keyless, grandparent = relation("parent", v="text"), relation("grandparent", id="integer")
    child = replace(relation("child", id="integer"), parents=(("public", "parent"), ("other", "schema")))
    assert set(config_of(drafted(keyless, child)).tables) == {"child"}
    heir = replace(keyless, parents=(("public", "grandparent"),))
    text = drafted(grandparent, heir, child)["pipeline.toml"]
    assert set(parse(text, "pipeline.toml").tables) == {"grandparent"}
    assert (
        "# public.parent: table, 8.19 kB\n# Not taken by itself: it inherits from public.grandparent" in text
    )
    assert "#[tables.parent]" not in text
    assert "#[tables.child]" in text


def test_a_table_with_a_foreign_one_under_it_is_an_obstacle() -> None:
    table = relation(id="integer")
    found = obstacle(replace(table, found=replace(table.found, foreign="far")))
    assert found is not None
    assert found[0] == "far under it is a foreign table, whose changes would not be seen"


def test_a_key_that_a_model_could_not_name_is_an_obstacle() -> None:
    key = frozenset({frozenset({"_key"})})
    odd = Relation("public", "t", SourceTable("0", "r", (Column("_key", "text"),), key, (1,), 0), ("_key",))
    found = obstacle(odd)
    assert found is not None
    assert "take it through a view" in found[1]


def test_the_shortest_unique_key_stands_in_for_a_primary_key() -> None:
    columns = tuple(Column(name, "integer") for name in "abc")
    keys = frozenset({frozenset("ab"), frozenset("c")})
    found = Relation("public", "t", SourceTable("0", "r", columns, keys, (1,), 0))
    assert found.key == ("c",)


def test_in_a_drafted_dimension_only_key_and_text_are_not_null() -> None:
    table = relation("Client", id="integer", town="text", age="integer", tags="text[]", extra="jsonb")
    all_required = Relation("public", "Client", table.found, ("id",), required=frozenset(table.columns))
    ddl = drafted(all_required, dimensions=("Client",))["warehouse/020_dim_client.sql"]
    assert re.findall(r"^    (\w+) .* NOT NULL", ddl, re.MULTILINE) == ["id", "town"]


def test_a_drafted_fact_refers_to_drafted_dimensions_where_the_types_agree() -> None:
    parent, other = relation("client", id="bigint"), relation("coupon", id="integer")
    child = relation("sale", id="integer", client="integer", coupon='public."number"', bought="date")
    keys = (
        ForeignKey(("client",), "public", "client", ("id",)),
        ForeignKey(("coupon",), "public", "coupon", ("id",)),
    )
    sale = Relation("public", "sale", child.found, ("id",), keys, frozenset({"id"}))
    texts = drafted(parent, other, sale, facts=("sale",), dimensions=("client", "coupon"))
    ddl = texts["warehouse/030_fact_sale.sql"]
    assert re.findall(r"(\w+) date REFERENCES dim_date", ddl) == ["bought"]
    assert re.findall(r"FOREIGN KEY .*", ddl) == ["FOREIGN KEY (client) REFERENCES dim_client (id)"]


def test_a_surrogate_key_takes_no_name_of_a_column() -> None:
    ddl = drafted(relation("sale", id="integer", sale_record_id="integer"), facts=("sale",))
    assert "sale_record_id_2 serial PRIMARY KEY" in ddl["warehouse/030_fact_sale.sql"]


def test_a_drafted_fact_leaves_its_history_the_names_it_needs() -> None:
    ddl = drafted(relation("sale", id="integer", op="text", validFrom="date", seq="integer"), facts=("sale",))
    star = ddl["warehouse/030_fact_sale.sql"]
    assert re.findall(r"^    (\w+) (?:text|date|integer|char)", star, re.MULTILINE) == [
        "id",
        "op_2",
        "valid_from_2",
        "seq_2",
    ]
    assert "op AS op_2" in ddl["models/fact_sale.sql"]


def test_a_source_table_called_date_leaves_the_calendar_its_name() -> None:
    assert "models/dim_date_2.sql" in drafted(relation("date", id="integer"), dimensions=("date",))


def test_the_ledger_and_the_laws_of_every_star_are_the_reference_s() -> None:
    texts = drafted(relation(id="integer"))
    for file in ("warehouse/010_pipeline.sql", "checks/record_ids_are_dense.sql", "roles/analyst.sql"):
        assert texts[file] == REFERENCE[file]


def test_the_role_script_names_the_schemas_whatever_they_are_called() -> None:
    odd = relation(schema="it's", id="integer")
    assert "ARRAY['it''s', 'public']" in drafted(odd, relation("u", id="integer"))["roles/source.sql"]


def test_an_unreadable_relation_says_what_to_grant() -> None:
    table = relation(id="integer")
    hidden = Relation("public", "t", table.found, ("id",), readable=False)
    assert 'GRANT SELECT ON "public"."t"' in drafted(hidden)["pipeline.toml"].replace("\n#  ", "")


@pytest.mark.parametrize(("zone", "asked"), [("with", False), ("without", True)])
def test_a_drafted_view_asks_for_the_zone_of_a_cursor_that_has_none(zone: str, asked: bool) -> None:
    seen = relation("seen", kind="v", id="integer", updated_at=f"timestamp {zone} time zone")
    written = drafted(relation(id="integer"), seen)["pipeline.toml"]
    assert '#cursor = "updated_at"' in written
    assert ('#cursor_zone = "UTC"' in written) is asked


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (8192, "8.19 kB"), (3 * 10**9, "3 GB"), (5 * 10**15, "5e+03 TB")]
)
def test_a_drafted_table_says_how_large_it_is(size: int, text: str) -> None:
    plain_one = relation(id="integer")
    large = replace(plain_one, found=replace(plain_one.found, bytes=size))
    assert f", {text}" in drafted(large)["pipeline.toml"]

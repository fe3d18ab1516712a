"""A model's header: what it declares, and that a mistake names file, line and what to write."""

from __future__ import annotations

import pytest

from starlift.core.manifest import ModelRef
from starlift.core.models import Model, check_unchanged, parse_model, used_macros, with_dependencies
from starlift.core.paths import RESERVED
from starlift.errors import ConfigurationError

TEXT = """\
-- One row per member of staff, with the department they work in.
-- kind: dimension
-- key: staff_id
-- from: staff
-- joins: department, location
-- references: iso_4217
SELECT staff_id FROM staff
-- key: nothing down here is header
"""


def parsed(text: str = TEXT) -> Model:
    return parse_model("dim_staff", text, "sql/models/dim_staff.sql")


def test_a_header_says_grain_kind_key_tables_and_references() -> None:
    model = parsed()
    assert model.grain == "One row per member of staff, with the department they work in."
    assert (model.kind, model.key, model.driving) == ("dimension", ("staff_id",), "staff")
    assert model.tables == ("staff", "department", "location")
    assert model.references == ("iso_4217",)
    assert model.sql == TEXT


def test_joins_and_references_may_be_left_out_and_a_key_may_have_several_columns() -> None:
    model = parsed(
        "-- One row per line: the grain may have a colon.\n-- kind: fact\n-- key: a, b\n-- from: t\n"
    )
    assert (model.kind, model.key, model.joins, model.references) == ("fact", ("a", "b"), (), ())


def test_what_a_processed_manifest_records_of_a_model_is_its_name_kind_key_table_and_hash() -> None:
    model = parsed()
    assert model.ref == ModelRef("dim_staff", "dimension", ("staff_id",), "staff", model.sha256)


MISTAKES = [
    ("", 1, "the grain is missing"),
    ("SELECT 1", 1, "the grain is missing"),
    ("--\n-- kind: fact\n", 1, "the grain is missing"),
    ("-- kind: fact\n-- key: a\n-- from: t\n", 1, "the grain is missing"),
    ("-- One row.\n-- key: a\n-- from: t\n", 3, "the header has no 'kind'"),
    ("-- One row.\n-- kind: fact\n-- from: t\n", 3, "the header has no 'key'"),
    ("-- One row.\n-- kind: fact\n-- key: a\n", 3, "the header has no 'from'"),
    ("-- One row.\n-- kind: facts\n-- key: a\n-- from: t\n", 2, "kind is 'facts'"),
    ("-- One row.\n-- kind: fact\n-- key: a, a\n-- from: t\n", 3, "key is 'a, a'"),
    ("-- One row.\n-- kind: fact\n-- key:\n-- from: t\n", 3, "key is ''"),
    ("-- One row.\n-- kind: fact\n-- key: a\n-- from: t, u\n", 4, "from is 't, u'"),
    ("-- One row.\n-- kind: fact\n-- key: a\n-- from: t\n-- joins: u, t\n", 4, "from is 't'"),
    ("-- One row.\n-- kind: fact\n-- key: a\n-- form: t\n", 4, "'form: t' is none of kind, key, from"),
    ("-- One row.\n-- that is long\n-- kind: fact\n", 2, "'that is long' is none of"),
    ("-- One row.\n-- kind: fact\n-- key: a\n-- key: b\n-- from: t\n", 4, "'key' is there twice"),
]


@pytest.mark.parametrize(("text", "line", "problem"), MISTAKES)
def test_a_mistake_in_a_header_names_file_and_line_and_shows_what_to_write(
    text: str, line: int, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed(text)
    assert f"sql/models/dim_staff.sql, line {line}: {problem}" in caught.value.message
    assert "`-- " in caught.value.hint
    assert caught.value.hint.endswith("then: starlift run")


@pytest.mark.parametrize("name", [*sorted(RESERVED), "Dim", "dim-staff", "2nd", "dim_staff\n", "", "_entry"])
def test_a_model_is_not_named_as_the_lake_names_its_own_folders_nor_unplainly(name: str) -> None:
    with pytest.raises(ConfigurationError, match="a model cannot be called"):
        parse_model(name, TEXT, "sql/models/x.sql")


MACROS = {"refuse": "error(x)", "strict_date": "CASE refuse(x) END", "other": "1"}


def test_a_models_hash_covers_its_text_the_macros_it_uses_and_its_reference_data() -> None:
    model = parsed("-- One.\n-- kind: fact\n-- key: a\n-- from: t\n-- references: r\nSELECT STRICT_DATE(a)")
    base = with_dependencies(model, MACROS, {"r": b"1", "s": b"1"})

    def hashed(macros: dict[str, str], references: dict[str, bytes], text: str = model.sql) -> str:
        return with_dependencies(parsed(text), macros, references).sha256

    assert base.sha256 not in (model.sha256, "")
    assert hashed(MACROS, {"r": b"1", "s": b"2"}) == base.sha256
    assert hashed({**MACROS, "other": "2"}, {"r": b"1"}) == base.sha256
    assert hashed({**MACROS, "refuse": "error(y)"}, {"r": b"1"}) != base.sha256
    assert hashed({**MACROS, "strict_date": "CASE refuse(y) END"}, {"r": b"1"}) != base.sha256
    assert hashed(MACROS, {"r": b"2"}) != base.sha256
    assert hashed(MACROS, {"r": b"1"}, model.sql + " ") != base.sha256


def test_a_macro_counts_as_used_through_another_one_and_only_as_a_whole_word() -> None:
    assert used_macros("select strict_date(a)", MACROS) == {"strict_date", "refuse"}
    assert used_macros("select others, strict_dates", MACROS) == frozenset()


def test_reference_data_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="model dim_staff: there is no reference data 'iso_4217'"):
        with_dependencies(parsed(), {}, {})


CHANGES = [
    ((("a", "1"), ("b", "9")), "model b has changed:"),
    ((("a", "1"),), "model b is gone:"),
    ((("a", "1"), ("b", "2"), ("c", "3")), "model c is new:"),
    ((("b", "3"), ("d", "2")), r"model a is gone \(and b, d\):"),
]


@pytest.mark.parametrize(("now", "message"), CHANGES)
def test_a_changed_set_of_models_is_refused_by_name_with_the_way_to_rebuild(
    now: tuple[tuple[str, str], ...], message: str
) -> None:
    before = [ModelRef(name, "fact", ("k",), "t", sha) for name, sha in (("a", "1"), ("b", "2"))]
    models = [Model(name, "fact", "One.", ("k",), "t", (), "", sha256=sha) for name, sha in now]
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_unchanged(models, before)
    assert "until it is rebuilt" in caught.value.message
    assert caught.value.hint.endswith("or rebuild: starlift rebuild")


def test_the_same_models_in_another_order_are_no_change() -> None:
    before = [ModelRef(name, "fact", ("k",), "t", name) for name in ("a", "b")]
    check_unchanged([Model(n, "fact", "One.", ("k",), "t", (), "", sha256=n) for n in ("b", "a")], before)

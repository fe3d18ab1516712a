"""What becomes of a table whose shape changed: each change with each policy, and what a person may accept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starlift.core.config import TableSpec
from starlift.core.drift import Known, Taken, known, take
from starlift.core.manifest import Column, Manifest, TableState
from starlift.core.source_check import SourceTable, shape_of
from starlift.errors import ConfigurationError, DriftError
from tests.core.test_manifest import MANIFEST

COLUMNS = (Column("id", "integer"), Column("name", "character varying(9)"), Column("changed", "date"))
SHAPES = {"id": "1", "name": "2", "changed": "3", "title": "2", "other": "4"}
FOUND = SourceTable("item", "r", COLUMNS, frozenset({frozenset({"id"})}), (100,), 8192, SHAPES)
SPEC = TableSpec("item", ("id",), ("name", "id"), cursor="changed")
ADDING = replace(SPEC, new_columns="add")
TAKEN = (COLUMNS[1], COLUMNS[0])
STATE = TableState("xid", ("name", "id"), (100,), px="7", shape=shape_of(SPEC, FOUND), cursor="changed")
BEFORE = Known(TAKEN, ("id",), STATE)


def having(*columns: tuple[str, str]) -> SourceTable:
    """The table with these columns in place of those of the same names, and beside the others."""
    new = tuple(Column(*column) for column in columns)
    names = {column.name for column in new}
    kept = tuple(column for column in COLUMNS if column.name not in names)
    return replace(FOUND, columns=(*kept, *new))


def without(name: str, *new: tuple[str, str]) -> SourceTable:
    found = having(*new)
    return replace(found, columns=tuple(column for column in found.columns if column.name != name))


def test_what_is_known_of_a_table_is_what_the_last_manifest_has() -> None:
    assert known(None, "item") is None
    manifest = Manifest.decode(MANIFEST.encode())
    assert known(manifest, "other") is None
    state = manifest.tables["item"]
    assert known(manifest, "item") == Known(manifest.schema["item"], manifest.keys["item"], state)


@pytest.mark.parametrize("spec", [SPEC, ADDING])
@pytest.mark.parametrize("before", [None, BEFORE])
def test_what_has_not_changed_is_taken_as_it_was(spec: TableSpec, before: Known | None) -> None:
    assert take(spec, FOUND, before) == Taken(spec, TAKEN)


def test_a_new_column_is_ignored() -> None:
    assert take(SPEC, having(("other", "text")), BEFORE) == Taken(SPEC, TAKEN)


def test_a_new_column_is_added_last_where_the_policy_says_so() -> None:
    taken = take(ADDING, having(("other", "text")), BEFORE)
    assert taken.columns == (*TAKEN, Column("other", "text"))
    assert (taken.added, taken.by_source, taken.spec.taken) == (("other",), True, ("name", "id", "other"))


def test_columns_that_the_policy_added_before_keep_their_place() -> None:
    before = replace(BEFORE, columns=(*TAKEN, Column("other", "text")))
    taken = take(ADDING, having(("newest", "text"), ("other", "text")), before)
    assert [column.name for column in taken.columns] == ["name", "id", "other", "newest"]
    assert taken.added == ("newest",)


def test_a_policy_takes_all_columns_of_a_table_that_is_new_itself() -> None:
    taken = take(ADDING, having(("other", "text")), None)
    assert ([column.name for column in taken.columns], taken.added) == (["name", "id", "other"], ())


@pytest.mark.parametrize(
    "column", [("_hash", "text"), ("NAME", "text"), ("place", "regclass"), ("secret", "text")]
)
def test_a_policy_adds_no_column_that_cannot_be_taken_or_is_dropped(column: tuple[str, str]) -> None:
    spec = replace(ADDING, drop=("secret",))
    found = having(column) if column[0] == "secret" else having(column, ("secret", "text"))
    assert take(spec, found, BEFORE).columns == TAKEN


def test_a_policy_adds_nothing_while_a_dropped_column_may_have_been_renamed() -> None:
    spec = replace(ADDING, drop=("secret",))
    assert take(spec, having(("not_so_secret", "text")), BEFORE).columns == TAKEN
    before = replace(BEFORE, columns=(*TAKEN, Column("other", "text")))
    taken = take(spec, having(("not_so_secret", "text"), ("other", "text")), before)
    assert (taken.columns, taken.added) == (before.columns, ())


def test_a_column_added_in_the_configuration_is_no_doing_of_the_source() -> None:
    spec = replace(SPEC, columns=("id", "other", "name"))
    taken = take(spec, having(("other", "text")), BEFORE)
    assert (taken.added, taken.by_source) == (("other",), False)


def test_columns_left_out_in_the_configuration_are_left_out() -> None:
    taken = take(replace(SPEC, columns=("id",)), without("name"), BEFORE)
    assert (taken.columns, taken.added, taken.by_source) == ((COLUMNS[0],), (), False)


def test_a_widened_type_goes_through() -> None:
    taken = take(SPEC, having(("name", "text")), BEFORE)
    assert (taken.columns, taken.added, taken.by_source) == ((Column("name", "text"), COLUMNS[0]), (), True)


def test_a_widened_key_goes_through_where_its_text_stays() -> None:
    assert take(SPEC, having(("id", "numeric(10,0)")), BEFORE).columns[1].type == "numeric(10,0)"
    with pytest.raises(DriftError, match=r"item\.id was integer and is now numeric\(12,2\)"):
        take(SPEC, having(("id", "numeric(12,2)")), BEFORE)


HELD = {
    "gone": (SPEC, None, "table public.item is not in the source"),
    "dropped": (SPEC, without("name"), r"column item\.name is gone from the source"),
    "renamed": (SPEC, without("name", ("title", "text")), r"item\.name was renamed to title in the source"),
    "another in its place": (SPEC, without("name", ("other", "text")), r"item\.name is gone from the source"),
    "narrowed": (
        SPEC,
        having(("name", "character varying(3)")),
        r"item\.name was .*\(9\) and is now .*\(3\): its values may have been narrowed",
    ),
    "retyped": (SPEC, having(("id", "uuid")), r"item\.id was integer and is now uuid: .* altered"),
    "key not unique": (SPEC, replace(FOUND, unique_keys=frozenset()), r"its key \(id\) is no longer unique"),
    "key declared otherwise": (
        replace(SPEC, key=("name",)),
        replace(FOUND, unique_keys=frozenset({frozenset({"id"}), frozenset({"name"})})),
        r"its key was \(id\) and is now declared as \(name\)",
    ),
    "cursor gone": (SPEC, without("changed"), r"item\.changed, the cursor, is gone"),
    "cursor retyped": (SPEC, having(("changed", "text")), r"the cursor, is text now, which is no time"),
    "a foreign part": (
        SPEC,
        replace(FOUND, foreign="far.away"),
        r"item has got far\.away under it, a foreign",
    ),
    "a view": (SPEC, replace(FOUND, kind="v"), "item was a table and is now a view"),
    "materialized": (SPEC, replace(FOUND, kind="m"), "item was a table and is now a materialized view"),
}
ACCEPTABLE = {"narrowed", "retyped", "key declared otherwise"}


@pytest.mark.parametrize("policy", ["ignore", "add"])
@pytest.mark.parametrize("change", HELD)
def test_a_change_that_could_lose_rows_or_alter_values_holds_the_table(change: str, policy: str) -> None:
    spec, found, reason = HELD[change]
    with pytest.raises(DriftError, match=reason) as raised:
        take(replace(spec, new_columns=policy), found, BEFORE)  # type: ignore[arg-type]
    remedy = "starlift reconcile --accept item" if change in ACCEPTABLE else "then: starlift run"
    assert raised.value.hint.endswith(remedy)


@pytest.mark.parametrize("change", sorted(ACCEPTABLE))
def test_a_changed_type_or_key_can_be_accepted(change: str) -> None:
    spec, found, _ = HELD[change]
    taken = take(spec, found, BEFORE, accepted=True)
    types = {column.name: column.type for column in found.columns} if found else {}
    assert taken.columns == tuple(Column(name, types[name]) for name in spec.taken)
    assert (taken.spec.key, taken.by_source) == (spec.key, False)


@pytest.mark.parametrize("change", sorted(HELD.keys() - ACCEPTABLE))
def test_what_is_not_there_cannot_be_accepted(change: str) -> None:
    spec, found, reason = HELD[change]
    with pytest.raises(ConfigurationError, match=f"{reason}.*; that cannot be accepted"):
        take(spec, found, BEFORE, accepted=True)


def test_a_column_that_the_policy_added_and_is_gone_holds_the_table_until_it_is_accepted_or_dropped() -> None:
    before = replace(BEFORE, columns=(*TAKEN, Column("other", "text")))
    with pytest.raises(DriftError, match=r"item\.other is gone"):
        take(ADDING, FOUND, before)
    assert take(ADDING, FOUND, before, accepted=True).columns == TAKEN
    assert take(replace(ADDING, drop=("other",)), FOUND, before).columns == TAKEN
    assert take(SPEC, FOUND, before).columns == TAKEN


HASHED = replace(SPEC, columns=("id",), hmac=("name",))


def test_to_begin_or_end_hashing_a_column_or_to_change_the_hashs_key_is_no_drift() -> None:
    plain = Known(TAKEN[::-1], ("id",), STATE)
    hashed = take(HASHED, FOUND, plain, "0a1b2c3d")
    assert hashed.columns[1] == Column("name", "hmac-sha256:0a1b2c3d")
    before = replace(plain, columns=hashed.columns)
    assert take(replace(SPEC, columns=("id", "name")), FOUND, before).columns == plain.columns
    assert take(HASHED, FOUND, before, "ffffffff").columns[1].type == "hmac-sha256:ffffffff"


def test_a_cursor_that_the_last_batch_did_not_have_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"item\.never is not in the source"):
        take(replace(SPEC, cursor="never"), FOUND, BEFORE)


def test_a_table_without_a_cursor_goes_on() -> None:
    assert take(replace(SPEC, cursor=None), without("changed"), BEFORE).columns == TAKEN


@pytest.mark.parametrize("found", [None, without("name")])
def test_what_was_never_there_is_a_mistake_in_the_configuration(found: SourceTable | None) -> None:
    with pytest.raises(ConfigurationError, match="is not in the source"):
        take(SPEC, found, None)

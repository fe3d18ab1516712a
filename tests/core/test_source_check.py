"""What is declared against what the catalogue shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starlift.core.config import Limits, TableSpec
from starlift.core.manifest import Column
from starlift.core.source_check import (
    SourceTable,
    check_table,
    choose_mode,
    fingerprint,
    seen_as,
    unnamed_columns,
)
from starlift.errors import ConfigurationError

COLUMNS = (Column("id", "integer"), Column("name", "text"), Column("changed", "date"), Column("new", "text"))
FOUND = SourceTable("item", "r", COLUMNS, frozenset({frozenset({"id"})}), (100,), 8192)
SPEC = TableSpec("item", ("id",), ("name", "id"), cursor="changed")
TAKEN = (Column("name", "text"), Column("id", "integer"))


def without(name: str) -> SourceTable:
    return replace(FOUND, columns=tuple(column for column in COLUMNS if column.name != name))


def test_the_taken_columns_come_typed_in_the_declared_order() -> None:
    assert check_table(SPEC, FOUND) == TAKEN


def test_a_column_neither_taken_nor_dropped_nor_the_cursor_is_reported() -> None:
    assert unnamed_columns(SPEC, FOUND) == ("new",)
    assert unnamed_columns(replace(SPEC, drop=("new",)), FOUND) == ()


@pytest.mark.parametrize("found", [None, without("name"), without("changed")])
def test_what_was_never_there_is_a_mistake_in_the_configuration(found: SourceTable | None) -> None:
    with pytest.raises(ConfigurationError, match="is not in the source"):
        check_table(SPEC, found)


@pytest.mark.parametrize(("kind", "name"), [("v", "a view"), ("f", "a foreign table")])
def test_what_has_no_transaction_ids_is_read_by_a_cursor_or_refused(kind: str, name: str) -> None:
    found = replace(FOUND, kind=kind, unique_keys=frozenset())
    assert check_table(SPEC, found) == TAKEN
    assert choose_mode(SPEC, found, sees_all=True, limits=Limits()) == "timestamp"
    for spec in (replace(SPEC, cursor=None), replace(SPEC, mode="xid")):
        with pytest.raises(ConfigurationError, match=f"item is {name}: .* a cursor only"):
            check_table(spec, found)


def test_a_materialized_view_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="item is a materialized view"):
        check_table(SPEC, replace(FOUND, kind="m"))


HASHED = replace(SPEC, columns=("id",), hmac=("name",))


def test_a_hashed_column_is_taken_last_as_text_under_its_keys_name() -> None:
    taken = (Column("id", "integer"), Column("name", "hmac-sha256:0a1b2c3d"))
    assert check_table(HASHED, FOUND, "0a1b2c3d") == taken
    assert unnamed_columns(HASHED, FOUND) == ("new",)


def test_a_hashed_column_without_a_key_is_refused_with_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="STARLIFT_HMAC_KEY is not set"):
        check_table(HASHED, FOUND)


@pytest.mark.parametrize(
    ("keys", "remedy"),
    [
        (frozenset[frozenset[str]](), r"ALTER TABLE public\.item ADD PRIMARY KEY \(id\)"),
        (frozenset({frozenset({"name", "id"})}), "declare one of: id, name"),
    ],
)
def test_a_key_that_is_not_unique_and_not_null_is_refused_with_the_remedy(
    keys: frozenset[frozenset[str]], remedy: str
) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        check_table(SPEC, replace(FOUND, unique_keys=keys))


def test_a_cursor_that_is_no_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"item\.name is text, and a cursor is a date"):
        check_table(replace(SPEC, cursor="name"), FOUND)


LARGE = replace(FOUND, bytes=2 * 10**9)


@pytest.mark.parametrize(
    ("spec", "found", "sees_all", "mode"),
    [
        (SPEC, FOUND, True, "xid"),
        (SPEC, LARGE, True, "timestamp"),
        (SPEC, LARGE, False, "xid"),
        (SPEC, replace(LARGE, kind="p"), True, "xid"),
        (replace(SPEC, cursor=None), LARGE, True, "xid"),
        (replace(SPEC, mode="xid"), LARGE, True, "xid"),
        (replace(SPEC, mode="timestamp"), FOUND, True, "timestamp"),
    ],
)
def test_auto_reads_by_xid_unless_the_table_is_large_and_the_cursor_sound(
    spec: TableSpec, found: SourceTable, sees_all: bool, mode: str
) -> None:
    assert choose_mode(spec, found, sees_all, Limits()) == mode


@pytest.mark.parametrize(
    ("found", "sees_all", "message"),
    [(FOUND, False, "GRANT pg_read_all_stats"), (replace(FOUND, kind="p"), True, "is partitioned")],
)
def test_timestamp_mode_is_refused_where_it_would_lose_rows(
    found: SourceTable, sees_all: bool, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        choose_mode(replace(SPEC, mode="timestamp"), found, sees_all, Limits())


def test_the_fingerprint_tells_names_types_and_order() -> None:
    sets = [TAKEN, TAKEN[::-1], TAKEN[:1], (Column("name", "varchar"), Column("id", "integer"))]
    assert len({fingerprint(columns) for columns in sets}) == len(sets)


def test_a_type_that_means_something_on_its_own_server_alone_is_refused_with_the_remedy() -> None:
    found = replace(FOUND, columns=(Column("id", "integer"), Column("name", "regclass"), *COLUMNS[2:]))
    with pytest.raises(
        ConfigurationError, match=r"item\.name is regclass, which is refused: .* casts it to text"
    ):
        check_table(SPEC, found)
    assert check_table(replace(SPEC, columns=("id",)), found) == (Column("id", "integer"),)


def test_a_poll_relies_on_what_it_takes_and_on_no_other_column() -> None:
    other = replace(FOUND, columns=(*COLUMNS, Column("newest", "text")), bytes=1, relations=(100, 200))
    assert seen_as(SPEC, other) == seen_as(SPEC, FOUND)
    for found in (
        None,
        replace(FOUND, kind="v"),
        replace(FOUND, columns=COLUMNS[:2]),
        replace(FOUND, shapes={"name": "7"}),
        replace(FOUND, unique_keys=frozenset()),
    ):
        assert seen_as(SPEC, found) != seen_as(SPEC, FOUND)

"""What happens to a live Totesys is what its application does, and the caller is told all of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

import pg8000.native
import pytest
from pg8000.exceptions import DatabaseError

from starlift.totesys import changes
from starlift.totesys.changes import Changed
from starlift.totesys.loading import TABLES
from tests.postgres import SourceDatabase, connected

MONDAY, SATURDAY = date(2024, 11, 18), date(2024, 11, 16)
NOON = datetime(2024, 11, 18, 12, 0, 10, 42_000)

Cells = dict[tuple[str, int], dict[str, object]]


@pytest.fixture
def rng() -> random.Random:
    return random.Random(11)  # noqa: S311


@pytest.fixture
def live(totesys_small: SourceDatabase) -> Iterator[pg8000.native.Connection]:
    with connected(totesys_small.admin) as connection:
        yield connection


def content(connection: pg8000.native.Connection) -> Cells:
    """Every row by table and key."""
    cells: Cells = {}
    for table in TABLES:
        for (row,) in connection.run(f"SELECT row_to_json({table}) FROM {table}") or ():
            cells[table, row[f"{table}_id"]] = row
    return cells


@contextmanager
def watched(connection: pg8000.native.Connection) -> Iterator[Callable[[], tuple[Changed, Cells, Cells]]]:
    """Yields a function that tells, after a change, the changed keys by table, and all rows old and new."""
    before = content(connection)

    def tell() -> tuple[Changed, Cells, Cells]:
        after = content(connection)
        changed: Changed = {}
        for table, key in sorted(before.keys() | after.keys()):
            if before.get((table, key)) != after.get((table, key)):
                changed.setdefault(table, []).append(key)
        return changed, before, after

    yield tell


def test_a_working_day_adds_orders_stamped_within_it(
    live: pg8000.native.Connection, rng: random.Random
) -> None:
    with watched(live) as tell:
        told = changes.working_day(live, rng, MONDAY)
        changed, before, after = tell()
    assert told == changed
    assert len(told["payment"]) == len(told["transaction"]) > 15
    assert len(told["sales_order"]) + len(told["purchase_order"]) == len(told["payment"])
    for table, keys in told.items():
        for key in keys:
            assert (table, key) not in before
            assert "2024-11-18T08:00" <= str(after[table, key]["created_at"]) < "2024-11-18T19:00"


def test_keys_follow_on_from_those_that_exist(live: pg8000.native.Connection, rng: random.Random) -> None:
    highest = len(live.run("SELECT FROM payment") or ())
    told = changes.place_orders(live, rng, NOON, sales=2, purchases=1)
    assert told["payment"] == [highest + 1, highest + 2, highest + 3]
    assert (len(told["sales_order"]), len(told["purchase_order"])) == (2, 1)


def test_orders_of_a_moment_have_that_stamp(live: pg8000.native.Connection, rng: random.Random) -> None:
    with watched(live) as tell:
        told = changes.place_orders(live, rng, NOON, sales=1, purchases=1)
        changed, _, after = tell()
    assert told == changed
    stamps = {after[table, key]["last_updated"] for table, keys in told.items() for key in keys}
    assert stamps == {"2024-11-18T12:00:10.042"}


def test_a_morning_pays_what_is_dated_that_day_with_one_stamp(
    live: pg8000.native.Connection, rng: random.Random
) -> None:
    with watched(live) as tell:
        told = changes.pay_morning(live, rng, MONDAY)
        changed, before, after = tell()
    assert told == changed
    assert set(told) == {"payment"}
    due = {
        key
        for (table, key), row in before.items()
        if table == "payment" and row["payment_date"] == "2024-11-18"
    }
    assert set(told["payment"]) == due
    assert all(after["payment", key]["paid"] for key in due)
    stamps = {str(after["payment", key]["last_updated"]) for key in due}
    assert len(stamps) == 1
    assert stamps.pop().startswith("2024-11-18T07:55:11")


def test_a_morning_does_not_pay_twice_nor_what_is_made_after_it(
    live: pg8000.native.Connection, rng: random.Random
) -> None:
    changes.pay_morning(live, rng, MONDAY)
    changes.working_day(live, rng, MONDAY, pace=5)
    assert live.run("SELECT count(*) > 0 FROM payment WHERE payment_date = '2024-11-18' AND NOT paid") == [
        [True]
    ]
    assert changes.pay_morning(live, rng, MONDAY) == {}


def test_nothing_is_paid_on_a_weekend(live: pg8000.native.Connection, rng: random.Random) -> None:
    assert live.run("SELECT count(*) > 0 FROM payment WHERE payment_date = '2024-11-16'") == [[True]]
    with watched(live) as tell:
        assert changes.pay_morning(live, rng, SATURDAY) == {}
        assert tell()[0] == {}


def test_a_silent_edit_changes_one_column_and_leaves_last_updated(
    live: pg8000.native.Connection, rng: random.Random
) -> None:
    with watched(live) as tell:
        told = changes.edit_silently(live, rng, 60)
        changed, before, after = tell()
    assert told == changed
    assert sum(map(len, told.values())) == 60
    columns = set()
    for table, keys in told.items():
        for key in keys:
            old, new = before[table, key], after[table, key]
            (column,) = [name for name in old if old[name] != new[name]]
            columns.add((table, column))
    assert columns <= {
        ("design", "file_location"),
        *(
            ("sales_order", name)
            for name in ("agreed_delivery_date", "staff_id", "agreed_delivery_location_id", "design_id")
        ),
        *(
            ("purchase_order", name)
            for name in ("agreed_delivery_date", "item_code", "staff_id", "agreed_delivery_location_id")
        ),
    }
    assert len(columns) >= 7


def test_more_silent_edits_than_rows_are_refused(live: pg8000.native.Connection, rng: random.Random) -> None:
    with pytest.raises(ValueError, match="no 9999 rows to edit"):
        changes.edit_silently(live, rng, 9999)
    assert live.run("SELECT pg_current_xact_id_if_assigned()") == [[None]]


def test_silent_edits_need_no_designs_or_orders_of_every_kind(
    source_db: SourceDatabase, rng: random.Random
) -> None:
    with connected(source_db.admin) as connection:
        changes.add_design(connection, rng, NOON)
        assert changes.edit_silently(connection, rng, 1) == {"design": [1]}


def test_a_renamed_department_and_a_moved_address_are_stamped(
    live: pg8000.native.Connection, rng: random.Random
) -> None:
    with watched(live) as tell:
        told = changes.rename_department(live, 4, "Dispatch & Returns", NOON)
        told |= changes.move_address(live, rng, 17, NOON)
        changed, before, after = tell()
    assert told == changed == {"address": [17], "department": [4]}
    assert after["department", 4]["department_name"] == "Dispatch & Returns"
    assert after["address", 17]["address_line_1"] != before["address", 17]["address_line_1"]
    for row in (("department", 4), ("address", 17)):
        assert after[row]["last_updated"] == "2024-11-18T12:00:10.042"
        assert after[row]["created_at"] == before[row]["created_at"]


def test_what_is_not_there_is_not_told_as_changed(live: pg8000.native.Connection, rng: random.Random) -> None:
    assert changes.rename_department(live, 99, "Nowhere", NOON) == {}
    assert changes.move_address(live, rng, 99, NOON) == {}


def test_a_new_design_is_one_row_that_orders_may_refer_to(
    live: pg8000.native.Connection, rng: random.Random
) -> None:
    with watched(live) as tell:
        told = changes.add_design(live, rng, NOON)
        assert told == tell()[0]
    assert list(told) == ["design"]


def test_a_late_commit_is_stamped_before_rows_that_are_seen_before_it(
    totesys_small: SourceDatabase, rng: random.Random
) -> None:
    seen = "SELECT created_at FROM sales_order WHERE sales_order_id = :key"
    later = datetime(2024, 11, 18, 12, 5)
    with connected(totesys_small.admin) as late, connected(totesys_small.admin) as other:
        with changes.late_commit(late, rng, NOON) as told:
            (key,) = told["sales_order"]
            (overtaking,) = changes.place_orders(other, rng, later)["sales_order"]
            assert overtaking > key
            assert other.run(seen, key=key) == []
            assert other.run(seen, key=overtaking) == [[later]]
        assert other.run(seen, key=key) == [[NOON]]


def test_a_late_commit_that_fails_leaves_nothing(live: pg8000.native.Connection, rng: random.Random) -> None:
    with watched(live) as tell:
        with pytest.raises(DatabaseError), changes.late_commit(live, rng, NOON):
            live.run("SELECT 1 / 0")
        assert tell()[0] == {}

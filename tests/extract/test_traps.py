"""The traps in which cursor-based extraction loses rows, each by name, against a real PostgreSQL.

Those of transactions that are open while a poll is made are in `test_trap_barrier.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from starlift.adapters.postgres.source import PostgresSource
from starlift.core.config import DeclaredMode
from starlift.core.units import offset
from starlift.errors import UnavailableError
from tests.extract.conftest import Extractor, MakeExtractor, Shop


def test_equal_stamps_at_the_boundary_arrive(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    edge = extractor.manifest(1).tables["item"].W
    shop.run("INSERT INTO item VALUES (4, 'on the watermark', :edge)", edge=edge)
    extractor.poll()
    assert extractor.names() == shop.names()


@pytest.mark.parametrize("stamp", ["infinity", "2999-01-01", None])
def test_future_infinite_and_null_stamps_do_not_poison_the_watermark(
    extractor: Extractor, shop: Shop, stamp: str | None
) -> None:
    shop.run("UPDATE item SET changed = :stamp WHERE id = 1", stamp=stamp)
    extractor.poll()
    shop.run("UPDATE item SET name = 'after', changed = now() WHERE id = 2")
    shop.run("UPDATE item SET name = 'still', changed = :stamp WHERE id = 1", stamp=stamp)
    extractor.poll()
    assert extractor.names() == shop.names()


@pytest.mark.parametrize("stamp", ["1999-01-01", "-infinity", "0044-03-15 BC"])
def test_stamp_moved_back_arrives_in_xid_mode_at_once(
    extractor_of: MakeExtractor, shop: Shop, stamp: str
) -> None:
    extractor = extractor_of("xid")
    extractor.poll()
    shop.run("UPDATE item SET name = 'imported', changed = :stamp WHERE id = 1", stamp=stamp)
    extractor.poll()
    assert extractor.names() == shop.names()


@pytest.mark.parametrize("kind", ["timestamp(0)", "timestamp(3)", "timestamp", "date"])
def test_cursor_rounded_to_its_precision_stays_above_the_watermark(
    extractor_of: MakeExtractor, shop: Shop, kind: str
) -> None:
    shop.run(f"ALTER TABLE item ALTER changed TYPE {kind} USING changed AT TIME ZONE 'UTC'")
    shop.run("ALTER TABLE item ALTER changed SET DEFAULT (now() AT TIME ZONE 'UTC')")
    extractor = extractor_of("timestamp")
    for number in range(4, 12):
        extractor.poll()
        shop.run("INSERT INTO item (id, name) VALUES (:id, 'x')", id=number)
    extractor.poll()
    assert extractor.names() == shop.names()


@pytest.mark.parametrize("zone", ["+02:00", "-05:30"])
def test_a_cursor_in_a_zone_with_a_fixed_offset_is_compared_in_it(
    extractor_of: MakeExtractor, shop: Shop, zone: str
) -> None:
    stamp = f"((now() AT TIME ZONE 'UTC') + interval '{zone}')"
    shop.run("ALTER TABLE item ALTER changed TYPE timestamp")
    shop.run(f"UPDATE item SET changed = {stamp} - interval '1 hour'")
    extractor = extractor_of("timestamp", cursor_zone=zone)
    extractor.poll()
    shop.run(f"UPDATE item SET name = 'now', changed = {stamp} WHERE id = 1")
    extractor.poll()
    assert [row["id"] for row in extractor.rows(2)] == ["1"]


def partition(shop: Shop) -> None:
    shop.run("DROP TABLE item")
    shop.run("CREATE TABLE item (id int PRIMARY KEY, name text) PARTITION BY RANGE (id)")
    shop.run("CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (0) TO (10)")
    shop.run("CREATE TABLE item_2 (id int PRIMARY KEY, name text)")
    shop.run("INSERT INTO item VALUES (1, 'a')")
    shop.run("INSERT INTO item_2 VALUES (11, 'old row of a partition to come')")
    shop.run("GRANT SELECT ON item TO starlift_source")


def test_attach_partition_ships_the_rows_that_were_in_it_before(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    partition(shop)
    extractor = extractor_of("auto", cursor=None)
    extractor.poll()
    shop.run("ALTER TABLE item ATTACH PARTITION item_2 FOR VALUES FROM (10) TO (20)")
    extractor.poll()
    assert [row["id"] for row in extractor.rows(2)] == ["11"]
    assert extractor.names() == shop.names()


def test_detach_partition_lists_every_key_that_is_left(extractor_of: MakeExtractor, shop: Shop) -> None:
    partition(shop)
    shop.run("ALTER TABLE item ATTACH PARTITION item_2 FOR VALUES FROM (10) TO (20)")
    extractor = extractor_of("auto", cursor=None, limits={"list_rows": 1})
    extractor.poll()
    shop.run("ALTER TABLE item DETACH PARTITION item_1")
    extractor.poll()
    assert extractor.manifest(2).inventory["item"].scope == "all"
    assert [line["_key"] for line in extractor.listed(2)] == ["(11)"]
    assert extractor.rows(2) == [], "what is left has not changed"


def test_swap_by_rename_has_the_table_read_whole(extractor: Extractor, shop: Shop) -> None:
    shop.run("CREATE TABLE fresh (LIKE item INCLUDING ALL)")
    shop.run("INSERT INTO fresh VALUES (1, 'swapped', '1999-01-01')")
    extractor.poll()
    shop.run("ALTER TABLE item RENAME TO old")
    shop.run("ALTER TABLE fresh RENAME TO item")
    shop.run("GRANT SELECT ON item TO starlift_source")
    extractor.poll()
    assert extractor.manifest(2).inventory["item"].scope == "whole"
    assert {str(row["id"]): row["name"] for row in extractor.rows(2)} == shop.names()


def test_row_level_security_that_hides_rows_is_an_error_and_not_an_absence(
    extractor: Extractor, shop: Shop
) -> None:
    shop.run("ALTER TABLE item ENABLE ROW LEVEL SECURITY")
    with pytest.raises(UnavailableError, match="row-level security policy"):
        extractor.poll()
    assert list(extractor.lake.keys("")) == []


def test_px_ahead_of_the_server_has_every_table_read_whole(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    state = extractor.manifest(1).tables["item"]
    extractor.rewrite(1, tables={"item": replace(state, px="4000000000")})
    extractor.poll()
    assert extractor.manifest(2).inventory["item"].scope == "whole"
    assert {str(row["id"]): row["name"] for row in extractor.rows(2)} == shop.names()
    assert int(extractor.manifest(2).tables["item"].px or 0) < 4_000_000_000


def test_frozen_rows_are_not_shipped_again(extractor_of: MakeExtractor, shop: Shop) -> None:
    extractor = extractor_of("xid", limits={"heartbeat": timedelta()})
    extractor.poll()
    shop.run("VACUUM (FREEZE) item")
    extractor.poll()
    assert extractor.manifest(2).kind == "heartbeat"


@pytest.mark.parametrize(
    "setting",
    [
        "datestyle = 'SQL, DMY'",
        "timezone = 'Asia/Tokyo'",
        "intervalstyle = 'sql_standard'",
        "extra_float_digits = -5",
        "bytea_output = 'escape'",
        "search_path = x, pg_catalog",
    ],
)
def test_settings_of_the_role_do_not_change_what_is_shipped(
    extractor_of: MakeExtractor, shop: Shop, setting: str
) -> None:
    """A pooler, a role or a database may bring settings of its own; every one that matters is SET LOCAL."""
    shop.run("CREATE SCHEMA x")
    shop.run("GRANT USAGE ON SCHEMA x TO starlift_source")
    shop.run(
        "CREATE FUNCTION x.hashtextextended(text, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1::int8'"
    )
    shop.run("ALTER TABLE item ADD price float8 DEFAULT 0.1234567890123456")
    shop.run("ALTER TABLE item ADD took interval DEFAULT '1 mon 2 days -03:04:05'")
    shop.run("ALTER TABLE item ADD raw bytea DEFAULT '\\x00ff'")
    columns = ("id", "name", "changed", "price", "took", "raw")
    extractor = extractor_of("xid", columns=columns)
    extractor.poll()
    plain = extractor.rows(1)
    shop.run(f"ALTER ROLE starlift_source SET {setting}")
    try:
        again = extractor_of("xid", columns=columns)
        again.poll()
        assert again.rows(1) == plain
    finally:
        shop.run("ALTER ROLE starlift_source RESET ALL")
        shop.run("ALTER ROLE starlift_source SET default_transaction_read_only = on")


EDITS = {
    "a stamp moved back": "UPDATE item SET name = 'x', changed = '1999-01-01' WHERE id = 1",
    "a stamp left alone": "UPDATE item SET name = 'x' WHERE id = 1",
    "a stamp of an application whose clock is slow": (
        "INSERT INTO item VALUES (4, 'x', clock_timestamp() - interval '1 min')"
    ),
    "an import with old stamps": "INSERT INTO item VALUES (4, 'x', '1999-01-01'), (5, 'y', '1999-01-02')",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("mode", ["xid", "timestamp"])
def test_what_no_stamp_tells_of_arrives(
    extractor_of: MakeExtractor, shop: Shop, mode: DeclaredMode, edit: str
) -> None:
    """In xid mode at once, in timestamp mode with the next pass by xid, here due with every poll."""
    shop.run("UPDATE item SET changed = now() - interval '1 hour'")
    extractor = extractor_of(mode, limits={"xid_every": timedelta()})
    extractor.poll()
    shop.run(edit)
    extractor.poll()
    assert extractor.names() == shop.names()


def test_microseconds_cut_off_by_the_writer_arrive(extractor_of: MakeExtractor, shop: Shop) -> None:
    extractor = extractor_of("timestamp")
    shop.next_second()
    extractor.poll()
    shop.run("INSERT INTO item VALUES (4, 'cut', date_trunc('second', now()))")
    extractor.poll()
    assert extractor.names() == shop.names()


def test_a_cursor_in_a_zone_with_summer_time_is_refused_and_read_by_xid(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    """When the clock is set back, an hour of stamps comes again."""
    with pytest.raises(ValueError, match=r"repeats an hour.*mode = \"xid\""):
        offset("Europe/London")
    local = "(timestamptz '2024-10-27 {} UTC' AT TIME ZONE 'Europe/London')"
    shop.run("ALTER TABLE item ALTER changed TYPE timestamp")
    shop.run(f"UPDATE item SET changed = {local.format('00:59')}")
    extractor = extractor_of("xid")
    extractor.poll()
    assert shop.run(f"SELECT {local.format('01:01')} < {local.format('00:59')}") == [[True]]
    shop.run(f"UPDATE item SET name = 'winter', changed = {local.format('01:01')} WHERE id = 1")
    extractor.poll()
    assert extractor.names() == shop.names()


class Pooled(PostgresSource):
    """A source behind a pooler: what is SET is dropped when a transaction, or a lone statement, ends."""

    _transaction = False

    def _run(self, statement: str, **values: Any) -> list[list[Any]]:
        if not self._transaction:
            super()._run("RESET ALL")
        self._transaction = statement.startswith("BEGIN") or (self._transaction and statement != "COMMIT")
        return super()._run(statement, **values)


def test_a_pooler_that_drops_sets_changes_nothing(extractor_of: MakeExtractor, shop: Shop) -> None:
    shop.run(
        "ALTER TABLE item ADD due date DEFAULT '2024-02-01', ADD price float8 DEFAULT 0.1234567890123456"
    )
    columns = ("id", "name", "changed", "due", "price")
    plain = extractor_of("xid", columns=columns)
    plain.poll()
    shop.run("ALTER ROLE starlift_source SET datestyle = 'SQL, DMY'")
    shop.run("ALTER ROLE starlift_source SET timezone = 'Asia/Tokyo'")
    shop.run("ALTER ROLE starlift_source SET extra_float_digits = -5")
    try:
        pooled = extractor_of("xid", columns=columns, hmac=("name",))
        pooled.hmac_key = "00" * 32
        pooled.adapter = Pooled
        pooled.poll()
        shop.run("UPDATE item SET changed = now() WHERE id = 1")
        assert pooled.poll().counts["item"].read == 1
    finally:
        shop.run("ALTER ROLE starlift_source RESET ALL")
        shop.run("ALTER ROLE starlift_source SET default_transaction_read_only = on")
    shown = [{name: row[name] for name in ("id", "changed", "due", "price")} for row in plain.rows(1)]
    assert [{name: row[name] for name in shown[0]} for row in pooled.rows(1)] == shown

"""The traps in which cursor-based extraction loses rows, each by name, against a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from starlift.errors import ConfigurationError, UnavailableError
from tests.extract.conftest import Extractor, MakeExtractor, Shop


def test_late_commit_a_row_stamped_before_a_poll_and_committed_after_it_arrives(
    extractor: Extractor, shop: Shop
) -> None:
    with shop.session() as late:
        late.run("BEGIN")
        late.run("INSERT INTO item VALUES (4, 'late')")
        shop.run("INSERT INTO item VALUES (5, 'newer')")
        extractor.poll()
        assert "4" not in extractor.names()
        late.run("COMMIT")
    extractor.poll()
    assert extractor.names() == shop.names()


def test_no_xid_yet_a_transaction_that_writes_long_after_it_began_arrives(
    extractor: Extractor, shop: Shop
) -> None:
    with shop.session() as idle:
        idle.run("BEGIN")
        idle.run("SELECT now()")  # fixes the stamp, takes no xid
        shop.run("UPDATE item SET changed = now() WHERE id = 1")
        extractor.poll()
        extractor.poll()
        idle.run("INSERT INTO item VALUES (4, 'idle first')")
        idle.run("COMMIT")
    extractor.poll()
    assert extractor.names() == shop.names()


def test_prepared_transaction_that_no_session_shows_arrives(extractor: Extractor, shop: Shop) -> None:
    shop.run("BEGIN")
    shop.run("INSERT INTO item VALUES (4, 'prepared')")
    shop.run("PREPARE TRANSACTION 'starlift'")
    shop.run("INSERT INTO item VALUES (5, 'newer')")
    extractor.poll()
    assert extractor.manifest(1).tables["item"].W is None, "no watermark while a transaction is prepared"
    shop.run("COMMIT PREPARED 'starlift'")
    extractor.poll()
    assert extractor.names() == shop.names()


def test_track_activities_off_hides_a_writer_and_stops_the_watermark(
    extractor: Extractor, shop: Shop
) -> None:
    with shop.session() as hidden:
        hidden.run("SET track_activities = off")
        hidden.run("BEGIN")
        hidden.run("INSERT INTO item VALUES (4, 'hidden')")
        extractor.poll()
        assert extractor.manifest(1).tables["item"].W is None
        hidden.run("COMMIT")
    extractor.poll()
    assert extractor.names() == shop.names()


def test_inner_commit_of_a_multi_statement_message_stamps_with_its_arrival(
    extractor: Extractor, shop: Shop
) -> None:
    """now() of the second transaction is the message's arrival, before its own xact_start."""
    with shop.session() as writer:
        writer.run("SET lock_timeout = '60s'")
        shop.run("BEGIN")
        shop.run("SELECT pg_advisory_xact_lock(1)")
        message = (
            "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT pg_advisory_xact_lock(1); "
            "INSERT INTO item VALUES (4, 'inner'); COMMIT"
        )
        from threading import Thread

        thread = Thread(target=writer.run, args=(message,))
        thread.start()
        while not shop.other.run("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'"):
            pass
        extractor.poll()
        shop.run("COMMIT")
        thread.join(timeout=30)
    extractor.poll()
    assert extractor.names() == shop.names()


def test_no_pg_read_all_stats_refuses_timestamp_mode_and_leaves_xid_mode_alone(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    shop.run("REVOKE pg_read_all_stats FROM starlift_source")
    try:
        with pytest.raises(ConfigurationError, match="GRANT pg_read_all_stats"):
            extractor_of("timestamp").poll()
        blind = extractor_of("auto")
        blind.poll()
        assert blind.manifest(1).tables["item"].W is None
        assert blind.names() == shop.names()
    finally:
        shop.run("GRANT pg_read_all_stats TO starlift_source")


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
    ["datestyle = 'SQL, DMY'", "timezone = 'Asia/Tokyo'", "extra_float_digits = -5", "search_path = 'x'"],
)
def test_settings_of_the_role_do_not_change_what_is_shipped(
    extractor_of: MakeExtractor, shop: Shop, setting: str
) -> None:
    """A pooler, a role or a database may bring settings of its own; every one that matters is SET LOCAL."""
    shop.run("ALTER TABLE item ADD price float8 DEFAULT 0.1234567890123456")
    extractor = extractor_of("xid", columns=("id", "name", "changed", "price"))
    extractor.poll()
    plain = extractor.rows(1)
    shop.run(f"ALTER ROLE starlift_source SET {setting}")
    try:
        again = extractor_of("xid", columns=("id", "name", "changed", "price"))
        again.poll()
        assert again.rows(1) == plain
    finally:
        shop.run("ALTER ROLE starlift_source RESET ALL")
        shop.run("ALTER ROLE starlift_source SET default_transaction_read_only = on")


def test_the_barrier_is_read_before_the_snapshot_and_outside_it(shop: Shop) -> None:
    with PostgresSource(Dsn.parse(shop.database.reader)) as source:
        barrier = source.barrier()
        shop.run("INSERT INTO item VALUES (4, 'between')")
        with source.snapshot() as snapshot:
            first = snapshot.text
            shop.run("INSERT INTO item VALUES (5, 'after')")
            assert snapshot.text == first
    assert barrier.prepared == barrier.blind == 0

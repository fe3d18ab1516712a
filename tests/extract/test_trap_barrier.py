"""The traps of transactions that are open while a poll is made, each by name, against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from starlift.adapters.postgres import source_sql
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSnapshot, PostgresSource
from starlift.core.units import instant
from starlift.errors import ConfigurationError
from starlift.ports import Barrier
from tests.extract.conftest import Extractor, MakeExtractor, Shop


def test_late_commit_a_row_stamped_before_a_poll_and_committed_after_it_arrives(
    extractor: Extractor, shop: Shop
) -> None:
    with shop.session() as late:
        late.run("BEGIN")
        late.run("INSERT INTO item VALUES (4, 'late')")
        shop.next_second()
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
        shop.next_second()
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


def test_inner_commit_of_a_multi_statement_message_stamps_with_its_arrival(shop: Shop) -> None:
    """now() of each of its transactions is the message's arrival, and between two of them there is none: a
    look at that moment must find it open since then all the same."""
    looking = "SELECT clock_timestamp() FROM pg_stat_activity WHERE pid = :pid AND state = 'active'"
    seen = []
    with shop.session() as writer, PostgresSource(Dsn.parse(shop.database.reader)) as source:
        (pid,) = writer.run("SELECT pg_backend_pid()")[0]
        source.barrier()
        (before,) = shop.run("SELECT clock_timestamp()")[0]
        thread = Thread(target=writer.run, args=("BEGIN; COMMIT;" * 120_000,))
        thread.start()
        while not shop.run(looking, pid=pid):
            pass
        (arrived,) = shop.run("SELECT clock_timestamp()")[0]
        barrier = source.barrier()
        while shop.run(looking, pid=pid):  # so it ran all the time that the look took
            seen.append(barrier.oldest)
            barrier = source.barrier()
        thread.join()
    assert len(seen) > 5
    assert {oldest is not None and before <= instant(oldest) <= arrived for oldest in seen} == {True}


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


class Interrupted(PostgresSource):
    """A source at which something happens once, behind the first of some looks that a poll takes at it.

    looks: `barrier`, `snapshot`, or the beginning of a statement.
    """

    def __init__(self, dsn: Dsn, looks: Collection[str], happens: Callable[[], object]) -> None:
        super().__init__(dsn)
        self._looks = looks
        self._happens: list[Callable[[], object]] = [happens]

    def _look(self, name: str) -> None:
        if name in self._looks and self._happens:
            self._happens.pop()()

    def barrier(self) -> Barrier:
        found = super().barrier()
        self._look("barrier")
        return found

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        with super().snapshot() as snapshot:
            self._look("snapshot")
            yield snapshot

    def _run(self, statement: str, **values: Any) -> list[list[Any]]:
        rows = super()._run(statement, **values)
        self._look(statement)
        return rows


def test_snapshot_before_barrier_loses_what_commits_between_the_two(extractor: Extractor, shop: Shop) -> None:
    """So the barrier is read first: what ends behind it, the snapshot shows."""
    with shop.session() as writer:
        writer.run("BEGIN")
        writer.run("INSERT INTO item VALUES (4, 'between')")
        shop.next_second()
        looks = ("barrier", "snapshot")
        extractor.adapter = lambda dsn, _: Interrupted(dsn, looks, lambda: writer.run("COMMIT"))
        extractor.poll()
    extractor.adapter = PostgresSource
    extractor.poll()
    assert extractor.names() == shop.names()


def test_prepared_between_the_two_looks_at_what_is_open_arrives(extractor: Extractor, shop: Shop) -> None:
    """So sessions are looked at first: what is prepared behind that, the count of the prepared shows."""
    shop.run("BEGIN")
    shop.run("INSERT INTO item VALUES (4, 'prepared')")
    shop.next_second()
    looks = (source_sql.BARRIER, source_sql.PREPARED)
    prepare = "PREPARE TRANSACTION 'starlift'"
    extractor.adapter = lambda dsn, _: Interrupted(dsn, looks, lambda: shop.run(prepare))
    extractor.poll()
    shop.run("COMMIT PREPARED 'starlift'")
    extractor.adapter = PostgresSource
    extractor.poll()
    assert extractor.names() == shop.names()

"""What a poll costs the source follows what has changed, as far as an index can tell."""

from __future__ import annotations

import time
from typing import Any

import pg8000.native
import pytest

from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from starlift.stages import log
from tests.extract.conftest import MakeExtractor, Shop

ROWS = 20_000
READ = """
SELECT coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'item'
"""


def rows_read(shop: Shop) -> tuple[int, int]:
    """Return how many rows of the table were read so far, one after the other and by an index, once the
    sessions that read them have told."""
    found = None
    while True:
        with shop.session() as session:
            now: tuple[int, int] = tuple(session.run(READ)[0])
        if now == found:
            return now
        found = now
        time.sleep(0.6)


def test_a_poll_by_an_indexed_cursor_reads_the_new_rows_and_no_others(
    shop: Shop, extractor_of: MakeExtractor
) -> None:
    shop.run(
        "INSERT INTO item SELECT n, 'x', now() - interval '1 day' FROM generate_series(4, :rows) AS n",
        rows=ROWS,
    )
    shop.run("UPDATE item SET changed = now() - interval '1 day' WHERE id < 4")
    shop.run("CREATE INDEX item_changed ON item (changed)")
    shop.run("VACUUM (ANALYZE) item")
    extractor = extractor_of("timestamp")
    extractor.poll()
    assert len(extractor.rows(1)) == ROWS
    shop.next_second()
    extractor.poll()
    shop.run("UPDATE item SET name = 'new', changed = clock_timestamp() WHERE id IN (7, 5000, 12345)")
    scanned, looked_up = rows_read(shop)
    assert scanned >= ROWS
    extractor.poll()
    assert {row["id"] for row in extractor.rows(log.head(extractor.lake)[0])} == {"7", "5000", "12345"}
    scanned_since, looked_up_since = rows_read(shop)
    assert scanned_since == scanned
    assert 3 <= looked_up_since - looked_up <= 30


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What any session is asked from now on."""
    asked: list[str] = []
    run = pg8000.native.Connection.run

    def noting(self: pg8000.native.Connection, statement: str, *given: Any, **named: Any) -> Any:
        asked.append(statement)
        return run(self, statement, *given, **named)

    monkeypatch.setattr(pg8000.native.Connection, "run", noting)
    return asked


def test_a_poll_that_finds_nothing_hashes_no_row_and_asks_little(
    shop: Shop, extractor_of: MakeExtractor, statements: list[str]
) -> None:
    extractor = extractor_of("xid")
    extractor.poll()
    assert any("hashtextextended" in statement for statement in statements)
    shop.run("SELECT pg_current_xact_id()")
    extractor.poll()
    statements.clear()
    assert extractor.poll().kind is None
    assert not [statement for statement in statements if "hashtextextended" in statement]
    # a message each for server, identity, two transactions and what is asked in them; two for the table
    assert len(statements) <= 15


def test_the_source_compiles_nothing(shop: Shop) -> None:
    """What a server that compiles long queries would take longer for than for the query."""
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot():
        assert source._run("SHOW jit") == [["off"]]


def test_of_rows_that_were_not_foretold_the_number_is_enough(
    shop: Shop, extractor_of: MakeExtractor, statements: list[str]
) -> None:
    extractor = extractor_of("xid")
    extractor.poll()
    shop.run("UPDATE item SET name = 'new' WHERE id = 1")
    statements.clear()
    assert extractor.poll().kind == "incremental"
    hashing = [statement for statement in statements if "hashtextextended" in statement]
    assert len(hashing) == 1, "the rows are hashed once, where they are copied"
    assert hashing[0].startswith("COPY")


def test_of_as_many_rows_as_were_foretold_the_hashes_are_compared(
    shop: Shop, extractor_of: MakeExtractor, statements: list[str]
) -> None:
    """A transaction that stays open has the next poll read the rows of this one again."""
    with shop.session() as other:
        other.run("BEGIN")
        other.run("SELECT pg_current_xact_id()")
        shop.run("UPDATE item SET name = 'new' WHERE id = 1")
        extractor = extractor_of("xid")
        extractor.poll()
        statements.clear()
        assert extractor.poll().kind is None
        assert [statement for statement in statements if "hashtextextended" in statement]
        shop.run("UPDATE item SET name = 'newer' WHERE id = 1")
        assert extractor.poll().kind == "incremental"
        assert extractor.names()["1"] == "newer"

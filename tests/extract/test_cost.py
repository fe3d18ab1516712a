"""What a poll costs the source follows what has changed, as far as an index can tell."""

from __future__ import annotations

from typing import Any

import pg8000.native
import pytest

from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from tests.extract.conftest import MakeExtractor, Shop


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

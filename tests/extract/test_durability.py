"""What a batch holds must survive a crash of the source: visible is not yet durable."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from starlift.adapters.embedded import EmbeddedServer
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from tests.extract.conftest import ITEM, Extractor, MakeExtractor, Shop
from tests.postgres import SETTINGS, connected, new_server

LAZY = {**SETTINGS, "wal_writer_delay": "1s", "autovacuum": "off"}
"""A server that leaves an asynchronous commit unflushed for a second and more."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own, to be crashed."""
    server = new_server(tmp_path / "crashing", LAZY)
    server.start()
    yield server
    server.remove()


def crash(server: EmbeddedServer) -> None:
    """Kill the server as a power cut would, but for what the kernel has: its log's buffers are gone."""
    with connected(server.url()) as admin:
        data = Path(admin.run("SHOW data_directory")[0][0])
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    while answers(server.port):
        time.sleep(0.01)
    server.start()


def answers(port: int) -> bool:
    """Whether something still takes connections: a killed process is not gone at once."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_a_row_of_an_asynchronous_commit_is_durable_before_it_is_committed_to_the_lake(
    server: EmbeddedServer, extractor_of: MakeExtractor
) -> None:
    url = server.url()
    with connected(url) as owner:
        owner.run("CREATE TABLE item (id int PRIMARY KEY, name text, changed timestamptz DEFAULT now())")
        owner.run("INSERT INTO item VALUES (1, 'a')")
        extractor = extractor_of("xid")
        extractor.url = url
        extractor.poll()
        owner.run("SET synchronous_commit = off")
        owner.run("UPDATE item SET name = 'asynchronous'")
        extractor.poll()
    assert extractor.names() == {"1": "asynchronous"}
    crash(server)
    with connected(url) as owner:
        assert owner.run("SELECT name FROM item") == [["asynchronous"]]
        owner.run("UPDATE item SET name = 'after the crash'")
    extractor.poll()
    assert extractor.names() == {"1": "after the crash"}


def test_a_poll_does_not_wait_for_a_transaction_that_has_written_and_not_committed(
    extractor: Extractor, shop: Shop
) -> None:
    with shop.session() as open_end:
        open_end.run("BEGIN")
        open_end.run("INSERT INTO item VALUES (4, 'open')")
        extractor.poll()
        assert "4" not in extractor.names()
        open_end.run("ROLLBACK")


def test_to_wait_takes_no_privilege_and_no_write(shop: Shop) -> None:
    with PostgresSource(Dsn.parse(shop.database.reader)) as source:
        source.preflight([ITEM])
        with source.snapshot() as snapshot:
            position = snapshot.position
        shop.run("BEGIN")
        shop.run("INSERT INTO item VALUES (4, 'open')")
        with source.snapshot() as snapshot:
            source_position = snapshot.position
        source.settle(position)
        source.settle(source_position)
        shop.run("ROLLBACK")

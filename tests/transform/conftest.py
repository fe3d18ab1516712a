"""Fixtures of the transform tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from tests.transform.lakes import Pipeline, totesys_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all tests, with the reference data: it is made to be reused."""
    engine = totesys_engine()
    yield engine
    engine.close()


@pytest.fixture
def pipeline(engine: DuckDBEngine) -> Pipeline:
    """Two empty lakes with the small models between them."""
    return Pipeline(engine=engine)

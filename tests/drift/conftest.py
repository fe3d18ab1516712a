"""Small pipelines, each after its first batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drift.project import SOURCE, Project, copy_of, new_project
from tests.postgres import PostgresForTests


@pytest.fixture(scope="session")
def loaded(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A pipeline to be copied."""
    with (
        postgres.other_source("drift_small", SOURCE, ("public",)) as source,
        postgres.warehouse() as warehouse,
        pytest.MonkeyPatch.context() as patch,
    ):
        yield new_project(source, warehouse, tmp_path_factory.mktemp("drift"), patch)


@pytest.fixture
def project(
    postgres: PostgresForTests, loaded: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A pipeline of the test's own."""
    with copy_of(loaded, postgres, tmp_path, monkeypatch) as made:
        yield made

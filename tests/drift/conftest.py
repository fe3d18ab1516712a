"""Small pipelines, each after its first batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drift.project import SOURCE, Project, new_project
from tests.postgres import PostgresForTests


@pytest.fixture
def project(postgres: PostgresForTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A pipeline of the test's own."""
    with (
        postgres.other_source("drift_small", SOURCE, ("public",)) as source,
        postgres.warehouse() as warehouse,
        new_project(source, warehouse, tmp_path, monkeypatch) as made,
    ):
        yield made

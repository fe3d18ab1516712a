"""A small pipeline whose star refuses some rows: a day that is none, a client that must not be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drift.project import Project, copy_of, new_project
from tests.postgres import PostgresForTests

SOURCE = """
CREATE TABLE client (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE visit (id integer PRIMARY KEY, client_id integer NOT NULL, day text NOT NULL);
INSERT INTO client VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO visit VALUES (1, 1, '2024-01-01'), (2, 2, '2024-02-02'), (3, 2, '2024-03-03');
"""
CONFIG = """
[source]
name = "small"

[limits]
margin = "0s"
heartbeat = "1d"

[tables.client]
key = ["id"]
columns = ["id", "name"]

[tables.visit]
key = ["id"]
columns = ["id", "client_id", "day"]
"""
MODELS = {
    "dim_client": "-- One row per client.\n-- kind: dimension\n-- key: id\n-- from: client\n"
    "SELECT id, name FROM client",
    "fact_visit": "-- One row per version of a visit.\n-- kind: fact\n-- key: id\n-- from: visit\n"
    "SELECT id, client_id, strict_date(day) AS day FROM visit",
}
STAR = """-- schema: star
CREATE TABLE dim_client (id integer PRIMARY KEY, name text NOT NULL CHECK (name NOT LIKE 'bad%'));
CREATE TABLE fact_visit (
    record_id serial PRIMARY KEY, id integer NOT NULL, client_id integer NOT NULL REFERENCES dim_client,
    day date NOT NULL
);
"""


@pytest.fixture(scope="session")
def loaded(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A pipeline to be copied."""
    texts = {"models": MODELS, "star": STAR, "config": CONFIG}
    with (
        postgres.other_source("quarantine_small", SOURCE, ("public",)) as source,
        postgres.warehouse() as warehouse,
        pytest.MonkeyPatch.context() as patch,
    ):
        yield new_project(source, warehouse, tmp_path_factory.mktemp("quarantine"), patch, **texts)


@pytest.fixture
def project(
    postgres: PostgresForTests, loaded: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A pipeline of the test's own, after its first batch."""
    with copy_of(loaded, postgres, tmp_path, monkeypatch) as made:
        yield made

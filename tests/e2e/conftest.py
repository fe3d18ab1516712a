"""Pipelines to test: small ones that every test may have, and the server kept still around them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pg8000.native
import pytest

from starlift.totesys.generator import generate
from starlift.totesys.loading import load
from tests import totesys_extract, totesys_small
from tests.e2e.eventful import live_eventfully
from tests.e2e.project import Project, new_project
from tests.e2e.weeks import Week, live
from tests.postgres import PostgresForTests, connected


@pytest.fixture(scope="session")
def still_server(postgres: PostgresForTests) -> Iterator[PostgresForTests]:
    """The session's server without autovacuum: its transactions hold the horizon back as any other does,
    and a poll would then rightly read some rows again, which a test that counts them cannot foresee."""
    with connected(postgres.url("postgres")) as admin:
        admin.run("ALTER SYSTEM SET autovacuum = off")
        admin.run("SELECT pg_reload_conf()")
        yield postgres
        admin.run("ALTER SYSTEM RESET autovacuum")
        admin.run("SELECT pg_reload_conf()")


def fill_tiny(connection: pg8000.native.Connection) -> None:
    """Put a Totesys of some thirty orders into an empty one."""
    load(connection, generate(11, date(2024, 11, 4), 1, 0.9))


@pytest.fixture
def unloaded(still_server: PostgresForTests, tmp_path: Path) -> Iterator[Project]:
    """A pipeline over a tiny Totesys, migrated, that has never run."""
    with (
        still_server.source("totesys_tiny", fill_tiny) as source,
        new_project(still_server, source, tmp_path) as project,
    ):
        yield project


@pytest.fixture(scope="session")
def loaded(still_server: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A pipeline over a tiny Totesys after its first run, to be copied: that takes a fifth of the time."""
    with (
        still_server.source("totesys_tiny", fill_tiny) as source,
        new_project(still_server, source, tmp_path_factory.mktemp("loaded")) as project,
    ):
        project.cycle()
        yield project


@contextmanager
def copy_of(original: Project, postgres: PostgresForTests, folder: Path) -> Iterator[Project]:
    """A copy of a pipeline that nobody is connected to, with lakes in another folder, for a block."""
    with postgres.copies(original.source, original.warehouse) as (source, warehouse):
        project = Project(source, warehouse, folder)
        for name, lake in original.lakes.items():
            shutil.copytree(lake, project.lakes[name])
        yield project


@pytest.fixture
def project(still_server: PostgresForTests, loaded: Project, tmp_path: Path) -> Iterator[Project]:
    """A pipeline over a tiny Totesys, after its first run."""
    with copy_of(loaded, still_server, tmp_path) as project:
        yield project


@pytest.fixture(scope="session")
def eventful(still_server: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A pipeline with a history, for tests that leave it as it is."""
    with (
        still_server.source("totesys_tiny", fill_tiny) as source,
        new_project(still_server, source, tmp_path_factory.mktemp("eventful")) as project,
    ):
        live_eventfully(project)
        yield project


@pytest.fixture
def lived(still_server: PostgresForTests, eventful: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of the pipeline with a history, and files of its own."""
    with copy_of(eventful, still_server, tmp_path) as project:
        project.own_sql()
        yield project


@pytest.fixture(scope="session")
def generated_week(
    still_server: PostgresForTests, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Week]:
    """A week of the generated Totesys."""
    folder = tmp_path_factory.mktemp("generated")
    with (
        still_server.source("totesys_small", totesys_small.fill) as source,
        new_project(still_server, source, folder) as project,
    ):
        yield live(project)


@pytest.fixture(scope="session")
def extract_week(still_server: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """A week of the real Totesys; skips where STARLIFT_TOTESYS_EXTRACT does not name its extract."""
    if totesys_extract.folder() is None:
        pytest.skip("STARLIFT_TOTESYS_EXTRACT is not set: the real extract is needed")
    folder = tmp_path_factory.mktemp("extract")
    with (
        still_server.source("totesys_extract", totesys_extract.fill) as source,
        new_project(still_server, source, folder) as project,
    ):
        yield live(project)


@pytest.fixture(params=["generated", "extract"])
def week(request: pytest.FixtureRequest) -> Week:
    """A week of each Totesys."""
    found: Week = request.getfixturevalue(f"{request.param}_week")
    return found

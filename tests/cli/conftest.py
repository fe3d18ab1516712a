"""Projects to test: one that has never run, one that has, and new ones; S3 and secrets over HTTP."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pg8000.native
import pytest

from starlift.entrypoints.cli import main
from starlift.totesys.generator import generate
from starlift.totesys.loading import load
from tests.cli.project import Project, Said, new_project
from tests.postgres import PostgresForTests
from tests.s3_door import S3Door

NewProject = Callable[[], Project]
Here = Callable[..., Said]


def fill(connection: pg8000.native.Connection) -> None:
    """Put a Totesys of some thirty orders into an empty one."""
    load(connection, generate(11, date(2024, 11, 4), 1, 0.9))


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Heed Ctrl-C, so that the commands do: tests in the background of a script ignore it, and what a
    process ignores its children ignore too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def projects(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewProject]:
    """Makes projects over a small Totesys, migrated, that have never run; they last for the session."""
    with ExitStack() as stack:

        def new() -> Project:
            source = stack.enter_context(postgres.source("totesys_cli", fill))
            return stack.enter_context(new_project(postgres, source, tmp_path_factory.mktemp("project")))

        yield new


@pytest.fixture(scope="session")
def shared_untouched(projects: NewProject) -> Project:
    """Behind `untouched`, which also watches it."""
    return projects()


@pytest.fixture(scope="session")
def shared_standing(projects: NewProject) -> Project:
    """Behind `standing`, which also watches it."""
    project = projects()
    project.cycle()
    project.update("UPDATE design SET design_name = 'Changed' WHERE design_id = 1")
    return project


def watched(project: Project) -> Iterator[Project]:
    """Give a project to a test, after which all must be as before."""
    before = project.state()
    yield project
    assert project.state() == before, "something was written"


@pytest.fixture
def untouched(shared_untouched: Project) -> Iterator[Project]:
    """A project, filled in and migrated, that has never run and will not."""
    yield from watched(shared_untouched)


@pytest.fixture
def standing(shared_standing: Project) -> Iterator[Project]:
    """A project after its first batch, with a row to poll that no run gets to."""
    yield from watched(shared_standing)


@pytest.fixture
def project(projects: NewProject) -> Project:
    """A project of the test's own, that has never run."""
    return projects()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs `starlift WORDS` within this process, in a folder, without STARLIFT_* of the outside."""

    def run(folder: Path, *words: str, **values: str) -> Said:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            for name in [name for name in os.environ if name.startswith("STARLIFT_")]:
                patch.delenv(name)
            for name, value in values.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = main(words)
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def aws(s3_server: S3Door) -> dict[str, str]:
    """An S3 and a Secrets Manager over HTTP: the environment that leads to them."""
    s3_server.plan([])
    return s3_server.environment


@pytest.fixture
def manager(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the Secrets Manager that the environment leads to."""
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    return boto3.client("secretsmanager")

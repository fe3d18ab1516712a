"""A pipeline as a user has it: two databases, two folders, the environment, and the `starlift` command."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess  # nosec B404
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pg8000.native

from starlift.bootstrap import Pipeline
from starlift.entrypoints.local import cycle
from starlift.settings import Settings
from starlift.stages.extract import NOT_ASKED, Reconciliation
from tests.e2e import oracle
from tests.postgres import SQL, PostgresForTests, SourceDatabase, WarehouseDatabase, connected

STARLIFT = (sys.executable, "-m", "starlift")
PATIENCE = 120.0
"""Seconds after which a command hangs."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended. document: the object of its stdout, empty where it printed none."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.stdout) if self.stdout else {}
        return document


@dataclass(frozen=True)
class Killed:
    """A cycle that was to be killed. code: -9, or 0 where it had not so many steps. step: the last it
    began."""

    code: int
    step: str


@dataclass(frozen=True)
class Work:
    """A command to be run in a fork that may be killed. keep: the folder in which what its snapshots of the
    source show is kept. place, step, kind: see `tests.e2e.dying.Fuse`; nowhere, if nothing is said. after:
    seconds after which it is killed; 0 for never. record: have it say which steps it takes."""

    words: tuple[str, ...]
    keep: str
    place: str = ""
    step: int = 0
    kind: str = ""
    after: float = 0.0
    record: bool = False


@dataclass(frozen=True)
class Ended(Ran):
    """A command that has ended, or was killed (-9). step: the one at which it was; of one that recorded its
    steps all of them, a line each."""

    step: str


@cache
def calm_sql() -> Path:
    """Return a copy of `sql/` that lasts as long as this process, by which a poll that finds nothing writes
    nothing however late it is: a pipeline that is copied for a test may be older than a heartbeat."""
    folder = tempfile.mkdtemp(prefix="starlift-sql-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sql = Path(shutil.copytree(SQL, folder, dirs_exist_ok=True))
    config = (sql / "pipeline.toml").read_text()
    calm = config.replace('heartbeat = "10min" ', 'heartbeat = "1d" ').replace(
        'stale_after = "30min" ', 'stale_after = "1d" '
    )
    assert calm.count('"1d"') == 2
    (sql / "pipeline.toml").write_text(calm)
    return sql


@dataclass
class Project:
    """One pipeline under test; `ran` keeps what every command said. The application of the source and
    the oracle have connections of their own, the pipeline only its two roles."""

    source: SourceDatabase
    warehouse: WarehouseDatabase
    folder: Path
    sql: Path = field(default_factory=calm_sql)
    ran: list[Ran] = field(default_factory=list, repr=False)

    @property
    def lakes(self) -> dict[str, Path]:
        """The folders of the two lakes."""
        return {name: self.folder / name for name in ("ingestion", "processed")}

    @property
    def values(self) -> dict[str, str]:
        """The pipeline's variables."""
        return {
            "STARLIFT_SOURCE_URL": self.source.reader,
            "STARLIFT_WAREHOUSE_URL": self.warehouse.owner,
            "STARLIFT_INGESTION": self.lakes["ingestion"].as_uri(),
            "STARLIFT_PROCESSED": self.lakes["processed"].as_uri(),
            "STARLIFT_CONFIG": str(self.sql / "pipeline.toml"),
        }

    def environment(self, **values: str) -> dict[str, str]:
        """Return the environment of a command; `values` replace some of it."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("STARLIFT_")}
        return {**outside, **self.values, **values}

    def start(self, *words: str, **values: str) -> subprocess.Popen[str]:
        """Start `starlift WORDS --json` in a process of its own; `ended` waits for it."""
        return subprocess.Popen(
            [*STARLIFT, *words, "--json"],
            env=self.environment(**values),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> Ran:
        """Wait for a command and return what it said."""
        stdout, stderr = process.communicate(timeout=PATIENCE)
        self.ran.append(Ran(process.returncode, stdout, stderr))
        return self.ran[-1]

    def starlift(self, *words: str, **values: str) -> Ran:
        """Run `starlift WORDS --json`."""
        return self.ended(self.start(*words, **values))

    def run(self) -> dict[str, Any]:
        """Run one cycle that must succeed, as a command; return its document."""
        ran = self.starlift("run")
        assert ran.code == 0, ran
        return ran.document

    @contextmanager
    def forks(self, **values: str) -> Iterator[Forks]:
        """A process that runs many cycles soon, for a block; `values` replace some of the environment."""
        with subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.forks"],
            env=unmeasured(
                self.environment(PYTHONPATH=os.pathsep.join([str(SQL.parent), *sys.path]), **values)
            ),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield Forks(process, self.ran)
            process.communicate()
        assert process.returncode == 0

    def migrate(self) -> None:
        """Make the star's tables, within this process."""
        pipeline = Pipeline(Settings(self.values))
        with pipeline.warehouse as warehouse:
            warehouse.migrate(pipeline.models)

    def cycle(self, reconciled: Reconciliation = NOT_ASKED) -> dict[str, Any]:
        """Run one cycle that must succeed, within this process: for what leads up to a test."""
        done = cycle(Pipeline(Settings(self.values)), reconciled=reconciled)
        assert not done.errors, done.errors
        return done.document()

    def own_sql(self) -> Path:
        """Give the pipeline a `sql/` of its own, to be edited; return the folder."""
        if self.sql == calm_sql():
            self.sql = Path(shutil.copytree(self.sql, self.folder / "sql"))
        return self.sql

    def pipeline(self) -> Pipeline:
        """The pipeline within this process."""
        return Pipeline(Settings(self.values))

    @contextmanager
    def application(self) -> Iterator[pg8000.native.Connection]:
        """A connection of the application that writes the source."""
        with connected(self.source.admin) as connection:
            yield connection

    def differences(self) -> dict[str, Any]:
        """Return in what the star, as an analyst sees it, is not what the source says: nothing, one hopes."""
        star = oracle.read_star(self.warehouse.analyst)
        used = oracle.dates_of_versions(self.warehouse.analyst)
        return oracle.differences(oracle.expected_star(oracle.read_source(self.source.reader), used), star)

    def query(self, sql: str, **values: Any) -> list[list[Any]]:
        """Ask the warehouse, as its owner."""
        with connected(self.warehouse.owner) as connection:
            return connection.run(sql, **values) or []

    def objects(self) -> dict[str, tuple[int, int, int]]:
        """Return everything in both lakes by name: size, time of change and inode."""
        files = [path for lake in self.lakes.values() for path in lake.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.folder)): (status.st_size, status.st_mtime_ns, status.st_ino)
            for path, status in ((path, path.stat()) for path in files)
        }


def unmeasured(environment: dict[str, str]) -> dict[str, str]:
    """Take what tells a process to measure its coverage out of its environment: a fork that is killed, or
    leaves as forks do, keeps none of it."""
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE_")}


class Forks:
    """A process that runs cycles in forks of itself; see `tests/e2e/forks.py`."""

    def __init__(self, process: subprocess.Popen[str], ran: list[Ran]) -> None:
        self._process = process
        self._ran = ran

    def run(self, number: int, apart: float = 0.0) -> list[Ran]:
        """Run `starlift run --json` that many times at once, or some seconds after one another."""
        self._ran += (found := [Ran(**each) for each in self._ask(f"run {number} {apart}")])
        return found

    def kill(self, place: str, step: int, *, hurried: bool = False) -> Killed:
        """Run a cycle that is killed at a step at a place, counted from 1, if it has so many. hurried: its
        time is short."""
        return Killed(**self._ask(f"{'kill_hurried' if hurried else 'kill'} {place} {step}"))

    def kill_rebuild(self, place: str, step: int) -> Killed:
        """Run a rebuild that is killed at a step at a place."""
        return Killed(**self._ask(f"kill_rebuild {place} {step}"))

    def at_once(self, *works: Work) -> list[Ended]:
        """Run commands at the same time, each with a fuse of its own."""
        return [
            Ended(**each) for each in self._ask(f"at_once {json.dumps([asdict(work) for work in works])}")
        ]

    def _ask(self, command: str) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def new_project(postgres: PostgresForTests, source: SourceDatabase, folder: Path) -> Iterator[Project]:
    """Set up a pipeline over a source, its star migrated and empty, for a block."""
    with postgres.warehouse() as warehouse:
        project = Project(source, warehouse, folder)
        for lake in project.lakes.values():
            lake.mkdir()
        project.migrate()
        yield project


def moved(document: dict[str, Any]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Return what a cycle moved: rows read by source table, and counts by star table, but for zeros."""
    for name, counts in document["tables"].items():
        assert (counts["shipped"], counts["rejected"]) == (counts["read"], 0), name
    read = {name: counts["read"] for name, counts in document["tables"].items() if counts["read"]}
    star = {
        name: {what: number for what, number in counts.items() if number}
        for name, counts in document["star"].items()
    }
    return read, {name: counts for name, counts in star.items() if counts}

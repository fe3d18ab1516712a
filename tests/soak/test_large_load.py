"""A first load of millions of rows, killed again and again, completes; and no process of it needs 256 MB.

STARLIFT_SOAK_ORDERS says how many orders; without it nothing is run. `-s` shows the figures.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess  # nosec B404
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import totesys_large
from tests.e2e import chain
from tests.e2e.project import STARLIFT, Project, new_project
from tests.e2e.test_chunks import LOADING, NOTHING, ROWS, manifest
from tests.postgres import SQL, PostgresForTests, connected

CEILING = 256_000_000
"""Bytes: `memory` of the configuration, as it is if nothing is said."""

ORDERS = int(os.environ.get("STARLIFT_SOAK_ORDERS", "0"))

pytestmark = pytest.mark.skipif(not ORDERS, reason="make soak ONLY=large-load runs it")


@dataclass
class Watched:
    """A run that was watched. peak: its largest resident set, in bytes."""

    code: int
    seconds: float
    peak: int


def watched(project: Project, until: Callable[[], bool]) -> Watched:
    """Run a cycle, and kill it when something has come about."""
    began, peak = time.monotonic(), 0
    with (project.folder / "said").open("a") as said:
        process = subprocess.Popen(
            [*STARLIFT, "run"], env=project.environment(), cwd=project.folder, stdout=said, stderr=said
        )
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            if until():
                process.kill()
            time.sleep(0.05)
    return Watched(process.returncode, time.monotonic() - began, peak)


def resident(process: int) -> int:
    """The largest resident set that a process has had, in bytes; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


@pytest.fixture
def large(postgres: PostgresForTests, tmp_path: Path) -> Iterator[Project]:
    """A pipeline over a large Totesys that has never run."""
    with (
        postgres.source("totesys_large", totesys_large.filler(ORDERS)) as source,
        new_project(postgres, source, tmp_path) as project,
    ):
        yield project


def test_a_first_load_of_millions_of_rows_killed_five_times_completes_within_its_memory(
    large: Project,
) -> None:
    runs: list[Watched] = []

    def loading(part: str) -> bool:
        with connected(large.warehouse.admin) as admin:
            return bool(admin.run(LOADING, part=part)[0][0])

    moments: list[Callable[[], bool]] = [
        manifest(large, "ingestion", 5).exists,
        manifest(large, "ingestion", ORDERS // 50_000 + 6).exists,
        manifest(large, "processed", ORDERS // 50_000 + 3).exists,
        lambda: loading("%INTO fact_version%"),
        lambda: loading("%ADD CONSTRAINT%"),
    ]
    for moment in moments:
        runs.append(watched(large, moment))
        assert runs[-1].code == -signal.SIGKILL, (large.folder / "said").read_text()
        assert large.query(ROWS) == NOTHING, "the star is seen before it is published"
    runs.append(watched(large, lambda: False))
    assert runs[-1].code == 0, (large.folder / "said").read_text()
    batches = large.query("SELECT count(*) FROM starlift.applied")[0][0]
    print(f"\n{ORDERS:,} orders, {batches} batches")  # noqa: T201
    for run in runs:
        print(f"  {run.seconds:6.0f} s, {run.peak / 1e6:4.0f} MB at most, exit code {run.code}")  # noqa: T201
    for table in ("sales_order", "purchase_order", "payment"):
        with large.application() as application:
            there = application.run(f"SELECT count(*), sum({table}_id) FROM {table}")
        assert large.query(f"SELECT count(*), sum({table}_id) FROM current_fact_{table}") == there
    assert chain.faults(large) == []
    assert max(run.peak for run in runs) <= CEILING


LONG_KEYS = """
CREATE TABLE thing (id text PRIMARY KEY, n integer NOT NULL);
INSERT INTO thing SELECT repeat(md5(CAST(n AS text)), 3), n FROM generate_series(1, 250000) AS n;
"""
FILES = {
    "warehouse/020_star.sql": "-- schema: star\nCREATE TABLE dim_thing (id varchar PRIMARY KEY, n int);\n",
    "models/dim_thing.sql": (
        "-- One row per thing.\n-- kind: dimension\n-- key: id\n-- from: thing\nSELECT id, n FROM thing\n"
    ),
    "pipeline.toml": (
        '[source]\nname = "keys"\n[limits]\nmax_rows = 50000\n'
        '[tables.thing]\nkey = ["id"]\ncolumns = ["id", "n"]\n'
    ),
}


def test_rows_that_are_nothing_but_long_keys_are_loaded_and_read_again_within_the_same_memory(
    postgres: PostgresForTests, tmp_path: Path
) -> None:
    """They need twice as much as others."""
    for folder in ("models", "warehouse", "checks"):
        (tmp_path / "sql" / folder).mkdir(parents=True)
    shutil.copy(SQL / "warehouse/010_pipeline.sql", tmp_path / "sql/warehouse")
    for name, text in FILES.items():
        (tmp_path / "sql" / name).write_text(text)
    with (
        postgres.other_source("long_keys", LONG_KEYS, ("public",)) as source,
        postgres.warehouse() as warehouse,
    ):
        project = Project(source, warehouse, tmp_path, tmp_path / "sql")
        for lake in project.lakes.values():
            lake.mkdir()
        project.migrate()
        runs = [watched(project, lambda: False)]
        with project.application() as application:
            application.run("UPDATE thing SET n = n + 1")
        runs.append(watched(project, lambda: False))
        print("\nlong keys:", *(f"{run.peak / 1e6:.0f} MB" for run in runs))  # noqa: T201
        assert [run.code for run in runs] == [0, 0], (tmp_path / "said").read_text()
        assert project.query("SELECT count(*), sum(n) FROM dim_thing") == [[250_000, 31_250_375_000]]
        assert max(run.peak for run in runs) <= CEILING

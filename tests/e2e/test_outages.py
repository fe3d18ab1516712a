"""A database goes away in the middle: exit code 5, nothing half done, and what was landed is not lost."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from pg8000.exceptions import InterfaceError

from starlift.adapters.postgres import source_sql, warehouse
from starlift.entrypoints import local
from starlift.totesys import changes
from tests.e2e import chain, history, oracle
from tests.e2e.conftest import fill_tiny
from tests.e2e.project import Project, Ran, new_project
from tests.e2e.relay import COPY, Relay
from tests.postgres import PostgresForTests, connect, connected, new_server

NOON = datetime(2024, 11, 5, 12)
PATIENCE = 60.0


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a database at a port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"postgresql://starlift:secret@127.0.0.1:{taken.getsockname()[1]}/nowhere"


def place_order(project: Project, seed: int) -> None:
    """Enter a sale."""
    with project.application() as application:
        changes.place_orders(application, random.Random(seed), NOON)  # noqa: S311


def says_unavailable(ran: Ran) -> bool:
    """Whether a command failed as the contract has it, with a hint and without a traceback."""
    error = ran.document["error"]
    assert "Traceback" not in ran.stderr, ran
    assert error["hint"].endswith("starlift run"), error
    return (ran.code, error["code"]) == (5, "unavailable")


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Keep everybody else from a table."""
    with connected(url) as holder:
        holder.run("BEGIN")
        holder.run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        holder.run("ROLLBACK")


def end_the_session_that_waits(url: str, role: str) -> None:
    """End a role's session, as a server that is stopped does, once it waits for a lock."""
    deadline = time.monotonic() + PATIENCE
    with connected(url) as admin:
        while time.monotonic() < deadline:
            ended = admin.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND usename = :role AND wait_event_type = 'Lock'",
                role=role,
            )
            if ended:
                return
            time.sleep(0.05)
    raise AssertionError(f"{role} never waited for the lock")


def test_batches_landed_while_the_warehouse_is_down_are_applied_later_in_their_order(
    project: Project, nowhere: str
) -> None:
    for seed in (1, 2):
        place_order(project, seed)
        ran = project.starlift("run", STARLIFT_WAREHOUSE_URL=nowhere)
        assert says_unavailable(ran)
        assert ran.document["batches"] == {"landed": 1, "transformed": 1, "applied": 0}
    document = project.run()
    assert document["batches"] == {"landed": 0, "transformed": 0, "applied": 2}
    assert document["star"]["fact_sales_order"]["inserted"] == 2
    assert (project.differences(), chain.faults(project)) == ({}, [])


def test_a_warehouse_that_goes_away_in_mid_load_keeps_nothing_of_the_batch(project: Project) -> None:
    before = oracle.read_star(project.warehouse.owner)
    place_order(project, 1)
    with locked(project.warehouse.admin, "fact_sales_order"):
        process = project.start("run")
        end_the_session_that_waits(project.warehouse.admin, "starlift_warehouse")
        assert says_unavailable(project.ended(process))
    assert oracle.read_star(project.warehouse.owner) == before
    assert project.query("SELECT max(seq) FROM starlift.applied") == [[1]]
    assert project.run()["batches"] == {"landed": 0, "transformed": 0, "applied": 1}
    assert (project.differences(), chain.faults(project)) == ({}, [])


def test_a_source_that_goes_away_in_mid_extract_leaves_no_batch(project: Project) -> None:
    place_order(project, 1)
    with locked(project.source.admin, "payment"):
        process = project.start("run")
        end_the_session_that_waits(project.source.admin, "starlift_source")
        ran = project.ended(process)
    assert says_unavailable(ran)
    assert ran.document["batches"] == {"landed": 0, "transformed": 0, "applied": 0}
    document = project.run()
    assert (document["seq"], document["tables"]["payment"]["read"]) == (2, 1)
    assert (project.differences(), chain.faults(project)) == ({}, [])


@pytest.mark.parametrize("lake", ["ingestion", "processed"])
def test_what_a_killed_run_committed_to_a_lake_is_applied_although_the_source_is_down(
    project: Project, nowhere: str, lake: str
) -> None:
    place_order(project, 1)
    committed = project.lakes[lake] / f"manifests/{2:020d}.json"
    with project.forks() as forks:
        for step in count(4, 4):
            assert forks.kill(lake, step).code == -9
            if committed.exists():
                break
    assert project.query("SELECT max(seq) FROM starlift.applied") == [[1]]
    ran = project.starlift("run", STARLIFT_SOURCE_URL=nowhere)
    assert says_unavailable(ran)
    assert (ran.document["outcome"], ran.document["batches"]["applied"]) == ("applied", 1)
    assert (project.differences(), chain.faults(project)) == ({}, [])


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_connection_that_breaks_at_a_commit_leaves_every_batch_applied_once(
    project: Project, answered: bool
) -> None:
    """At each COMMIT that a run sends to the warehouse, before the server has it and after."""
    breaks = 0
    with (
        Relay(project.warehouse.owner) as relay,
        project.forks(STARLIFT_WAREHOUSE_URL=relay.url) as forks,
    ):
        for commits in count(1):
            place_order(project, commits)
            relay.cut(commits, answered=answered)
            (ran,) = forks.run(1)
            if not relay.broke:
                break
            breaks += 1
            # what is asked beforehand may fail: rows are landed all the same
            assert ran.code == (5 if commits > 1 else 0), (commits, ran)
            assert "Traceback" not in ran.stderr
            relay.cut(0, answered=answered)
            (ran,) = forks.run(1)
            assert ran.code == 0, (commits, ran)
            assert project.differences() == {}, commits
    assert breaks >= 4
    assert chain.faults(project) == []
    assert history.faults(history.of_all(project.warehouse.analyst)) == []


@pytest.mark.parametrize("role", ["source", "warehouse"])
@pytest.mark.parametrize("begun", [False, True], ids=["before", "within"])
def test_a_connection_that_breaks_in_a_copy_leaves_nothing_half_done(
    project: Project, role: str, begun: bool
) -> None:
    """At every fourth COPY that a run sends, before the server has it and when rows are on their way."""
    url = project.source.reader if role == "source" else project.warehouse.owner
    breaks = 0
    with Relay(url) as relay, project.forks(**{f"STARLIFT_{role.upper()}_URL": relay.url}) as forks:
        for number in count(1, 4):
            place_order(project, number)
            before = oracle.read_star(project.warehouse.owner)
            relay.cut(number, answered=begun, at=COPY)
            (ran,) = forks.run(1)
            if not relay.broke:
                break
            breaks += 1
            assert says_unavailable(ran)
            assert oracle.read_star(project.warehouse.owner) == before
            relay.cut(0, answered=begun)
            (ran,) = forks.run(1)
            assert ran.code == 0, (number, ran)
            assert project.differences() == {}, number
    assert breaks >= 1
    assert chain.faults(project) == []
    assert history.faults(history.of_all(project.warehouse.analyst)) == []


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of one megabyte in place of a folder, for a block; what the folder has moves there.
    Gives a file that fills it."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can mount a small disk")
    kept = Path(shutil.move(folder, folder.with_name("kept")))
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("this container may not mount a disk")
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        ballast = folder / ".ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield ballast
        ballast.unlink()
        shutil.copytree(folder, kept, dirs_exist_ok=True)
    finally:
        subprocess.run(["umount", folder], check=True)
    folder.rmdir()
    kept.rename(folder)


def leave_free(ballast: Path, pages: int) -> None:
    """Have so many pages of 4 kB be free."""
    os.truncate(ballast, ballast.stat().st_size - 4096 * max(pages - free_pages(ballast), 0))


def free_pages(file: Path) -> int:
    """Return how many pages of 4 kB are free where a file is."""
    return os.statvfs(file).f_bavail


@pytest.mark.parametrize("lake", ["ingestion", "processed"])
def test_a_disk_that_is_full_at_any_file_of_a_batch_stops_the_run_and_loses_nothing(
    project: Project, lake: str
) -> None:
    """A page more is free for each run, until one gets through: it fills up in the rows, and at the
    manifest."""
    place_order(project, 1)
    before = oracle.read_star(project.warehouse.owner)
    stopped = []
    with small_disk(project.lakes[lake]) as ballast, project.forks() as forks:
        for pages in range(60):
            # what a failed run has left in the ingestion lake bears its name, and takes room for good
            leave_free(ballast, pages if lake == "ingestion" else free_pages(ballast) + 1)
            (ran,) = forks.run(1)
            if ran.code == 0:
                break
            assert says_unavailable(ran)
            stopped.append(ran.document["error"]["message"])
            assert "is on a full disk" in stopped[-1]
            assert oracle.read_star(project.warehouse.owner) == before
        assert ran.code == 0, stopped
        assert project.differences() == {}
    assert any("manifests/" in message for message in stopped), stopped
    assert any("manifests/" not in message for message in stopped), stopped
    assert (project.differences(), chain.faults(project)) == ({}, [])


def test_a_server_that_is_stopped_and_started_in_mid_run_costs_that_run(tmp_path: Path) -> None:
    """Source and warehouse on a server of their own: once in the middle of the extract, once of the load."""
    server = new_server(tmp_path / "server")
    server.start()
    try:
        postgres = PostgresForTests(server)
        folder = tmp_path / "project"
        folder.mkdir()
        with (
            postgres.source("totesys_tiny", fill_tiny) as source,
            new_project(postgres, source, folder) as project,
        ):
            project.cycle()
            for number, (database, table) in enumerate(
                [(source.admin, "payment"), (project.warehouse.admin, "fact_sales_order")], 2
            ):
                place_order(project, number)
                with connected(database) as holder:
                    holder.run("BEGIN")
                    holder.run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                    process = project.start("run")
                    wait_for_a_waiting_session(database)
                    server.stop()
                    assert says_unavailable(project.ended(process))
                server.start()
                with suppress(InterfaceError):
                    postgres.close()
                vars(postgres)["_admin"] = connect(server.url())
                assert project.query("SELECT max(seq) FROM starlift.applied") == [[number - 1]]
                assert project.run()["seq"] == number
                assert (project.differences(), chain.faults(project)) == ({}, [])
        postgres.close()
    finally:
        server.remove()


def wait_for_a_waiting_session(url: str) -> None:
    """Return when a session of a database waits for a lock."""
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + PATIENCE
    with connected(url) as admin:
        while not admin.run(waiting):
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)


@pytest.mark.parametrize(("role", "table"), [("source", "payment"), ("warehouse", "fact_sales_order")])
def test_a_lock_that_is_not_given_back_in_time_costs_that_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, role: str, table: str
) -> None:
    """DDL that holds a source table, a reader's or an owner's lock that holds a star table."""
    place_order(project, 1)
    short = [setting.replace("'30s'", "'200ms'") for setting in source_sql.SETTINGS]
    monkeypatch.setattr(source_sql, "SETTINGS", short)
    monkeypatch.setattr(warehouse, "LOCK_TIMEOUT", "200ms")
    before = oracle.read_star(project.warehouse.owner)
    with locked(project.source.admin if role == "source" else project.warehouse.admin, table):
        (error,) = local.cycle(project.pipeline()).errors
    assert (error.exit_code, error.code) == (5, "unavailable")
    assert "another session holds the lock" in error.message
    assert error.hint == "starlift run"
    assert oracle.read_star(project.warehouse.owner) == before
    assert project.run()["batches"]["applied"] == 1
    assert (project.differences(), chain.faults(project)) == ({}, [])

"""A database goes away in the middle: exit code 5, nothing half done, and what was landed is not lost."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count

import pytest

from starlift.totesys import changes
from tests.e2e import chain, history, oracle
from tests.e2e.project import Project, Ran
from tests.e2e.relay import Relay
from tests.postgres import connected

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

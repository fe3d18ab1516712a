"""A read in chunks can end anywhere and goes on; what comes in chunks is seen when all of it is there."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import totesys_extract, totesys_large
from tests.e2e import chain, edits, history, stars
from tests.e2e.project import PATIENCE, Project, Ran, new_project
from tests.postgres import PostgresForTests, connected

ORDERS = 20_000
SAME = ("star.dim_", "star.fact_", "star.current_")
ROWS = "SELECT (SELECT count(*) FROM starlift.applied), (SELECT count(*) FROM fact_payment), "
ROWS += "(SELECT count(*) FROM starlift.ledger), (SELECT count(*) FROM dim_design)"
NOTHING = [[0, 0, 0, 0]]
BUILT = "SELECT count(*) FROM starlift_build.applied"


def in_chunks(project: Project, rows: int) -> None:
    """Have the project read at most so many rows at once."""
    file = project.own_sql() / "pipeline.toml"
    text = re.sub(r"(?m)^max_rows = .*\n", "", file.read_text())
    file.write_text(text.replace("[limits]\n", f"[limits]\nmax_rows = {rows}\n"))


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def manifest(project: Project, lake: str, seq: int) -> Path:
    """The file by which a batch is in a lake."""
    return project.lakes[lake] / f"manifests/{seq:020d}.json"


def built(project: Project) -> int:
    """How many batches are in the build target."""
    there = project.query("SELECT to_regclass('starlift_build.applied') IS NOT NULL")
    return int(project.query(BUILT)[0][0]) if there == [[True]] else 0


@pytest.fixture
def twenty_thousand(still_server: PostgresForTests, tmp_path: Path) -> Iterator[Project]:
    """A pipeline over a Totesys of 20,000 orders that has never run."""
    with (
        still_server.source("totesys_20000", totesys_large.filler(ORDERS)) as source,
        new_project(still_server, source, tmp_path) as project,
    ):
        yield project


def test_a_first_load_in_chunks_killed_five_times_completes_and_is_seen_when_it_is_whole(
    twenty_thousand: Project,
) -> None:
    project = twenty_thousand
    in_chunks(project, 2_000)
    moments: list[Callable[[], bool]] = [
        manifest(project, "ingestion", 2).exists,
        manifest(project, "ingestion", 6).exists,
        manifest(project, "processed", 3).exists,
        lambda: built(project) >= 2,
        lambda: built(project) >= 6,
    ]
    for moment in moments:
        process = project.start("run")
        until(moment)
        process.kill()
        assert project.ended(process).code == -signal.SIGKILL
        assert project.query(ROWS) == NOTHING
    assert project.starlift("status").document["built_seq"] >= 6
    document = project.run()
    assert document["outcome"] == "applied"
    assert document["seq"] > 8, "it was not in chunks"
    assert (project.differences(), chain.faults(project)) == ({}, [])
    assert history.faults(history.of_all(project.warehouse.analyst)) == []
    assert project.query("SELECT count(*) FROM fact_payment") == [[ORDERS]]
    assert project.query("SELECT FROM pg_namespace WHERE nspname LIKE 'starlift_build%'") == []
    assert project.starlift("status").document["chunks"] == {}


LOADING = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
               AND application_name = 'starlift load' AND query LIKE :part)
"""


def test_a_first_load_in_one_transaction_killed_again_and_again_leaves_nothing_and_completes(
    twenty_thousand: Project,
) -> None:
    project = twenty_thousand
    in_chunks(project, 8_000)
    with connected(project.warehouse.admin) as admin:
        for part in ("%INTO fact_version%", "%broken AS%"):
            process = project.start("run")
            until(lambda part=part: admin.run(LOADING, part=part)[0][0])  # type: ignore[misc]
            process.kill()
            assert project.ended(process).code == -signal.SIGKILL
            assert project.query(ROWS) == NOTHING
    assert project.starlift("status").document["built_seq"] is None
    document = project.run()
    assert document["seq"] > 2, "it was not in chunks"
    assert (project.differences(), chain.faults(project)) == ({}, [])
    assert history.faults(history.of_all(project.warehouse.analyst)) == []
    assert project.query("SELECT count(*) FROM fact_payment") == [[ORDERS]]


def test_a_stop_saves_what_is_done_and_the_next_run_goes_on(unloaded: Project) -> None:
    in_chunks(unloaded, 25)
    process = unloaded.start("run")
    until(manifest(unloaded, "ingestion", 2).exists)
    process.send_signal(signal.SIGTERM)
    stopped = unloaded.ended(process)
    assert (stopped.code, stopped.document["outcome"]) == (0, "stopped")
    landed, left = stopped.document["batches"]["landed"], stopped.document["left"]
    assert manifest(unloaded, "ingestion", landed).exists()
    assert not manifest(unloaded, "ingestion", landed + 1).exists()
    assert left > 0
    assert f"extract batch {landed}: " in stopped.stderr, "a line a chunk"
    assert "to go" in stopped.stderr
    standing = unloaded.starlift("status").document
    chunks = standing["chunks"].values()
    assert sum(chunk["about"] - chunk["rows"] for chunk in chunks) == left
    assert unloaded.query(ROWS) == NOTHING
    again = unloaded.starlift("run", "--for", "1s")
    assert again.code == 0
    assert again.document["batches"]["landed"] > 0, "however short the time, it goes on"
    document = unloaded.run()
    assert (document["outcome"], document["left"]) == ("applied", 0)
    assert (unloaded.differences(), chain.faults(unloaded)) == ({}, [])


def test_an_increment_in_chunks_is_seen_by_others_wholly_or_not_at_all(project: Project) -> None:
    in_chunks(project, 5)
    with project.application() as application:
        application.run("UPDATE sales_order SET units_sold = units_sold + 1, last_updated = now()")
        application.run("UPDATE payment SET paid = NOT paid, last_updated = now()")
    seen: list[Any] = []
    query = "SELECT (SELECT max(seq) FROM starlift.applied), (SELECT count(*) FROM starlift.fact_version), "
    query += "(SELECT count(*) FROM fact_payment), (SELECT sum(units_sold) FROM current_fact_sales_order)"
    with connected(project.warehouse.owner) as reader:
        seen.append(reader.run(query)[0])
        process = project.start("run")
        while process.poll() is None:
            if (found := reader.run(query)[0]) != seen[-1]:
                seen.append(found)
    ran: Ran = project.ended(process)
    assert ran.code == 0, ran
    assert ran.document["batches"]["applied"] > 5
    seen.append(project.query(query)[0])
    assert [found for number, found in enumerate(seen) if found not in seen[:number]] == [seen[0], seen[-1]]
    assert (project.differences(), chain.faults(project)) == ({}, [])
    partial = project.query("SELECT seq FROM starlift.applied WHERE NOT partial ORDER BY seq")
    assert partial == [[1], [ran.document["seq"]]]


def test_a_replay_and_a_rebuild_of_a_log_with_chunks_make_the_same_star(unloaded: Project) -> None:
    in_chunks(unloaded, 50)
    unloaded.run()
    in_chunks(unloaded, 10)
    with unloaded.application() as application:
        application.run("UPDATE sales_order SET units_sold = units_sold + 1, last_updated = now()")
        application.run("DELETE FROM payment WHERE payment_id = 1")
    unloaded.run()
    unloaded.run()
    wholes = unloaded.query("SELECT seq FROM starlift.applied WHERE NOT partial ORDER BY seq")
    assert [later - earlier > 1 for (earlier,), (later,) in pairwise([[0], *wholes])] == [True, True, False]
    assert unloaded.differences() == {}
    live = stars.contents(unloaded)
    assert unloaded.starlift("replay", "--into", "again").code == 0
    assert stars.contents(unloaded, ("again", "again_starlift")) == live
    edits.add_margin(unloaded)
    rebuilt = unloaded.starlift("rebuild")
    assert rebuilt.code == 0, rebuilt
    assert unloaded.differences() == {}


def test_the_real_extract_makes_the_same_star_in_chunks_as_in_one_piece(
    still_server: PostgresForTests, tmp_path: Path
) -> None:
    if totesys_extract.folder() is None:
        pytest.skip("STARLIFT_TOTESYS_EXTRACT is not set: the real extract is needed")
    made = []
    with still_server.source("totesys_extract", totesys_extract.fill) as source:
        for name, rows in (("whole", 1_000_000), ("chunks", 4_500)):
            folder = tmp_path / name
            folder.mkdir()
            with new_project(still_server, source, folder) as project:
                in_chunks(project, rows)
                document = project.run()
                assert (document["batches"]["applied"] > 10) == (name == "chunks")
                found = stars.contents(project)
                # the others tell when a row was read
                made.append({name: rows for name, rows in found.items() if name.startswith(SAME)})
    assert made[0] == made[1]


@pytest.mark.parametrize(("hurried", "commits"), [(True, 6), (False, 2)], ids=["built", "at once"])
def test_a_first_load_killed_at_any_step_shows_nothing_or_all(
    unloaded: Project, hurried: bool, commits: int
) -> None:
    in_chunks(unloaded, 60)
    steps: list[str] = []
    with unloaded.forks() as forks:
        for step in (*range(8, 20), 100):
            killed = forks.kill("warehouse", step, hurried=hurried)
            if killed.code == 0:
                break
            steps.append(killed.step)
            assert unloaded.query(ROWS) == NOTHING or unloaded.differences() == {}, steps
    assert len(steps) > commits
    assert steps[-1] == "after COMMIT", "it was published"
    assert (unloaded.differences(), chain.faults(unloaded)) == ({}, [])

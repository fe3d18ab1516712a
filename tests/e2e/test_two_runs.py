"""Runs at the same time: each batch is applied once, and who comes too late says so in one line."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError

from starlift.bootstrap import Pipeline
from starlift.entrypoints import local
from starlift.errors import worst
from starlift.settings import Settings
from starlift.stages.cycle import Stages, run_cycle
from starlift.totesys import changes
from tests.e2e import chain, history
from tests.e2e.project import Project, Ran

NOON = datetime(2024, 11, 5, 12)
REPETITIONS = 6
BATCHES = 8
PROGRESS = re.compile(r"(extract|transform|load) [\w ]+: [\d,]+ rows")
"""What a run says of itself where it takes long."""


def rivals_agree(ran: list[Ran]) -> list[str]:
    """Hold runs that began together to the contract; return their outcomes, sorted."""
    for each in ran:
        said = [line for line in each.stderr.splitlines() if not PROGRESS.fullmatch(line)]
        if each.code == 6:
            assert each.document["outcome"] == "lost", each
            assert len(said) == 1, each.stderr
            assert said[0].startswith("starlift: "), each.stderr
        else:
            assert (each.code, said) == (0, []), each
            assert each.document["outcome"] in ("applied", "nothing"), each
    return sorted(each.document["outcome"] for each in ran)


def test_of_two_commands_at_once_one_applies_and_the_other_loses_or_finds_nothing(project: Project) -> None:
    rng = random.Random(1)  # noqa: S311
    with project.application() as application:
        changes.place_orders(application, rng, NOON)
    both = [project.start("run"), project.start("run")]
    outcomes = rivals_agree([project.ended(process) for process in both])
    assert outcomes in (["applied", "lost"], ["applied", "nothing"])
    assert (project.differences(), chain.faults(project)) == ({}, [])


@pytest.mark.parametrize("rivals", [2, 4])
def test_of_runs_that_overlap_exactly_one_applies_what_changed(project: Project, rivals: int) -> None:
    rng = random.Random(rivals)  # noqa: S311
    seen = []
    with project.forks() as forks, project.application() as application:
        for number in range(REPETITIONS):
            changes.place_orders(application, rng, NOON)
            changes.rename_department(application, 1, f"Department {number}", NOON)
            # the one comes ever later into the other's stages
            seen.append(rivals_agree(forks.run(rivals, apart=0.08 * number)))
            assert seen[-1].count("applied") == 1, seen[-1]
            assert project.differences() == {}
    print("outcomes:", *seen, sep="\n  ")  # noqa: T201
    assert any("lost" in outcomes for outcomes in seen)
    assert chain.faults(project) == []
    assert history.faults(history.of_all(project.warehouse.analyst)) == []


@pytest.mark.parametrize(
    ("stage", "outcome", "code"), [("extract", "nothing", 0), ("transform", "lost", 6), ("load", "lost", 6)]
)
def test_a_run_that_is_overtaken_between_two_stages_claims_no_batch(
    project: Project, stage: str, outcome: str, code: int
) -> None:
    """A rival runs its whole cycle when this run comes to a stage."""
    pipeline = Pipeline(Settings(project.values))
    run = local.new_run(pipeline)
    stages = Stages(
        check=lambda: local.check(pipeline),
        extract=lambda: local.extract(pipeline, run),
        transform=lambda: local.transform(pipeline),
        load=lambda: local.load(pipeline),
    )
    own = getattr(stages, stage)
    with project.application() as application:
        changes.place_orders(application, random.Random(1), NOON)  # noqa: S311
    rival = []

    def overtaken() -> Any:
        rival.append(project.cycle()["outcome"])
        return own()

    put_in: dict[str, Callable[[], Any]] = {stage: overtaken}
    cycle = run_cycle(run.run_id, replace(stages, **put_in))
    assert rival == ["applied"]
    assert (cycle.outcome, worst([error.exit_code for error in cycle.errors])) == (outcome, code)
    assert (project.differences(), chain.faults(project)) == ({}, [])


def write_for_ever(project: Project, number: int, stop: threading.Event, written: list[int]) -> None:
    """Be one of several applications: enter, edit, pay, rename, now and then long in coming to an end."""
    rng = random.Random(number)  # noqa: S311
    with project.application() as application:
        while not stop.is_set():
            at = NOON + timedelta(seconds=rng.randrange(36_000))
            try:
                with changes.late_commit(application, rng, at):
                    time.sleep(rng.random() * 0.2)
                changes.edit_silently(application, rng, 1)
                changes.pay_morning(application, rng, at.date())
                changes.rename_department(application, rng.randint(1, 8), f"Team {rng.random()}", at)
            except DatabaseError as error:
                if error.args[0]["C"] != "40P01":  # two writers in each other's way
                    raise
            written[number] += 1


def test_under_writers_and_rivals_every_batch_is_whole_and_the_end_is_the_source(project: Project) -> None:
    stop, written = threading.Event(), [0] * 4
    writers = [
        threading.Thread(target=write_for_ever, args=(project, number, stop, written)) for number in range(4)
    ]
    runners = [project.start("run", "--every", "1s") for _ in range(3)]
    for writer in writers:
        writer.start()
    began = last_applied(project)
    while last_applied(project) < began + BATCHES and all(runner.poll() is None for runner in runners):
        time.sleep(0.2)
    stop.set()
    for writer in writers:
        writer.join()
    for runner in runners:
        runner.send_signal(signal.SIGTERM)
    ended = [project.ended(runner) for runner in runners]
    print("written:", written, "batches:", last_applied(project) - began)  # noqa: T201
    assert [each.code for each in ended] == [0, 0, 0], ended
    assert not any("Traceback" in each.stderr for each in ended), ended
    project.cycle()
    assert last_applied(project) >= began + BATCHES
    assert min(written) > 0
    assert (project.differences(), chain.faults(project)) == ({}, [])
    assert history.faults(history.of_all(project.warehouse.analyst)) == []


def last_applied(project: Project) -> int:
    """Return the number of the last batch in the warehouse."""
    found: int = project.query("SELECT max(seq) FROM starlift.applied")[0][0]
    return found

"""A command may be killed at any moment: the next one goes on as if nothing had happened.

After every kill, and after every batch, the star is held to what the extractor's own snapshot showed; see
`tests/e2e/judge.py`. STARLIFT_SOAK_KILLS asks for that many kills and more, at every step there is.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

import pg8000.native
import pytest

from starlift.totesys import changes
from tests.e2e import chain, history
from tests.e2e.dying import kind
from tests.e2e.judge import Judge, Keeper
from tests.e2e.project import Ended, Forks, Project, Work

NOON = datetime(2024, 11, 5, 12)
STAGES = ("extract", "transform", "load")
SOAK = int(os.environ.get("STARLIFT_SOAK_KILLS", "0"))
STORMS = 8
"""Times that commands run at once and are killed at random, where no more is asked for."""

SALE = (
    "INSERT INTO sales_order SELECT nextval('sales_order_sales_order_id_seq'), created_at, last_updated, "
    "design_id, staff_id, counterparty_id, units_sold, unit_price, currency_id, agreed_delivery_date, "
    "agreed_payment_date, agreed_delivery_location_id FROM sales_order WHERE sales_order_id = 1"
)
"""Another sale."""

CRUCIAL = {
    ("extract", "ingestion"): {
        *("get manifests", "list requests", "get requests", "name data", "name manifests", "delete requests"),
    },
    ("extract", "source"): {"BEGIN", "COPY", "COMMIT"},
    ("transform", "ingestion"): {"get manifests", "get data"},
    ("transform", "processed"): {
        *("get snapshots", "name snapshots", "name ledger", "name fact_sales_order", "name dim_staff"),
        "name manifests",
    },
    ("load", "processed"): {"get manifests", "get ledger", "get fact_sales_order", "get dim_staff"},
    ("load", "ingestion"): {"name requests"},
    ("load", "warehouse"): {"BEGIN", "COMMIT", "after COMMIT"},
    ("run", "ingestion"): {"name data", "name manifests", "get data"},
    ("run", "processed"): {"name ledger", "name manifests", "get fact_sales_order"},
    ("run", "source"): {"COPY", "COMMIT"},
    ("run", "warehouse"): {"BEGIN", "COMMIT", "after COMMIT"},
}
"""Kinds of steps, by command and place, at which a kill must have come."""


@dataclass(frozen=True)
class Target:
    """The n-th step of a kind that a command takes at a place."""

    command: str
    place: str
    kind: str
    step: int


@dataclass
class Arena:
    """A pipeline, its judge, and the application that goes on writing. late: of its sessions the one that is
    long in coming to an end. killed: the kills that came."""

    project: Project
    forks: Forks
    judge: Judge
    application: pg8000.native.Connection
    late: pg8000.native.Connection
    killed: list[tuple[str, str, str]] = field(default_factory=list)
    gone: int = 0
    _numbers: Iterator[int] = field(default_factory=count)

    def work(self, *words: str) -> Work:
        """Describe a command that nothing kills."""
        return Work(words, str(self.judge.keeper.folder))

    def change(self) -> None:
        """Insert, update and delete, in facts, a dimension and a table that is joined; what the last change
        has left open is committed, and something left open again."""
        number = next(self._numbers)
        self.application.run(SALE)
        self.late.run("COMMIT")
        self.late.run("BEGIN")
        self.late.run(SALE)
        self.application.run("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 1")
        changes.rename_department(self.application, 1, f"Department {number}", NOON)
        self.application.run(
            "DELETE FROM sales_order WHERE sales_order_id = (SELECT max(sales_order_id) - 2 FROM sales_order)"
        )

    def go_on(self, command: str) -> None:
        """Run a command to its end."""
        (ended,) = self.forks.at_once(self.work(command))
        assert ended.code == 0, ended
        self.hold()

    def kill(self, target: Target) -> bool:
        """Run a command that is killed at a step, if it comes there; return whether it did."""
        place = {"place": target.place, "step": target.step, "kind": target.kind}
        (ended,) = self.forks.at_once(Work((target.command,), str(self.judge.keeper.folder), **place))  # type: ignore[arg-type]
        self.note(target.command, target.place, ended)
        self.hold()
        return ended.code == -9

    def note(self, command: str, place: str, ended: Ended) -> None:
        """Note a kill, or hold a command that came to its end to the contract."""
        if ended.code == -9:
            self.killed.append((command, place, kind(ended.step) or "at some moment"))
        else:
            assert ended.code in (0, 6), ended
            assert "Traceback" not in ended.stderr, ended

    def hold(self) -> None:
        """Hold the star to what the snapshot of the last batch in it showed."""
        last = self.killed[-1:]
        assert self.judge.differences() == {}, last
        self.gone = max(self.gone, len(self.judge.gone))

    def end(self) -> None:
        """Come to rest, and hold everything to everything."""
        self.late.run("COMMIT")
        for _ in range(6):
            (ended,) = self.forks.at_once(self.work("run"))
            assert ended.code == 0, ended
            if ended.document["outcome"] == "nothing":
                break
            assert ended.document["differing"] == {}, "a poll has missed a change"
        self.hold()
        assert self.judge.gone == set(), "a row that is gone is still there"
        assert self.judge.faults() == []
        assert chain.faults(self.project) == []
        differing = self.project.differences()
        assert {name for name in differing if not name.startswith("dim_")} == set()

    def tell(self) -> None:
        """Print how many kills there were, and where."""
        for where, number in sorted(Counter((each[0], each[1]) for each in self.killed).items()):
            print(f"killed {' at '.join(where)}: {number} times")  # noqa: T201
        kills = f"{len(self.killed)} kills at {len(set(self.killed))} kinds of moments"
        waited = f"at most {self.gone} rows gone and not yet swept"
        print(f"{kills}, {self.judge.seq} batches; {waited}; 0 lost, doubled or stale")  # noqa: T201


@pytest.fixture
def arena(unloaded: Project, tmp_path: Path) -> Iterator[Arena]:
    """A pipeline after its first run."""
    folder = tmp_path / "snapshots"
    folder.mkdir()
    keeper = Keeper(folder)
    with unloaded.forks() as forks, unloaded.application() as application, unloaded.application() as late:
        arena = Arena(unloaded, forks, Judge(unloaded, keeper), application, late)
        arena.go_on("run")
        yield arena


def steps_of(arena: Arena, *commands: str) -> list[Target]:
    """Run commands in turn, twice: with and without an answer to a request. Return the steps they take."""
    steps: dict[Target, None] = {}
    for command in commands * 2:
        if command == commands[0]:
            arena.change()
        (ended,) = arena.forks.at_once(Work((command,), str(arena.judge.keeper.folder), record=True))
        assert ended.code == 0, ended
        taken: Counter[tuple[str, str]] = Counter()
        for line in ended.step.splitlines():
            place, _, name = line.partition(" ")
            taken[where := (place, kind(name))] += 1
            steps[Target(command, *where, taken[where])] = None
    return list(steps)


def test_every_stage_killed_at_any_step_loses_nothing_and_doubles_nothing(arena: Arena) -> None:
    """At any at the databases, and of those at a lake at the first of each kind."""
    left = [
        (step, 0)
        for step in steps_of(arena, *STAGES)
        if SOAK or step.step == 1 or step.place in ("source", "warehouse")
    ]
    while left:
        arena.change()
        for stage in STAGES:
            due = next((each for each in left if each[0].command == stage), None)
            if due is not None:
                left.remove(due)
                target, tries = due
                # a step that has to do with a request is in every other batch
                if not arena.kill(target) and tries < 2:
                    left.insert(0, (target, tries + 1))
            arena.go_on(stage)
        assert arena.judge.seq == len(chain.log_of(arena.project.lakes["ingestion"]))
    arena.tell()
    arena.end()
    assert len(arena.killed) >= 40
    assert_crucial(arena, STAGES)


def test_a_run_killed_at_any_step_loses_nothing_and_doubles_nothing(arena: Arena) -> None:
    """One kill after the other, and nothing comes to its end in between."""
    crucial = {(command, place): kinds for (command, place), kinds in CRUCIAL.items() if command == "run"}
    for step in steps_of(arena, "run"):
        if SOAK or (step.step == 1 and step.kind in crucial["run", step.place]):
            arena.change()
            arena.kill(step)
    arena.tell()
    arena.end()
    assert_crucial(arena, ("run",))


def assert_crucial(arena: Arena, commands: tuple[str, ...]) -> None:
    missing = {
        (command, place, each)
        for (command, place), kinds in CRUCIAL.items()
        for each in kinds
        if command in commands
    } - set(arena.killed)
    assert missing == set()


@contextmanager
def writing(project: Project, seed: int) -> Iterator[None]:
    """An application that goes on writing, for a block."""
    stop = threading.Event()

    def write() -> None:
        rng = random.Random(seed)  # noqa: S311
        with project.application() as application:
            for number in count():
                if stop.is_set():
                    return
                with changes.late_commit(application, rng, NOON):
                    time.sleep(rng.random() * 0.2)
                changes.edit_silently(application, rng, 1)
                changes.rename_department(application, rng.randint(1, 8), f"Team {number}", NOON)
                if number % 5 == 0:
                    application.run(
                        "DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)"
                    )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_commands_at_once_killed_at_random_lose_nothing_and_double_nothing(arena: Arena) -> None:
    seed = random.randrange(10**6)  # noqa: S311
    print("seed:", seed)  # noqa: T201
    rng = random.Random(seed)  # noqa: S311
    steps = [*steps_of(arena, *STAGES), *steps_of(arena, "run")]
    with writing(arena.project, seed):
        for _ in range(max(STORMS, SOAK // 2)):
            works = []
            for _ in range(rng.randint(1, 3)):
                target = rng.choice(steps)
                work = Work(
                    (target.command,), str(arena.judge.keeper.folder), target.place, target.step, target.kind
                )
                if rng.random() < 0.4:
                    work = Work(work.words, work.keep, after=0.05 + rng.random() * 0.6)
                works.append(work)
            for work, ended in zip(works, arena.forks.at_once(*works), strict=True):
                arena.note(work.words[0], work.place or "any place", ended)
            arena.hold()
    arena.tell()
    arena.end()
    assert len(arena.killed) >= STORMS // 2


def test_a_first_load_that_is_killed_again_and_again_still_comes_to_an_end(unloaded: Project) -> None:
    killed_at: list[str] = []
    first = f"manifests/{1:020d}.json"
    ends: dict[str, Callable[[], bool]] = {
        "ingestion": (unloaded.lakes["ingestion"] / first).exists,
        "processed": (unloaded.lakes["processed"] / first).exists,
        "warehouse": lambda: unloaded.query("SELECT FROM starlift.applied") != [],
    }
    with unloaded.forks() as forks:
        for place, ended in ends.items():
            for step in count(3, 7):
                if ended():
                    break
                killed_at.append(f"{place}: {forks.kill(place, step).step}")
        (ran,) = forks.run(1)
    print(f"killed {len(killed_at)} times:", *killed_at, sep="\n  ")  # noqa: T201
    assert len(killed_at) >= 10
    assert ran.code == 0
    assert (unloaded.differences(), chain.faults(unloaded)) == ({}, [])
    assert history.faults(history.of_all(unloaded.warehouse.analyst)) == []

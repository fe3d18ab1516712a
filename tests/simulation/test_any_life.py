"""The same world, runs and oracle, with every step chosen by Hypothesis, which makes what it finds small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.simulation.history import Flavour, History
from tests.simulation.mutants import BY_NAME, Mutant
from tests.simulation.running import surroundings
from tests.simulation.scheduler import Violation
from tests.simulation.star import TABLES, Row
from tests.simulation.writers import DAYS, NAMES

TRANSACTIONS = st.integers(0, 3)
"""0 commits at once whatever it does."""
KEYS = st.integers(1, 3)
MODES = st.sampled_from(("xid", "timestamp"))
SETTINGS = settings(
    max_examples=80, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)


class Life(RuleBasedStateMachine):
    """What may happen. mutant: a breakage of the pipeline."""

    mutant: Mutant | None = None

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(surroundings(real=False))
        if self.mutant is not None:
            self.stack.enter_context(self.mutant.applied())

    @initialize(
        modes=st.tuples(*(MODES,) * len(TABLES)),
        rows=st.sampled_from((1000, 2)),
        stock=st.sampled_from((0, 4)),
        seed=st.integers(0, 3),
    )
    def begin_history(self, modes: tuple[Any, ...], rows: int, stock: int, seed: int) -> None:
        def season(drawn: Flavour) -> Flavour:
            limits = replace(drawn.limits, margin=timedelta(), max_rows=rows)
            chosen = dict(zip(TABLES, modes, strict=True))
            return replace(
                drawn, modes=chosen, odd=frozenset(), limits=limits, partitions=False, holds=False, stops=0.0
            )

        self.history = History(seed, mutant=self.mutant, season=season)
        self.history.writers.stock(stock)
        self.world, self.scheduler = self.history.world, self.history.scheduler

    # the source

    @rule(number=TRANSACTIONS, hidden=st.booleans(), late=st.booleans())
    def begin(self, number: int, *, hidden: bool, late: bool) -> None:
        if number:
            self.world.begin(number, hidden=hidden, asynchronous=late)

    @rule(
        number=TRANSACTIONS, table=st.sampled_from(TABLES), key=KEYS, other=KEYS, name=st.sampled_from(NAMES)
    )
    def put(self, number: int, table: str, key: int, other: int, name: str) -> None:
        rows: dict[str, Row] = {
            "region": (str(key), name),
            "client": (str(key), str(other) if other in self.world.seen("region") else None, name),
            "product": (str(key), name, DAYS[other % 2]),
            "sale": (str(key), str(other), "1", str(other), DAYS[0], name),
        }
        with self.within(number) as writes:
            if writes:
                self.world.put(number, table, rows[table], self.world.open[number].message)

    @rule(number=TRANSACTIONS, table=st.sampled_from(TABLES), key=KEYS)
    def delete(self, number: int, table: str, key: int) -> None:
        with self.within(number) as writes:
            if writes:
                self.world.delete(number, table, key)

    @rule(number=TRANSACTIONS, goes_on=st.booleans())
    def commit(self, number: int, *, goes_on: bool) -> None:
        self.world.commit(number, goes_on=goes_on)

    @rule(number=TRANSACTIONS)
    def abort(self, number: int) -> None:
        self.world.abort(number)

    @rule(number=TRANSACTIONS)
    def prepare(self, number: int) -> None:
        self.world.prepare(number)

    @rule(number=TRANSACTIONS, back=st.booleans())
    def savepoint(self, number: int, *, back: bool) -> None:
        (self.world.rollback_to if back else self.world.savepoint)(number)

    @rule()
    def end_prepared(self) -> None:
        for number in [number for number, each in self.world.open.items() if each.prepared][:1]:
            self.world.commit(number)

    @rule(seconds=st.sampled_from((1, 60, 400)))
    def wait(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(really=st.integers(0, 4))
    def crash(self, really: int) -> None:
        if really == 0:
            self.world.crash()

    # the pipeline

    @rule(kind=st.sampled_from(("cycle", "cycle", "extract", "transform", "load", "reconcile")))
    def start(self, kind: str) -> None:
        if len(self.scheduler.processes) < 3:
            self.history.start(kind)

    @rule(kind=st.sampled_from(("cycle", "cycle", "cycle", "reconcile")))
    def run(self, kind: str) -> None:
        self.history.alone(kind)

    @precondition(lambda self: self.scheduler.processes)
    @rule(which=st.integers(0, 2), steps=st.sampled_from((1, 3, 10, 100)))
    def resume(self, which: int, steps: int) -> None:
        process = self.scheduler.processes[which % len(self.scheduler.processes)]
        for _ in range(steps):
            if process.done:
                break
            self.scheduler.resume(process)

    @precondition(lambda self: self.scheduler.processes)
    @rule(which=st.integers(0, 2))
    def kill(self, which: int) -> None:
        self.scheduler.kill(self.scheduler.processes[which % len(self.scheduler.processes)])

    # the end

    def teardown(self) -> None:
        try:
            if hasattr(self, "history"):
                self.history.rest()
        finally:
            if hasattr(self, "history"):
                self.history.close()
            self.stack.close()

    @contextmanager
    def within(self, number: int) -> Iterator[bool]:
        """Tell whether a transaction may write; number 0 begins and commits with the block."""
        if not number:
            self.world.begin(0)
        yield number in self.world.open and not self.world.open[number].prepared
        if not number:
            self.world.commit(0)


def test_the_star_is_what_the_source_was_whatever_happens() -> None:
    run_state_machine_as_test(Life, settings=SETTINGS)


@pytest.mark.parametrize("name", ["strictly-later", "no-tombstones", "append"])
def test_a_breakage_is_found(name: str) -> None:
    broken = type("Broken", (Life,), {"mutant": BY_NAME[name]})
    # not made small: that is for who reads it
    quick = settings(SETTINGS, max_examples=500, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(Violation):
        run_state_machine_as_test(broken, settings=quick)

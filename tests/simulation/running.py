"""Runs many histories and says how they went."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.pool import AsyncResult

from starlift.adapters.duckdb_engine import DuckDBEngine
from tests.simulation.codecs import quick
from tests.simulation.history import History, Outcome
from tests.simulation.mutants import BY_NAME, MUTANTS, Mutant
from tests.simulation.pipeline import deterministic
from tests.simulation.scheduler import Violation

REAL_EVERY = 40
"""Of so many histories one runs its models in DuckDB and has files of Parquet."""
AGAIN_EVERY = 4
"""Of so many histories one has its processed lake made again, and compared."""

_engine = DuckDBEngine()


@contextmanager
def surroundings(*, real: bool) -> Iterator[None]:
    """Have what runs be deterministic and quick. real: with DuckDB and Parquet."""
    with ExitStack() as stack:
        stack.enter_context(deterministic())
        if not real:
            stack.enter_context(quick())
        yield


def play(seed: int, mutant: Mutant | None = None, *, traced: bool = False, sound: bool = False) -> Outcome:
    """Play the history of a seed to its end. sound: of the kind in which a mutant is looked for, but without
    it. Never raises: what was broken is in the outcome."""
    trace: list[str] | None = [] if traced else None
    real = mutant is None and seed % REAL_EVERY == 0
    violation = None
    with ExitStack() as stack:
        stack.enter_context(surroundings(real=real))
        if mutant is not None and not sound:
            stack.enter_context(mutant.applied())
        history = History(seed, _engine if real else None, trace, mutant, sound=sound)
        try:
            history.play()
            if mutant is None and seed % AGAIN_EVERY == 0:
                history.again()
        except Violation as error:
            violation = str(error)
        except Exception as error:  # noqa: BLE001 - one history is not to end the others, and is told by its seed
            violation = f"not played to its end: {error!r}"
        happened = history.close()
        happened["duckdb"] += real
    return Outcome(seed, happened, violation, trace or [])


@dataclass
class Report:
    """How many histories went how. histories: by what occurred in them. occurred: how often, in all."""

    seeds: int = 0
    violations: dict[int, str] = field(default_factory=dict)
    histories: Counter[str] = field(default_factory=Counter)
    occurred: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.seeds += 1
        if outcome.violation:
            self.violations[outcome.seed] = outcome.violation
        self.occurred.update(outcome.happened)
        self.histories.update(name for name, count in outcome.happened.items() if count)

    def lines(self) -> Iterator[str]:
        """What occurred, by name: in how many histories, and how often in all."""
        for name, count in sorted(self.histories.items()):
            yield f"{name:24} {count:7} of {self.seeds} histories, {self.occurred[name]:8} times"


def run(base: int, seconds: float, bounds: tuple[int, int | None], workers: int) -> Report:
    """Play the histories of `base`, `base` + 1 and so on: for so many seconds, but no fewer and no more than
    the bounds say."""
    report, began = Report(), time.monotonic()
    least, most = bounds
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        seed, size = base, 20
        pending: list[AsyncResult[list[Outcome]]] = []
        while True:
            while len(pending) < 2 * workers:
                pending.append(pool.apply_async(_play_some, (seed, size)))
                seed += size
            for outcome in pending.pop(0).get():
                report.add(outcome)
            late = time.monotonic() - began >= seconds
            if (late and report.seeds >= least) or (most is not None and report.seeds >= most):
                break
        pool.terminate()
    return report


def _play_some(first: int, count: int) -> list[Outcome]:
    return [play(seed) for seed in range(first, first + count)]


def hunt(base: int, count: int, workers: int) -> Iterator[tuple[Mutant, list[int], list[int]]]:
    """Play `count` histories of each mutant. Yield the seeds that found it, and those of histories of the
    same kind that broke a promise without it."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        found = [(mutant, pool.apply_async(_hunt_one, (mutant.name, base, count))) for mutant in MUTANTS]
        for mutant, outcome in found:
            yield mutant, *outcome.get()


def _hunt_one(name: str, base: int, count: int) -> tuple[list[int], list[int]]:
    mutant, seeds = BY_NAME[name], range(base, base + count)
    sound = range(base, base + count // 5) if mutant.where else ()
    return (
        [seed for seed in seeds if play(seed, mutant).violation],
        [seed for seed in sound if play(seed, mutant, sound=True).violation],
    )

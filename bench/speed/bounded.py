"""Ten times the orders in bounded memory: unbroken, and killed again and again. starlift alone.

Its processes are looked at every 20 ms and killed if together they have more than the limit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.postgres import PostgresForTests, SourceDatabase

from bench.peers.tools import Tool
from bench.speed import checking, orders
from bench.speed.contenders import CONTENDERS
from bench.speed.figures import OURS
from bench.speed.machine import Machine
from bench.speed.watching import Run, watch

KILLS = 5
TIMES = 10


@dataclass(frozen=True)
class Load:
    """A first load, in one run or several. moments: seconds after which runs were killed. wrong: in what the
    star was not right in the end."""

    orders: int
    runs: tuple[Run, ...]
    moments: tuple[float, ...]
    wrong: str

    @property
    def seconds(self) -> float:
        """Of all its runs."""
        return sum(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """CPU seconds of all its runs."""
        return sum(run.cpu for run in self.runs)

    @property
    def pss(self) -> int:
        """The most bytes that a run had."""
        return max(run.pss for run in self.runs)

    @property
    def killed(self) -> int:
        """How many runs were killed in time."""
        return sum(run.code < 0 for run in self.runs)


def play(postgres: PostgresForTests, few: int, limit: int, seed: int) -> list[Load]:
    """Load `few` orders, ten times as many, and those once more, killed five times."""
    loads = []
    for number in (few, few * TIMES):
        with postgres.source(f"orders_{number}", orders.filler(number)) as source:
            loads.append(load(postgres, source, number, limit))
            if number != few:
                moments = _moments(loads[-1].seconds, seed)
                loads.append(load(postgres, source, number, limit, moments))
    return loads


def _moments(seconds: float, seed: int) -> list[float]:
    """Return moments that leave something to do however the runs go: together less than one whole run."""
    rng = random.Random(seed)  # noqa: S311 - moments, not secrets
    return [rng.uniform(0, seconds / KILLS) for _ in range(KILLS)]


def _over(moment: float, passed: float) -> bool:
    return passed >= moment


@contextmanager
def _tool(postgres: PostgresForTests, source: SourceDatabase) -> Iterator[Tool]:
    """starlift, which has never run, for a block."""
    with TemporaryDirectory(prefix="starlift-speed-") as folder, postgres.warehouse() as target:
        tool = CONTENDERS[OURS].make(OURS, source.reader, target.owner, Path(folder, OURS))
        tool.set_up()
        yield tool


def load(
    postgres: PostgresForTests,
    source: SourceDatabase,
    number: int,
    limit: int,
    moments: Sequence[float] = (),
) -> Load:
    """Load all orders of a source by runs that are killed after so many seconds each, and a last that is not.

    limit: bytes.
    """
    with _tool(postgres, source) as tool:
        runs = []
        for moment in (*moments, float("inf")):
            runs.append(watch(tool.command(), tool.environment(), tool.folder, limit, partial(_over, moment)))
            if runs[-1].code >= 0 or not runs[-1].within:
                break
        here = checking.content(tool.target, checking.star_relation, checking.STAR)
        wrong = checking.wrong(checking.content(source.admin), here)
    if not all(run.within for run in runs):
        wrong = f"it had more than {limit / 1e6:.0f} MB and was killed"
    return Load(number, tuple(runs), tuple(moments[: len(runs)]), wrong)


def table(loads: Sequence[Load], machine: Machine, limit: int) -> str:
    """Return what came of it, for a terminal and for Markdown alike."""
    return "\n".join(_lines(loads, machine, limit))


def _lines(loads: Sequence[Load], machine: Machine, limit: int) -> Iterator[str]:
    few, many = loads[0], loads[1]
    yield f"# Ten times the orders in {limit / 1e6:.0f} MB\n"
    yield "`python -m bench.speed --ten-million` made this. All processes of a run are killed if together"
    yield f"they have more (PSS, looked at every 20 ms). Machine: {machine}.\n"
    yield "| orders | runs | killed | seconds | us an order | CPU-us an order | MB | max RSS | the star |"
    yield f"|{'---|' * 9}"
    for one in loads:
        each = 1e6 / one.orders
        yield (
            f"| {one.orders:,} | {len(one.runs)} | {one.killed} | {one.seconds:.1f} | "
            f"{one.seconds * each:.1f} | {one.cpu * each:.1f} | {one.pss / 1e6:.0f} | "
            f"{max(run.hwm for run in one.runs) / 1e6:.0f} | {one.wrong or 'equals the source'} |"
        )
    for one in loads:
        if one.moments:
            yield f"\nKilled after {', '.join(f'{moment:.1f} s' for moment in one.moments)}."
    slower = many.seconds / many.orders / (few.seconds / few.orders)
    yield f"\nOf ten times the orders each took {slower:.2f} times as long; the memory was"
    yield f"{many.pss / few.pss:.2f} times as much.\n"

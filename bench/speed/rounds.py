"""The rounds: in each, every contender begins with nothing and copies the same source, in turn.

A round is a first load, then increments, each followed by a poll that finds nothing. Nobody is timed while
another works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pg8000
from tests.postgres import PostgresForTests, SourceDatabase, connected

from bench.peers.environments import Unavailable
from bench.peers.tools import Tool
from bench.speed import checking, orders
from bench.speed.contenders import CONTENDERS, Contender, OnS3, Starlift, size, stages, steps
from bench.speed.metering import Meter, Work
from bench.speed.watching import Run, watch

FIRST, INCREMENT, POLL = "first load", "increment", "nothing changed"
CASES = (FIRST, INCREMENT, POLL)


@dataclass(frozen=True)
class Sample:
    """One contender in one case, once.

    server: what PostgreSQL did meanwhile. wrong: in what its copy was not right afterwards, or why
    there is none. kept: bytes it added to what it keeps, by name. stages: seconds of each, where it tells
    them.
    """

    case: str
    contender: str
    run: Run
    server: Work
    wrong: str
    kept: dict[str, int]
    stages: dict[str, float]


@dataclass(frozen=True)
class Plan:
    """What is to be run. increments: in a round. endpoint: of an S3, for who needs one.
    statements: how many of the server's costliest each sample is to have. say: is told each
    sample as it comes."""

    contenders: Sequence[str]
    orders: int
    times: int = 3
    increments: int = 1
    cases: Sequence[str] = CASES
    endpoint: str = ""
    statements: int = 0
    say: Callable[[Sample], None] = lambda _: None


@dataclass
class Outcome:
    """What came of it. skipped: why, by contender that could not be had."""

    plan: Plan
    postgres: str
    samples: list[Sample] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass
class _Entrant:
    """A contender in one round."""

    contender: Contender
    tool: Tool


def play(postgres: PostgresForTests, plan: Plan) -> Outcome:
    """Play all rounds."""
    with connected(postgres.server.url()) as admin:
        outcome = Outcome(plan, admin.run("SHOW server_version")[0][0])
        meter = Meter(admin, plan.statements)
        for number in range(plan.times):
            _round(postgres, outcome, meter, number)
    return outcome


def _round(postgres: PostgresForTests, outcome: Outcome, meter: Meter, number: int) -> None:
    plan = outcome.plan
    with ExitStack() as stack:
        source = stack.enter_context(postgres.source(f"orders_{plan.orders}", orders.filler(plan.orders)))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="starlift-speed-")))
        entrants = _enter(stack, postgres, source, folder, outcome)
        turn = number % len(entrants)  # each round begins with another one
        entrants = entrants[turn:] + entrants[:turn]
        _case(FIRST, outcome, meter, source, entrants)
        entrants = [entrant for entrant in entrants if entrant.contender.polls]
        for entrant in entrants:
            _settle(postgres, entrant.tool.target)
        for change in range(plan.increments if set(plan.cases) != {FIRST} else 0):
            orders.change(source.admin, plan.orders, change)
            _case(INCREMENT, outcome, meter, source, entrants)
            _case(POLL, outcome, meter, source, entrants)


def _enter(
    stack: ExitStack, postgres: PostgresForTests, source: SourceDatabase, folder: Path, outcome: Outcome
) -> list[_Entrant]:
    entrants = []
    for name in outcome.plan.contenders:
        if name in outcome.skipped:
            continue
        contender = CONTENDERS[name]
        target = stack.enter_context(postgres.warehouse())
        tool = contender.make(name, source.reader, target.owner, folder / name)
        if isinstance(tool, OnS3):
            tool.endpoint = outcome.plan.endpoint
        try:
            tool.install()
        except Unavailable as reason:
            outcome.skipped[name] = str(reason)
            continue
        tool.set_up()
        outcome.tools[name] = tool
        entrants.append(_Entrant(contender, tool))
    return entrants


def _settle(postgres: PostgresForTests, url: str) -> None:
    """Do at once what the server would do a little later, in somebody's time."""
    with connected(postgres.url(url.rpartition("/")[2])) as admin:
        admin.run("VACUUM (ANALYZE)")


def _case(
    case: str, outcome: Outcome, meter: Meter, source: SourceDatabase, entrants: Sequence[_Entrant]
) -> None:
    there = checking.content(source.admin)
    for entrant in entrants:
        with connected(source.admin) as admin:
            admin.run("CHECKPOINT")
        for sample in _sync(case, entrant, meter, there):
            if case in outcome.plan.cases:
                outcome.samples.append(sample)
                outcome.plan.say(sample)


def _sync(case: str, entrant: _Entrant, meter: Meter, there: dict[str, Decimal]) -> list[Sample]:
    """Have one contender sync once; only after its last step can its copy be right."""
    tool, before = entrant.tool, _kept(entrant)
    runs, server = {}, {}
    for step, words in steps(tool).items():
        with meter.measured() as server[step]:
            runs[step] = watch(words, tool.environment(), tool.folder)
    added = {name: after - before[name] for name, after in _kept(entrant).items()}
    failed = next((_failure(run) for run in runs.values() if run.code != 0), "")
    wrong = failed or _difference(tool, there)
    told = {step: stages(run.stdout) if isinstance(tool, Starlift) else {} for step, run in runs.items()}
    return [
        Sample(
            case, f"{tool.name} {step}".strip(), run, server[step], wrong, {} if step else added, told[step]
        )
        for step, run in runs.items()
    ]


def _kept(entrant: _Entrant) -> dict[str, int]:
    return {name: size(entrant.tool.folder / folder) for name, folder in entrant.contender.lakes.items()}


def _failure(run: Run) -> str:
    said = (run.stderr.strip() or run.stdout.strip() or "nothing said").splitlines()
    return f"ended with {run.code}: {said[-1]}"


def _difference(tool: Tool, there: dict[str, Decimal]) -> str:
    starlift = isinstance(tool, Starlift)
    relation, columns = (checking.star_relation, checking.STAR) if starlift else (tool.relation, {})
    try:
        here = checking.content(tool.target, relation, columns)
    except pg8000.DatabaseError as error:  # a table or a column that is not there
        return f"its copy cannot be read: {error.args[0].get('M', error)}"
    return checking.wrong(there, here)

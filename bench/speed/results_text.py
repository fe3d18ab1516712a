"""The outcome as a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.speed import bounds
from bench.speed.figures import OURS, Figures, figures, gap, number, ratio
from bench.speed.machine import Machine
from bench.speed.rounds import Outcome
from bench.speed.table import heading

_INTRODUCTION = """\
# Results

`make bench` wrote this. Every contender copies the same Totesys, all eleven tables, from one PostgreSQL
database into another, starts each round with nothing, and comes to its turn while nobody else works. Figures
are medians. Time is that of the whole process. CPU (user and system) and memory (sampled PSS, beside it the
largest resident set) are those of all processes of the client; the server's CPU is PostgreSQL's meanwhile.
After every run the rows of all tables were counted, and the sum of a hash of every sales order compared with
the source's.

What starlift makes is the star, ten tables with their constraints, ledger and history, and it keeps JSON
lines and Parquet. sling and dlt make copies of the tables. Machines differ and are noisy: the ratios are the
result.

![Bars of time, CPU and memory](results.svg)
"""


def document(outcome: Outcome, machine: Machine) -> str:
    """Return RESULTS.md."""
    return "\n".join(_lines(outcome, machine))


def _lines(outcome: Outcome, machine: Machine) -> Iterator[str]:
    plan, found = outcome.plan, figures(outcome)
    yield _INTRODUCTION
    yield f"Machine: {machine}."
    yield f"PostgreSQL {outcome.postgres} on it, as it comes, with vacuum and checkpoints between the runs."
    yield f"Rounds: {plan.times}, each of one first load and {plan.increments} times an increment and a poll."
    yield f"Memory was looked at every {gap(outcome):.0f} ms, on average."
    for case, of_case in found.items():
        yield f"\n## {heading(case, plan.orders)}\n"
        yield from _grid(
            (
                "",
                "seconds",
                "least to most",
                "CPU s",
                "server's CPU s",
                "MB",
                "max RSS",
                "kept MB",
                *_AGAINST,
            ),
            (_row(one, of_case) for one in of_case if not one.contender.startswith("stages ")),
        )
    yield "\n## Held to\n"
    yield from _grid(("", "found", "at most", ""), bounds.lines(found))
    lost = bounds.losses(found)
    yield f"\nWhere starlift needs more than a tool that copies tables: {'; '.join(lost) or 'nowhere'}."
    yield from _stages(outcome, found)
    yield from _limits(outcome, found)
    yield from _kept(outcome, found)
    yield "\n## Versions, settings, commands\n"
    for name, tool in outcome.tools.items():
        yield f"- **{name}**: {tool.version}; {tool.settings}\n  `{tool.shown()}`"
    yield from (f"- {name} was skipped: {reason}" for name, reason in outcome.skipped.items())
    yield ""


_AGAINST = ("time, starlift : it", "CPU", "memory")


def _row(one: Figures, of_case: Sequence[Figures]) -> tuple[str, ...]:
    kept = number(sum(one.kept.values()) / 1e6) if one.kept else ""
    figures_of_it = (
        one.contender,
        number(one.seconds),
        f"{number(one.spread[0])} - {number(one.spread[1])}",
        number(one.cpu),
        number(one.server),
        f"{one.pss / 1e6:.0f}",
        f"{one.hwm / 1e6:.0f}",
        kept,
    )
    compared = ratio(of_case, one.contender)
    if one.wrong:
        return (*figures_of_it, f"WRONG: {one.wrong}", "", "")
    if compared is None or one.contender == OURS:
        return (*figures_of_it, "", "", "")
    return (*figures_of_it, *(f"{value:.2f}" for value in (compared.seconds, compared.cpu, compared.pss)))


def _stages(outcome: Outcome, found: dict[str, list[Figures]]) -> Iterator[str]:
    """Each stage as a command of its own: a function has all of it to itself."""
    rows = [
        (
            case,
            one.contender.partition(" ")[2],
            number(one.seconds),
            number(one.cpu),
            number(one.server),
            f"{one.pss / 1e6:.0f}",
        )
        for case, of_case in found.items()
        for one in of_case
        if one.contender.startswith("stages ")
    ]
    if rows:
        yield f"\n## Each stage as a command of its own, {outcome.plan.orders:,} sales orders\n"
        yield from _grid(("", "stage", "seconds", "CPU s", "server's CPU s", "MB"), rows)


FUNCTION = 15 * 60
"""Seconds that a function of AWS Lambda has."""

_BEYOND = {
    "extract": "ends between two batches and goes on at its next call: the time bounds a batch, which "
    "`max_rows` makes smaller, and no table",
    "transform": "the same; of a table that models join, and of a checkpoint, all rows are in memory: raise "
    "the function's memory, up to 10 GB, or transform on a machine",
    "load": "the same in a first load; what comes in chunks later is one transaction, and so is publishing: "
    "more than fits is for `starlift load` on a machine, after which the functions go on",
}


def _limits(outcome: Outcome, found: dict[str, list[Figures]]) -> Iterator[str]:
    """What the stages' figures mean where time and memory are limited."""
    first = next(iter(found))
    orders = outcome.plan.orders
    rows = [
        (
            stage,
            f"{orders / one.seconds:,.0f}",
            f"{one.pss / 1e6:.0f}",
            f"{orders / one.seconds * FUNCTION / 1e6:.0f} million",
            _BEYOND.get(stage, ""),
        )
        for one in found[first]
        if (stage := one.contender.partition("stages ")[2])
    ]
    if rows:
        yield "\n## Limits\n"
        yield (
            f"A first load of {orders:,} orders, the server on the same machine; memory does not grow with "
            "the rows, but with `memory` (256MB as it comes).\n"
        )
        yield from _grid(("stage", "orders a second", "MB", "in a function's 15 minutes", "beyond"), rows)


def _kept(outcome: Outcome, found: dict[str, list[Figures]]) -> Iterator[str]:
    first = next(iter(found))
    rows = [
        (one.contender, name, number(size / 1e6), number(size / outcome.plan.orders))
        for one in found[first]
        for name, size in one.kept.items()
    ]
    if rows:
        yield f"\n## What is kept after: {first}\n"
        yield from _grid(("", "", "MB", "bytes a sales order"), rows)


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)

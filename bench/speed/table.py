"""The outcome for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.speed import bounds
from bench.speed.figures import OURS, Figures, figures, gap, ratio
from bench.speed.machine import Machine
from bench.speed.orders import increment
from bench.speed.rounds import FIRST, INCREMENT, Outcome, Sample

MEGA = 1e6


def line(sample: Sample) -> str:
    """Return one sample in a line, for who waits."""
    run = sample.run
    told = (
        f"{run.seconds:8.2f} s {run.cpu:7.2f} CPU-s {sample.server.cpu:7.2f} of the server"
        f" {run.pss / MEGA:6.0f} MB"
    )
    wrong = f"  WRONG: {sample.wrong}" if sample.wrong else ""
    return "\n".join((f"{sample.case:16}{sample.contender:17}{told}{wrong}", *sample.server.statements))


def table(outcome: Outcome, machine: Machine) -> str:
    """Return all of it."""
    return "\n".join(_lines(outcome, machine))


def heading(case: str, orders: int) -> str:
    """Return what a case is, in words."""
    updates, inserts = increment(orders)
    more = {
        FIRST: f" of {orders:,} sales orders",
        INCREMENT: f" of {updates:,} updates and {inserts:,} inserts",
    }
    return case.capitalize() + more.get(case, "")


def _lines(outcome: Outcome, machine: Machine) -> Iterator[str]:
    plan = outcome.plan
    yield f"{machine}; PostgreSQL {outcome.postgres} on the same machine"
    yield (
        f"Medians; {plan.times} rounds, in turn. CPU and memory (PSS; largest resident set) of all processes "
        f"of the client, looked at every {gap(outcome):.0f} ms; the server's CPU beside it."
    )
    for case, of_case in figures(outcome).items():
        yield ""
        yield f"{heading(case, plan.orders):50}{'':33}{'starlift : it':>24}"
        yield (
            f"  {'':17}{'s':>8}{'CPU-s':>9}{'server':>9}{'MB':>7}{'(max RSS)':>11}{'kept MB':>9}   "
            f"{'time':>9}{'CPU':>8}{'memory':>8}"
        )
        for one in of_case:
            yield _row(one, of_case)
    yield ""
    yield from _stages(outcome)
    yield from ("  ".join(words) for words in bounds.lines(figures(outcome)))
    for name, tool in outcome.tools.items():
        yield f"{name}: {tool.version}; {tool.settings}"
        yield f"  $ {tool.shown()}"
    yield from (f"skipped: {name} ({reason})" for name, reason in outcome.skipped.items())


def _row(one: Figures, of_case: Sequence[Figures]) -> str:
    kept = f"{sum(one.kept.values()) / MEGA:.2f}" if one.kept else "-"
    text = (
        f"  {one.contender:17}{one.seconds:8.2f}{one.cpu:9.2f}{one.server:9.2f}{one.pss / MEGA:7.0f}"
        f"{one.hwm / MEGA:11.0f}{kept:>9}   "
    )
    if one.wrong:
        return f"{text}WRONG: {one.wrong}"
    compared = ratio(of_case, one.contender)
    if compared and not one.contender.startswith((OURS, "stages ")):
        text += f"{compared.seconds:9.2f}{compared.cpu:8.2f}{compared.pss:8.2f}"
    return text.rstrip()


def _stages(outcome: Outcome) -> Iterator[str]:
    for case, of_case in figures(outcome).items():
        for one in of_case:
            if one.stages and " " not in one.contender:
                told = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in one.stages.items())
                yield f"{one.contender}, {case}: {told}"
            if one.kept and case != "nothing changed":
                told = ", ".join(f"{name} {size / MEGA:.2f} MB" for name, size in one.kept.items())
                yield f"{one.contender}, {case}, kept: {told}"

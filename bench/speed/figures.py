"""Medians, and what starlift's are to those of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.speed.rounds import CASES, Outcome, Sample

OURS = "starlift"


@dataclass(frozen=True)
class Figures:
    """Medians of a contender's samples in one case. seconds, cpu, and server (PostgreSQL's CPU) in seconds;
    pss, hwm and kept in bytes.

    spread: the least and the most seconds of a sample. wrong: what was wrong in any sample.
    """

    contender: str
    samples: int
    seconds: float
    spread: tuple[float, float]
    cpu: float
    server: float
    pss: float
    hwm: float
    kept: Mapping[str, float]
    stages: Mapping[str, float]
    wrong: str


@dataclass(frozen=True)
class Ratio:
    """What starlift's figures are, divided by another's."""

    seconds: float
    cpu: float
    pss: float


def figures(outcome: Outcome) -> dict[str, list[Figures]]:
    """Return the medians by case, the contenders in their order."""
    found = {}
    for case in CASES:
        by_name: dict[str, list[Sample]] = {}
        for sample in outcome.samples:
            if sample.case == case:
                by_name.setdefault(sample.contender, []).append(sample)
        if by_name:  # in the order of the first round, which is that of the contenders
            found[case] = [_figures(name, samples) for name, samples in by_name.items()]
    return found


def _figures(name: str, samples: Sequence[Sample]) -> Figures:
    seconds = [sample.run.seconds for sample in samples]
    return Figures(
        name,
        len(samples),
        median(seconds),
        (min(seconds), max(seconds)),
        median(sample.run.cpu for sample in samples),
        median(sample.server.cpu for sample in samples),
        median(sample.run.pss for sample in samples),
        median(sample.run.hwm for sample in samples),
        _medians([sample.kept for sample in samples]),
        _medians([sample.stages for sample in samples]),
        next((sample.wrong for sample in samples if sample.wrong), ""),
    )


def _medians(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(one[name] for one in each if name in one) for name in each[0]}


def gap(outcome: Outcome) -> float:
    """Return how many milliseconds were between two looks at the memory, on average: more than twenty where
    the machine was busy, and then peaks may have been missed."""
    runs = [sample.run for sample in outcome.samples]
    return sum(run.seconds for run in runs) / sum(run.looks for run in runs) * 1000


def ratio(of_case: Sequence[Figures], other: str, ours: str = OURS) -> Ratio | None:
    """Return what ours are to another's; None where one of both did not run, or was wrong."""
    right = {one.contender: one for one in of_case if not one.wrong}
    if ours not in right or other not in right:
        return None
    us, them = right[ours], right[other]
    return Ratio(us.seconds / them.seconds, us.cpu / them.cpu, us.pss / them.pss)


def number(value: float) -> str:
    """Return a figure with about three digits.

    >>> [number(value) for value in (0.123, 1.5, 12.345, 1234.5)]
    ['0.12', '1.50', '12.3', '1,234']
    """
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"

"""What starlift holds itself to, as ratios of one run and as bytes, and whether it keeps to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.speed.figures import OURS, Figures, ratio
from bench.speed.rounds import FIRST, INCREMENT, POLL

What = Literal["time", "CPU", "memory"]


@dataclass(frozen=True)
class Bound:
    """What a figure of `ours`, divided by the other's, is to be at most."""

    case: str
    what: What
    other: str
    most: float
    ours: str = OURS


@dataclass(frozen=True)
class Held:
    """A bound, and what was measured."""

    bound: Bound
    found: float

    @property
    def holds(self) -> bool:
        """Whether it is kept to."""
        return self.found <= self.bound.most


BOUNDS = (
    Bound(FIRST, "time", "sling", 1.0),
    Bound(FIRST, "time", "dlt", 0.45),
    Bound(FIRST, "CPU", "dlt", 0.5),
    Bound(FIRST, "time", "pipe", 3.0),
    Bound(INCREMENT, "time", "sling", 0.75),
    Bound(INCREMENT, "time", "dlt", 0.3),
    Bound(POLL, "time", "sling", 0.7),
    Bound(POLL, "time", "dlt", 0.15),
    Bound(FIRST, "time", OURS, 1.5, ours="s3"),
    Bound(INCREMENT, "time", OURS, 1.5, ours="s3"),
)
MEMORY = 256_000_000
"""Bytes that starlift's processes need at most, whatever the rows: `memory` of the configuration."""


def held(found: Mapping[str, Sequence[Figures]]) -> list[Held]:
    """Return every bound of which both sides were measured."""
    measured = []
    for bound in BOUNDS:
        compared = ratio(found.get(bound.case, ()), bound.other, bound.ours)
        if compared is not None:
            value = {"time": compared.seconds, "CPU": compared.cpu, "memory": compared.pss}[bound.what]
            measured.append(Held(bound, value))
    return measured


def peak(found: Mapping[str, Sequence[Figures]]) -> float | None:
    """Return the most bytes that starlift needed in any case."""
    return max(
        (one.pss for of_case in found.values() for one in of_case if one.contender == OURS), default=None
    )


def lines(found: Mapping[str, Sequence[Figures]]) -> list[tuple[str, str, str, str]]:
    """Return what each bound is about, what was found, the bound, and whether it is kept to."""
    told = [
        (
            f"{one.bound.case}: {one.bound.what}, {one.bound.ours} : {one.bound.other}",
            f"{one.found:.2f}",
            f"{one.bound.most:.2f}",
            "holds" if one.holds else "missed",
        )
        for one in held(found)
    ]
    if (most := peak(found)) is not None:
        kept = "holds" if most <= MEMORY else "missed"
        told.append((f"all cases: memory of {OURS}", f"{most / 1e6:.0f} MB", f"{MEMORY / 1e6:.0f} MB", kept))
    return told


def losses(found: Mapping[str, Sequence[Figures]]) -> list[str]:
    """Return, in words, in what starlift needs more than another tool."""
    told = []
    for case, of_case in found.items():
        for other in ("sling", "dlt"):
            compared = ratio(of_case, other)
            if compared is not None:
                figures = {"time": compared.seconds, "CPU": compared.cpu, "memory": compared.pss}
                told += [
                    f"{case}: {value:.2f} times the {what} of {other}"
                    for what, value in figures.items()
                    if value > 1
                ]
    return told

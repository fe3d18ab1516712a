"""One cycle on one machine: extract, then whatever transform and load have pending.

A stage that fails does not stop the later ones: what was landed before still reaches the warehouse. The
failure is reported when they are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from starlift.core.manifest import Counts
from starlift.errors import LostRace, StarliftError
from starlift.ports import Loaded, StarCounts
from starlift.stages.extract import Extracted

if TYPE_CHECKING:
    from starlift.stages.transform import Transformed


T = TypeVar("T")


@dataclass
class Cycle:
    """What one cycle moved, and what went wrong on the way. seconds: wall time of each stage."""

    run_id: str
    extracted: Extracted | None = None
    transformed: list[Transformed] = field(default_factory=list)
    loaded: list[Loaded] = field(default_factory=list)
    errors: list[StarliftError] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Rows that transform or load put into quarantine."""
        transformed = sum(batch.quarantined for batch in self.transformed)
        return transformed + sum(batch.quarantined for batch in self.loaded)

    @property
    def outcome(self) -> str:
        """applied, nothing, lost or held, as `starlift run --json` names it."""
        if any(isinstance(error, LostRace) for error in self.errors):
            return "lost"
        if any(error.exit_code == 4 for error in self.errors):
            return "held"
        return "applied" if self.loaded else "nothing"

    def document(self) -> dict[str, Any]:
        """Return the object that `starlift run --json` prints."""
        extracted = self.extracted
        return {
            "run_id": self.run_id,
            "outcome": self.outcome,
            "seq": self.loaded[-1].seq if self.loaded else (extracted.seq if extracted else None),
            "kind": self.transformed[-1].kind if self.transformed else (extracted and extracted.kind),
            "complete_to": extracted.complete_to if extracted else None,
            "tables": self.tables(),
            "star": {name: vars(counts) for name, counts in self.star().items()},
            "quarantined": self.quarantined,
            "seconds": self.seconds,
        }

    def tables(self) -> dict[str, dict[str, Any]]:
        """Rows per source table: what extract read, and what transform rejected of it."""
        extracted = self.extracted
        modes: Mapping[str, str] = extracted.modes if extracted else {}
        counts = dict(extracted.counts) if extracted else {}
        for name, rejected in self._rejected().items():
            before = counts.get(name, Counts())
            counts[name] = Counts(before.read, before.shipped - rejected, before.rejected + rejected)
        return {name: {"mode": modes.get(name), **vars(count)} for name, count in counts.items()}

    def _rejected(self) -> dict[str, int]:
        rejected: dict[str, int] = {}
        for batch in self.transformed:
            for name, count in batch.counts.items():
                rejected[name] = rejected.get(name, 0) + count.rejected
        return rejected

    def star(self) -> dict[str, StarCounts]:
        """Rows per star table, over all batches this cycle loaded."""
        total: dict[str, StarCounts] = {}
        for batch in self.loaded:
            for name, counts in batch.star.items():
                before = vars(total.get(name, StarCounts()))
                total[name] = StarCounts(**{k: before[k] + v for k, v in vars(counts).items()})
        return total


@dataclass(frozen=True)
class Stages:
    """The three stages of a pipeline, each ready to run."""

    extract: Callable[[], Extracted]
    transform: Callable[[], list[Transformed]]
    load: Callable[[], list[Loaded]]


def run_cycle(run_id: str, stages: Stages) -> Cycle:
    """Run the three stages in turn. Deliberate errors are collected, others propagate."""
    cycle = Cycle(run_id)
    cycle.extracted = _timed(cycle, "extract", stages.extract)
    if cycle.outcome != "lost":
        cycle.transformed = _timed(cycle, "transform", stages.transform) or []
        cycle.loaded = _timed(cycle, "load", stages.load) or []
    return cycle


def _timed(cycle: Cycle, stage: str, work: Callable[[], T]) -> T | None:
    started = time.monotonic()
    try:
        return work()
    except StarliftError as error:
        cycle.errors.append(error)
        return None
    finally:
        cycle.seconds[stage] = round(time.monotonic() - started, 3)

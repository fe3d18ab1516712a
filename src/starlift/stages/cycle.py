"""One cycle on one machine: extract, then whatever transform and load have pending.

A stage that fails does not stop the later ones: what was landed before still reaches the warehouse. The
failure is reported when they are done.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from starlift.core.manifest import Counts
from starlift.core.requests import Request
from starlift.errors import DriftError, HeldError, LostRace, StarliftError
from starlift.ports import Applied, Loaded, StarCounts
from starlift.stages.extract import Extracted, added_up

if TYPE_CHECKING:
    from starlift.stages.transform import Transformed


T = TypeVar("T")


@dataclass
class Cycle:
    """What one cycle moved, and what went wrong on the way.

    applied: the last batch in the warehouse, as far as load came to ask. loaded: also those that are built
    beside the star and not yet published. stopped: it ended between two batches with more to do, because that
    was wished. seconds: wall time of each stage that ran.
    """

    run_id: str
    extracted: Extracted | None = None
    transformed: list[Transformed] = field(default_factory=list)
    loaded: list[Loaded] = field(default_factory=list)
    applied: Applied | None = None
    errors: list[StarliftError] = field(default_factory=list)
    stopped: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Record the wall time of a block, however it ends."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.monotonic() - started, 3)

    @property
    def quarantined(self) -> int:
        """Rows that transform or load put into quarantine."""
        transformed = sum(batch.quarantined for batch in self.transformed)
        return transformed + sum(batch.quarantined for batch in self.loaded)

    @property
    def outcome(self) -> str:
        """What `--json` calls it: lost, held, stopped, applied (a batch is in the warehouse that was not
        before), failed; built, transformed or extracted where it came no further, or nothing. Tables that are
        held alone make it held only where there was nothing else."""
        only_held = all(self.held and isinstance(error, DriftError) for error in self.errors)
        states = {
            "lost": any(isinstance(error, LostRace) for error in self.errors),
            "held": any(isinstance(error, HeldError) for error in self.errors),
            "stopped": self.stopped,
            "applied": self.visible > 0,
            "failed": not only_held,
            "built": bool(self.loaded),
            "transformed": bool(self.transformed),
            "extracted": bool(self.extracted and self.extracted.kind),
        }
        idle = "held" if self.held else "nothing"
        return next((name for name, found in states.items() if found), idle)

    @property
    def visible(self) -> int:
        """How many of the batches it loaded readers see."""
        reached = self.applied.seq if self.applied else 0
        return sum(batch.seq <= reached for batch in self.loaded)

    @property
    def requests(self) -> list[Request]:
        """What the batches it applied ask of the next extract."""
        return [request for batch in self.loaded for request in batch.requests]

    @property
    def differing(self) -> dict[str, int]:
        """Rows by table that an inventory found to be others than the warehouse's, not counting deleted ones:
        changes of which no poll told."""
        found: Counter[str] = Counter()
        for batch in self.loaded:
            found.update(batch.differing)
        return dict(found)

    @property
    def held(self) -> dict[str, DriftError]:
        """Why a table was not read, by table."""
        return self.extracted.held if self.extracted else {}

    def report_held(self) -> None:
        """Add an error for each table that is held, beside what the cycle did with the others."""
        self.errors += [
            DriftError(f"table {name} is held, the others go on: {error.message}", error.hint)
            for name, error in self.held.items()
        ]

    def document(self) -> dict[str, Any]:
        """Return the object that `starlift run --json` prints; a single stage gives its part."""
        seq, kind, complete_to = self.batch()
        return {
            "run_id": self.run_id,
            "outcome": self.outcome,
            "seq": seq,
            "kind": kind,
            "complete_to": complete_to,
            "batches": {
                "landed": len(self.extracted.batches) if self.extracted else 0,
                "transformed": len(self.transformed),
                "applied": self.visible,
            },
            "built": len(self.loaded) - self.visible,
            "left": self.extracted.left if self.extracted else 0,
            "tables": self.tables(),
            "star": {name: vars(counts) for name, counts in self.star().items()},
            "held": {name: error.message for name, error in self.held.items()},
            "quarantined": self.quarantined,
            "differing": self.differing,
            "requests": [
                {"kind": request.kind, "table": request.table, "reason": request.reason}
                for request in self.requests
            ],
            "unnamed": dict(self.extracted.unnamed) if self.extracted else {},
            "seconds": self.seconds,
        }

    def batch(self) -> tuple[int | None, str | None, str | None]:
        """Return seq, kind and complete_to of the batch this cycle came to: the newest it applied, else made,
        else landed, else the newest there is, whose kind is None because it is not this cycle's."""
        extracted, applied = self.extracted, self.applied
        if self.visible and applied:
            return applied.seq, applied.kind, applied.complete_to
        if self.loaded:
            return self.loaded[-1].seq, None, None
        complete_to = extracted.complete_to if extracted else None
        if self.transformed:
            return self.transformed[-1].seq, self.transformed[-1].kind, complete_to
        if extracted:
            return extracted.seq, extracted.kind, complete_to
        return (applied.seq, None, applied.complete_to) if applied else (None, None, None)

    def tables(self) -> dict[str, dict[str, Any]]:
        """Rows per source table, over all batches this cycle landed or made: read = shipped + rejected."""
        extracted = self.extracted
        batches = dict(extracted.batches) if extracted else {}
        batches |= {batch.seq: batch.counts for batch in self.transformed}
        none = {name: Counts() for name in (extracted.counts if extracted else {})}
        total = added_up([none, *batches.values()])
        modes: Mapping[str, str] = extracted.modes if extracted else {}
        return {name: {"mode": modes.get(name), **vars(count)} for name, count in total.items()}

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
    """The three stages of a pipeline, each ready to run on a cycle's behalf, and what is asked before.

    check raises where the cycle could not be finished. load also returns the last batch applied. stopped:
    whether a stage has ended with more to do, because that was wished; then none follows, and followed
    returns what was transformed and loaded while extract went on, as transform and load would have.
    """

    check: Callable[[], None]
    extract: Callable[[], Extracted]
    transform: Callable[[], list[Transformed]]
    load: Callable[[], tuple[list[Loaded], Applied | None]]
    stopped: Callable[[], bool] = lambda: False
    followed: Callable[[], tuple[list[Transformed], list[Loaded]]] = lambda: ([], [])


def run_cycle(run_id: str, stages: Stages) -> Cycle:
    """Run the three stages in turn, none if the check fails. Deliberate errors are collected, others
    propagate."""
    cycle = Cycle(run_id)
    try:
        stages.check()
    except StarliftError as error:
        cycle.errors.append(error)
        return cycle
    cycle.extracted = _collected(cycle, "extract", stages.extract)
    if cycle.outcome != "lost" and not stages.stopped():
        _carry_on(cycle, stages)
    else:
        cycle.transformed, cycle.loaded = stages.followed()
    cycle.stopped = stages.stopped()
    cycle.report_held()
    return cycle


def carry_on(run_id: str, stages: Stages) -> Cycle:
    """Run the stages after extract, as `run_cycle` does."""
    cycle = Cycle(run_id)
    _carry_on(cycle, stages)
    cycle.stopped = stages.stopped()
    return cycle


def _carry_on(cycle: Cycle, stages: Stages) -> None:
    cycle.transformed = _collected(cycle, "transform", stages.transform) or []
    if stages.stopped():
        _, cycle.loaded = stages.followed()
        return
    cycle.loaded, cycle.applied = _collected(cycle, "load", stages.load) or ([], None)
    _admit_loss(cycle)


def _admit_loss(cycle: Cycle) -> None:
    """What this cycle landed or made, and found nothing of to load, another run has applied before it; or
    it waits for the batch that closes it."""
    seq, kind, _ = cycle.batch()
    there = cycle.applied is not None and seq is not None and cycle.applied.seq >= seq
    if kind and there and not cycle.loaded and not cycle.errors:
        cycle.errors.append(
            LostRace(f"batch {seq} is applied already", "nothing is lost; see: starlift status")
        )


def _collected(cycle: Cycle, stage: str, work: Callable[[], T]) -> T | None:
    try:
        with cycle.timed(stage):
            return work()
    except StarliftError as error:
        cycle.errors.append(error)
        return None

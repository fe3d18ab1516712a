"""How things stand when a function has done what it could: ages, and what waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlift.core import paths
from starlift.core.manifest import Manifest, Processed
from starlift.core.units import instant
from starlift.stages import chain, log

if TYPE_CHECKING:
    from starlift.entrypoints.lambda_pipeline import LambdaPipeline
    from starlift.entrypoints.lambda_telemetry import Gauges
    from starlift.ports import Lake
    from starlift.stages.cycle import Cycle
    from starlift.stages.extract import Extracted

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def of_extract(gauges: Gauges, extracted: Extracted) -> None:
    """Take note of what a poll found. A table that is held has drifted, and so has one with columns that no
    list of the configuration names."""
    gauges.set("HeldTables", len(extracted.held))
    gauges.set("DriftedTables", len({*extracted.held, *extracted.unnamed}))
    gauges.set("Rows", sum(counts.shipped for counts in extracted.counts.values()))


def of_transform(
    gauges: Gauges, pipeline: LambdaPipeline, cycle: Cycle, *, held: bool, now: Now = utc_now
) -> None:
    """Take note of how old the batches are that transform came to, and of those that a held one keeps
    waiting."""
    lakes = pipeline.ingestion, pipeline.processed
    done = log.head(lakes[1])[0]
    first = cycle.transformed[0].seq if cycle.transformed else _next(lakes[0], done, chain.landed)
    gauges.set("BatchAgeSeconds", _age(_clock(lakes[0], first, chain.landed), now))
    gauges.set("HeldBatches", log.head(lakes[0])[0] - done if held else 0)
    gauges.set("Rows", sum(counts.read for batch in cycle.transformed for counts in batch.counts.values()))


def of_load(
    gauges: Gauges, pipeline: LambdaPipeline, cycle: Cycle, *, held: bool, now: Now = utc_now
) -> None:
    """Take note of how fresh the star is, of how many rows wait in quarantine, and as `of_transform`."""
    with pipeline.warehouse as warehouse:
        applied, rejected = warehouse.applied(), warehouse.quarantine()
    lake, done = pipeline.processed, applied.seq if applied else 0
    first = cycle.loaded[0].seq if cycle.loaded else _next(lake, done, chain.processed)
    gauges.set("FreshnessSeconds", _age(applied.complete_to if applied else None, now))
    gauges.set("BatchAgeSeconds", _age(_clock(lake, first, chain.processed), now))
    gauges.set("QuarantinedRows", sum(row.dropped is None for row in rejected))
    gauges.set("HeldBatches", log.head(lake)[0] - done if held else 0)
    gauges.set("DifferingRows", sum(cycle.differing.values()))
    changes = (counts for batch in cycle.loaded for counts in batch.star.values())
    gauges.set("Rows", sum(c.inserted + c.updated + c.versions + c.tombstones for c in changes))


def _next(lake: Lake, done: int, read: chain.Read) -> int:
    """The number of the batch that is next, whether it is there or not."""
    return (done or chain.before_start(lake, read)) + 1


def _clock(lake: Lake, seq: int, read: Callable[[Lake, int, bytes], Manifest | Processed]) -> str | None:
    """The source's time of a batch, None where there is none."""
    data = lake.get(paths.manifest(seq))
    return None if data is None else read(lake, seq, data).clock


def _age(moment: str | None, now: Now) -> float | None:
    """Seconds since a moment, never below zero: the source's clock may be ahead."""
    return None if moment is None else max((now() - instant(moment)).total_seconds(), 0.0)

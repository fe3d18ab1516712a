"""`starlift runs`: the newest batches, what each moved and how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlift.bootstrap import Pipeline
from starlift.core import paths
from starlift.core.manifest import Counts, Manifest, Processed
from starlift.core.units import instant
from starlift.entrypoints.answers import Answer, Cell, age, table
from starlift.stages import chain, log

if TYPE_CHECKING:
    from starlift.ports import Lake, Load

HEADER = ("batch", "kind", "read", "rejected", "star rows", "extract s", "load s", "lag", "state")
MOVED = ("inserted", "updated", "versions", "tombstones")
"""Counts of star rows that changed."""


def report(pipeline: Pipeline, last: int) -> Answer:
    """Return the newest batches, newest first: at most `last`.

    What is no longer in a lake is None. Raises what a lake or the warehouse raises that does not answer.
    """
    head, _ = log.head(pipeline.ingestion)
    after = max(head - last, 0)
    with pipeline.warehouse as warehouse:
        loads = {load.seq: load for load in warehouse.loads(after)}
    batches = [_batch(pipeline, seq, loads.get(seq)) for seq in range(head, after, -1)]
    text = (
        table(HEADER, map(_row, batches)) if batches else "there is no batch yet; the first one: starlift run"
    )
    return Answer({"runs": batches}, text)


def _batch(pipeline: Pipeline, seq: int, load: Load | None) -> dict[str, Any]:
    landed = _landed(pipeline.ingestion, seq)
    made = _made(pipeline.processed, seq)
    known = landed or made
    counts = made.counts if made else landed.counts if landed else {}
    return {
        "seq": seq,
        "kind": known.kind if known else load.kind if load else None,
        "state": "applied" if load else "transformed" if made else "landed",
        "run_id": landed.run_id if landed else None,
        "clock": known.clock if known else load.clock if load else None,
        "complete_to": known.complete_to if known else None,
        "applied_at": load.applied_at if load else None,
        "tables": {name: vars(count) for name, count in counts.items()},
        **_total(counts if known else None, load),
        "star": dict(load.counts["star"]) if load else None,
        "star_rows": _star_rows(load.counts["star"]) if load else None,
        "extract_s": landed.seconds if landed else None,
        "load_s": round(load.seconds, 3) if load else None,
        "lag_s": _lag(load) if load else None,
    }


def _landed(lake: Lake, seq: int) -> Manifest | None:
    data = lake.get(paths.manifest(seq))
    return chain.landed(lake, seq, data) if data is not None else None


def _made(lake: Lake, seq: int) -> Processed | None:
    data = lake.get(paths.manifest(seq))
    return chain.processed(lake, seq, data) if data is not None else None


def _total(counts: Mapping[str, Counts] | None, load: Load | None) -> dict[str, int | None]:
    """Rows of all tables; what the star's DDL refused counts as rejected, not as shipped."""
    if counts is None:
        return dict.fromkeys(("read", "shipped", "rejected"))
    refused = int(load.counts["quarantined"]) if load else 0
    total = {
        part: sum(getattr(count, part) for count in counts.values())
        for part in ("read", "shipped", "rejected")
    }
    return {**total, "shipped": total["shipped"] - refused, "rejected": total["rejected"] + refused}


def _star_rows(star: Mapping[str, Mapping[str, int]]) -> int:
    return sum(counts[part] for counts in star.values() for part in MOVED)


def _lag(load: Load) -> float:
    """Seconds from the source's clock at the poll to the warehouse's at the load."""
    return round((instant(load.applied_at) - instant(load.clock)).total_seconds(), 1)


def _row(batch: Mapping[str, Any]) -> list[Cell]:
    lag = batch["lag_s"]
    cells = [batch[name] for name in ("seq", "kind", "read", "rejected", "star_rows", "extract_s", "load_s")]
    return [*cells, "-" if lag is None else age(lag), batch["state"]]

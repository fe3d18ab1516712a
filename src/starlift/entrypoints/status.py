"""`starlift status`: how fresh the warehouse is, what is pending, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlift.bootstrap import Pipeline
from starlift.core.manifest import Manifest
from starlift.core.units import instant
from starlift.entrypoints.answers import age, table
from starlift.entrypoints.commands import Answer
from starlift.errors import HeldError, StarliftError
from starlift.stages import log

if TYPE_CHECKING:
    from starlift.adapters.postgres.warehouse import PostgresWarehouse


def report(pipeline: Pipeline, warehouse: PostgresWarehouse) -> Answer:
    """Return the state of every stage. A warehouse older than `stale_after` is an error (exit 4)."""
    now = datetime.now(UTC)
    head, stored = log.head(pipeline.ingestion)
    manifest = Manifest.decode(stored) if stored else None
    processed, _ = log.head(pipeline.processed)
    found = warehouse.status()
    applied = found.applied
    freshness = _seconds(now, applied.complete_to) if applied else None
    document: dict[str, Any] = {
        "applied_seq": applied.seq if applied else None,
        "head_seq": head,
        "processed_seq": processed,
        "freshness_s": freshness,
        "tables": _tables(manifest, now),
        "pending": {"transform": head - processed, "load": processed - (applied.seq if applied else 0)},
        "quarantine": [dict(vars(row)) for row in found.quarantine],
        "inferred": [dict(vars(row)) for row in found.inferred],
        "held": [],
        "watermark_holder": _holder(manifest, now),
    }
    errors = _stale(freshness, pipeline)
    return Answer(document, _text(document), errors)


def _seconds(now: datetime, moment: str | None) -> float | None:
    return round((now - instant(moment)).total_seconds(), 1) if moment else None


def _tables(manifest: Manifest | None, now: datetime) -> dict[str, dict[str, Any]]:
    if manifest is None:
        return {}
    return {
        name: {
            "mode": state.mode,
            "complete_to": state.complete_to,
            "freshness_s": _seconds(now, state.complete_to),
            "rows": state.count,
        }
        for name, state in manifest.tables.items()
    }


def _holder(manifest: Manifest | None, now: datetime) -> dict[str, Any] | None:
    holder = manifest.watermark_holder if manifest else None
    return {**holder, "age_s": _seconds(now, holder["since"])} if holder else None


def _stale(freshness: float | None, pipeline: Pipeline) -> tuple[StarliftError, ...]:
    limit = pipeline.config.limits.stale_after.total_seconds()
    if freshness is None or freshness <= limit:
        return ()
    return (
        HeldError(
            f"the warehouse is complete to {age(freshness)} ago, more than {age(limit)} (stale_after)",
            "starlift run",
        ),
    )


def _text(document: Mapping[str, Any]) -> str:
    if document["applied_seq"] is None and not document["head_seq"]:
        return "no batch yet; the first one: starlift run"
    parts = [
        table(
            ["table", "mode", "rows", "complete to", "age"],
            [
                [name, t["mode"], t["rows"], t["complete_to"], _age(t["freshness_s"])]
                for name, t in document["tables"].items()
            ],
        ),
        _batches(document),
    ]
    if document["quarantine"]:
        rows = [[q["table"], q["key"], q["stage"], q["seq"], q["reason"]] for q in document["quarantine"]]
        parts.append(table(["quarantined", "key", "stage", "batch", "reason"], rows))
    if document["inferred"]:
        rows = [[row["table"], row["key"], row["seq"]] for row in document["inferred"]]
        parts.append(table(["not loaded yet, but referenced", "key", "batch"], rows))
    return "\n\n".join(parts)


def _batches(document: Mapping[str, Any]) -> str:
    pending = document["pending"]
    lines = [
        f"batch {document['applied_seq'] or 0} is in the warehouse, {_age(document['freshness_s'])} old",
        f"pending: {pending['transform']} to transform, {pending['load']} to load",
        f"quarantine: {len(document['quarantine'])} rows",
    ]
    holder = document["watermark_holder"]
    if holder:
        lines.append(
            f"watermark held by pid {holder['pid']} ({holder['user']}), "
            f"in a transaction for {_age(holder['age_s'])} when last polled"
        )
    return "\n".join(lines)


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else age(seconds)

"""`starlift status`: how fresh the warehouse is, what is pending, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from starlift.bootstrap import Pipeline
from starlift.core.manifest import Manifest
from starlift.core.units import instant
from starlift.entrypoints.answers import Answer, age
from starlift.entrypoints.standing_text import standing_text
from starlift.errors import HeldError, StarliftError
from starlift.stages import chain, log, requests

if TYPE_CHECKING:
    from starlift.adapters.postgres.standing import Standing
    from starlift.ports import Lake

T = TypeVar("T")


@dataclass
class _Found:
    """What could be asked. Each part may fail for itself: status is typed when something does not work."""

    now: datetime
    errors: list[StarliftError] = field(default_factory=list)
    head: int | None = None
    manifest: Manifest | None = None
    processed: int | None = None
    standing: Standing | None = None
    requests: list[dict[str, Any]] | None = None

    def ask(self, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except StarliftError as error:
            self.errors.append(error)
            return None

    def age(self, moment: str | None) -> float | None:
        return round((self.now - instant(moment)).total_seconds(), 1) if moment else None


def report(pipeline: Pipeline) -> Answer:
    """Return the state of every stage, and with it the errors of those that do not answer; what they
    would have said is None. A warehouse older than `stale_after` is an error too (exit 4)."""
    found = _Found(datetime.now(UTC))
    lakes, warehouse = (pipeline.ingestion, pipeline.processed), pipeline.warehouse
    if (newest := found.ask(lambda: log.head(lakes[0]))) is not None:
        found.head, stored = newest
        if stored is not None:
            found.manifest = found.ask(partial(chain.landed, lakes[0], found.head, stored))
        found.requests = found.ask(lambda: _requests(lakes[0], found.manifest))
    if (made := found.ask(lambda: log.head(lakes[1]))) is not None:
        found.processed = made[0]
    with warehouse:
        found.standing = found.ask(warehouse.status)
    document = _document(found)
    if stale := _stale(found, pipeline):
        found.errors.append(stale)
    return Answer(document, standing_text(document), tuple(found.errors))


def _document(found: _Found) -> dict[str, Any]:
    standing = found.standing
    applied = standing.applied if standing else None
    return {
        "applied_seq": applied.seq if applied else None,
        "applied_at": applied.applied_at if applied else None,
        "built_seq": standing.built if standing else None,
        "head_seq": found.head,
        "processed_seq": found.processed,
        "freshness_s": found.age(applied.complete_to) if applied else None,
        "tables": _tables(found),
        "pending": {
            "transform": _difference(found.head, found.processed),
            "load": _difference(found.processed, (applied.seq if applied else 0) if standing else None),
        },
        "quarantine": [vars(row) for row in standing.quarantine if row.dropped is None] if standing else None,
        "dropped": [vars(row) for row in standing.quarantine if row.dropped is not None]
        if standing
        else None,
        "inferred": [dict(vars(row)) for row in standing.inferred] if standing else None,
        "held": _held(found),
        "deleted_at_source": _deleted(found),
        "unnamed": _unnamed(found),
        "watermark_holder": _holder(found),
        "chunks": _chunks(found),
        "requests": found.requests,
    }


def _difference(newer: int | None, older: int | None) -> int | None:
    return None if newer is None or older is None else max(newer - older, 0)


def _tables(found: _Found) -> dict[str, dict[str, Any]]:
    """best_effort: the rows carry no transaction id, so that only the cursor tells of changes (a view)."""
    return {
        name: {
            "mode": state.mode,
            "best_effort": state.px is None,
            "complete_to": state.complete_to,
            "freshness_s": found.age(state.complete_to),
            "rows": state.count,
        }
        for name, state in (found.manifest.tables if found.manifest else {}).items()
    }


def _held(found: _Found) -> list[dict[str, str]]:
    """Tables that the newest batch did not read because their shape changed."""
    held = found.manifest.held if found.manifest else {}
    return [{"table": name, "reason": reason} for name, reason in held.items()]


def _deleted(found: _Found) -> dict[str, int] | None:
    """Rows by table that the warehouse has and the newest snapshot had not; None where the warehouse is not
    at that batch. The load has asked for them; the next cycle carries them over."""
    standing, manifest = found.standing, found.manifest
    if not (standing and standing.applied and manifest and standing.applied.seq == manifest.seq):
        return None
    more = {}
    for name, rows in manifest.source_rows.items():
        ledger = standing.ledger.get(name, {})
        known = sum(ledger.get(state, 0) for state in ("live", "quarantined", "dropped"))
        if known > rows:
            more[name] = known - rows
    return more


def _unnamed(found: _Found) -> dict[str, tuple[str, ...]] | None:
    """Columns by table that are not taken because no list names them, as the newest batch saw them."""
    if found.manifest:
        return found.manifest.unnamed
    return None if found.head is None else {}


def _holder(found: _Found) -> dict[str, Any] | None:
    """The oldest open transaction, as the newest batch saw it. age_s: of the transaction by now."""
    holder = found.manifest.watermark_holder if found.manifest else None
    return {**holder, "age_s": found.age(holder["since"])} if holder else None


def _chunks(found: _Found) -> dict[str, dict[str, Any]]:
    """How far the reads in key-range chunks have come that are under way, by table."""
    tables = found.manifest.tables if found.manifest else {}
    return {
        name: {
            "rows": state.chunk.rows,
            "about": state.chunk.about,
            "after": state.chunk.after,
            "whole": state.chunk.whole,
        }
        for name, state in tables.items()
        if state.chunk
    }


def _requests(ingestion: Lake, manifest: Manifest | None) -> list[dict[str, Any]]:
    """What the next extract is asked, oldest first. keys: how many are named, all where it is 0."""
    return [
        {"kind": asked.kind, "table": asked.table, "keys": len(asked.keys), "reason": asked.reason}
        for asked in requests.read(ingestion, manifest).pending.values()
    ]


def _stale(found: _Found, pipeline: Pipeline) -> HeldError | None:
    """An error where the warehouse is too old, or has nothing though the first batch is as old."""
    limit = pipeline.config.limits.stale_after.total_seconds()
    standing = found.standing
    if standing is None:
        return None
    if standing.applied:
        old = found.age(standing.applied.complete_to)
        text = "the warehouse is complete to {} ago"
    else:
        first = found.ask(lambda: _first(pipeline.ingestion)) if found.head else None
        old = found.age(first.clock) if first else None
        text = "the first batch was landed {} ago, and the warehouse has none"
    if old is None or old <= limit:
        return None
    return HeldError(f"{text.format(age(old))}; stale_after is {age(limit)}", "starlift run")


def _first(ingestion: Lake) -> Manifest:
    seq = chain.before_start(ingestion, chain.landed) + 1
    return chain.landed(ingestion, seq, log.read(ingestion, seq))

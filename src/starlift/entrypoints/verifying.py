"""`starlift verify` and `starlift verify-log`: whether everything is as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from starlift.bootstrap import Pipeline
from starlift.core.difference import Difference
from starlift.core.manifest import ModelRef
from starlift.core.models import REBUILD
from starlift.entrypoints.answers import Answer, Cell, rows, table
from starlift.errors import DriftError, HeldError, StarliftError
from starlift.ports import Applied, Lake
from starlift.stages import chain, log
from starlift.stages.deep import against_replay
from starlift.stages.verify import Subject, Verified, verify
from starlift.stages.walking import Walked, walk
from starlift.stages.watch import Watch


def answer(pipeline: Pipeline, watch: Watch, *, deep: bool = False) -> Answer:
    """Compare source, ledger and star; where they differ, that is an error (exit 4). deep: also star and
    ledger with a replay of the processed lake."""
    with pipeline.warehouse as warehouse, warehouse.inspect() as inspection:
        applied = inspection.applied
        if applied is None:
            return Answer(_document(Verified(0)), "there is no batch in the warehouse yet")
        manifest = chain.landed(pipeline.ingestion, applied.seq, log.read(pipeline.ingestion, applied.seq))
        processed = pipeline.processed.generations.loaded(applied)
        subject = Subject(pipeline.config, manifest, _models(processed, applied))
        with pipeline.source as source:
            verified = verify(subject, source, inspection, watch)
    if deep:
        with pipeline.warehouse as warehouse:
            verified.replay = against_replay(processed, warehouse, watch)
    errors = tuple(_errors(verified))
    return Answer(_document(verified), _text(verified), errors)


def _models(lake: Lake, applied: Applied) -> Sequence[ModelRef]:
    return chain.processed(lake, applied.seq, log.read(lake, applied.seq)).models


def _document(verified: Verified) -> dict[str, Any]:
    return {
        "seq": verified.seq,
        "tables": {name: vars(compared) for name, compared in verified.tables.items()},
        "held": {name: error.message for name, error in verified.held.items()},
        "differences": [asdict(found) for found in verified.differences],
    }


def _text(verified: Verified) -> str:
    compared: list[list[Cell]] = [
        [name, each.rows, each.pending, each.quarantined] for name, each in verified.tables.items()
    ]
    parts = [table(["source table", "rows", "pending", "quarantined"], compared)]
    if found := verified.differences:
        lines: list[list[Cell]] = [[each.table, each.what, each.rows, ", ".join(each.keys)] for each in found]
        parts.append(table(["table", "rows that are", "number", "first"], lines))
    else:
        but = "but for what is pending or in quarantine"
        parts.append(f"source, ledger and star are equal at batch {verified.seq}, {but}")
        if verified.replay is not None:
            parts.append("star and ledger are what a replay of the processed lake makes")
    return "\n\n".join(parts)


def _errors(verified: Verified) -> Iterator[StarliftError]:
    for name, error in verified.held.items():
        yield DriftError(f"table {name} is held, and was not compared: {error.message}", error.hint)
    if verified.source:
        yield HeldError(
            f"the warehouse is not what the source has: {_first(verified.source)}",
            "carry over what is deleted or was changed unseen: starlift reconcile",
        )
    if verified.star:
        yield HeldError(
            f"the warehouse is not as the load wrote it: {_first(verified.star)}",
            f"find out who wrote there, then make it again from what was landed: {REBUILD}",
        )
    if verified.replay:
        yield HeldError(
            f"the warehouse is not what a replay of the processed lake makes: {_first(verified.replay)}",
            f"see whether the lake is as it was written: starlift verify-log; then make it again: {REBUILD}",
        )


def _first(found: Sequence[Difference]) -> str:
    told = [f"{rows(each.rows)} of {each.table} {each.what}, first {each.keys[0]}" for each in found[:3]]
    return "; ".join(told) + ("; …" if len(found) > 3 else "")


def log_answer(pipeline: Pipeline, watch: Watch) -> Answer:
    """Walk the log of both lakes; the first object that is not as it was written is an error (exit 4)."""
    # the warehouse first: what it has applied is in the lakes by the time they are asked
    with pipeline.warehouse as warehouse:
        applied, digests = warehouse.applied(), warehouse.digests()
    processed = pipeline.processed.generations.loaded(applied)
    walked = walk(pipeline.ingestion, processed, digests, watch)
    document = {name: value for name, value in vars(walked).items() if name != "fault"}
    errors = (walked.fault,) if walked.fault else ()
    return Answer(document, "" if errors else _log_text(walked), errors)


def _log_text(walked: Walked) -> str:
    if not walked.first:
        return "there is no batch yet"
    waiting = ""
    if walked.applied < walked.landed:
        waiting = (
            f"; transformed to batch {walked.transformed}, applied to batch {walked.applied}, "
            "the others have fewer witnesses"
        )
    return (
        f"batches {walked.first} to {walked.landed} are as they were written: {walked.objects:,} objects, "
        f"{walked.bytes:,} bytes{waiting}"
    )

"""`starlift verify-log`: whether everything is as it was written."""

from __future__ import annotations

from starlift.bootstrap import Pipeline
from starlift.entrypoints.answers import Answer
from starlift.stages.walking import Walked, walk
from starlift.stages.watch import Watch


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

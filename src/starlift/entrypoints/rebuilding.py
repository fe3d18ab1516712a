"""`starlift rebuild`: the star made again by the models of today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlift.bootstrap import Pipeline
from starlift.entrypoints import local
from starlift.entrypoints.answers import Answer, rows
from starlift.errors import HeldError, LostRace, UnavailableError
from starlift.stages import approval, chain, log
from starlift.stages.cycle import Cycle
from starlift.stages.readiness import check_tables
from starlift.stages.rebuild import Parts, Rebuilt, rebuild
from starlift.stages.watch import Watch


def answer(pipeline: Pipeline, named: Sequence[str], watch: Watch, *, release: bool = False) -> Answer:
    """Poll once, so that what the configuration takes now has been landed, then rebuild, and say what became
    of it.

    Where the source does not answer, the star is made of what there is, if the models can do with that; the
    answer tells. named: the models that may have changed; all where none is named. release: however many
    rows of a batch may go into quarantine.
    """
    check_tables(pipeline.models, pipeline.config.tables)
    cycle = Cycle(local.new_run(pipeline).run_id)
    with cycle.timed("extract"):
        _poll(pipeline, cycle, watch)
    _check_models(pipeline)
    with cycle.timed("rebuild"), pipeline.warehouse as warehouse:
        parts = Parts(
            pipeline.ingestion,
            pipeline.processed_root,
            warehouse,
            pipeline.models,
            pipeline.engine,
            pipeline.code_version,
            1.0 if release else pipeline.config.limits.quarantine_hold,
            watch,
        )
        rebuilt = rebuild(parts, named)
    cycle.transformed, cycle.loaded = rebuilt.transformed, rebuilt.loaded
    if rebuilt.held:
        cycle.errors.append(rebuilt.held)
    return Answer(_document(cycle, rebuilt), _text(cycle, rebuilt), tuple(cycle.errors))


def _poll(pipeline: Pipeline, cycle: Cycle, watch: Watch) -> None:
    try:
        cycle.extracted = local.extract(pipeline, local.new_run(pipeline, watch))
        cycle.report_held()
    except (UnavailableError, HeldError, LostRace) as error:
        cycle.errors.append(error)


def _check_models(pipeline: Pipeline) -> None:
    """What a poll of the same columns and keys does not ask: whether today's models can be made of them."""
    seq, stored = log.head(pipeline.ingestion)
    if stored is not None:
        landed = chain.landed(pipeline.ingestion, seq, stored)
        approval.approve(pipeline.models, pipeline.engine, landed.schema, landed.keys)


def _document(cycle: Cycle, rebuilt: Rebuilt) -> dict[str, Any]:
    moved = cycle.document()
    told = {name: moved[name] for name in ("run_id", "batches", "quarantined", "seconds")}
    return {
        **told,
        "outcome": "rebuilt",
        "seq": rebuilt.seq,
        "generation": rebuilt.generation,
        "changes": dict(rebuilt.changes),
        "published": rebuilt.published,
    }


def _text(cycle: Cycle, rebuilt: Rebuilt) -> str:
    lines = [f"model {name} {how}" for name, how in rebuilt.changes.items()]
    seconds = sum(cycle.seconds.values())
    lines.append(
        f"the star is rebuilt to batch {rebuilt.seq}, as generation {rebuilt.generation} ({seconds:.2f} s); "
        f"changed: {', '.join(rebuilt.published)}"
    )
    if cycle.quarantined:
        lines.append(f"{rows(cycle.quarantined)} went into quarantine on the way; see: starlift status")
    return "\n".join(lines)

"""`starlift rebuild`: the star made again by the models of today."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from starlift.bootstrap import Pipeline
from starlift.core.models import REBUILD
from starlift.entrypoints import local
from starlift.entrypoints.answers import Answer, rows
from starlift.errors import ConfigurationError, HeldError, LostRace, UnavailableError
from starlift.stages import approval, chain, log
from starlift.stages.cycle import Cycle
from starlift.stages.readiness import check_tables
from starlift.stages.rebuild import Parts, Rebuilt, rebuild
from starlift.stages.watch import Watch

_OTHER_COMMANDS = re.compile(r"(?<=: )starlift (migrate|load|run)( && starlift (load|run))?$")


def answer(
    pipeline: Pipeline,
    named: Sequence[str],
    watch: Watch,
    *,
    release: bool = False,
    first: int | None = None,
) -> Answer:
    """Poll once, so that what the configuration takes now has been landed, then rebuild, and say what became
    of it.

    Where the source does not answer, the star is made of what there is, if the models can do with that; the
    answer tells. named: the models that may have changed; all where none is named. release: however many
    rows of a batch may go into quarantine. first: the checkpoint with which the star's history is to begin.
    """
    with _told_to_rebuild():
        return _answer(pipeline, named, watch, release, first)


@contextmanager
def _told_to_rebuild() -> Iterator[None]:
    """Whatever is to be corrected, the command that goes on is not that of a migration, a load or a run."""
    try:
        yield
    except (ConfigurationError, HeldError) as error:
        error.hint = _OTHER_COMMANDS.sub(REBUILD, error.hint)
        raise


def _answer(
    pipeline: Pipeline, named: Sequence[str], watch: Watch, release: bool, first: int | None
) -> Answer:
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
            first,
        )
        rebuilt = rebuild(parts, named)
    cycle.transformed, cycle.loaded = rebuilt.transformed, rebuilt.loaded
    if rebuilt.held:
        cycle.errors.append(rebuilt.held)
    text = _text(cycle, rebuilt, [model.name for model in pipeline.models])
    return Answer(_document(cycle, rebuilt), text, tuple(cycle.errors))


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
        "first": rebuilt.first,
        "seq": rebuilt.seq,
        "generation": rebuilt.generation,
        "changes": dict(rebuilt.changes),
        "published": rebuilt.published,
    }


def _text(cycle: Cycle, rebuilt: Rebuilt, models: Collection[str]) -> str:
    lines = [f"model {name} {how}" for name, how in rebuilt.changes.items()]
    seconds = sum(cycle.seconds.values())
    star = {*models, *rebuilt.changes, "dim_date"}
    changed = ", ".join(table for table in rebuilt.published if table in star)
    lines.append(
        f"the star is rebuilt to batch {rebuilt.seq}, as generation {rebuilt.generation} ({seconds:.2f} s); "
        + (f"rows changed in {changed}" if changed else "no row changed")
    )
    if cycle.quarantined:
        lines.append(f"{rows(cycle.quarantined)} went into quarantine on the way; see: starlift status")
    return "\n".join(lines)

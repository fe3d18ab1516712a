"""Extract: poll the source once and commit what changed as one numbered batch of JSON lines.

The order of the steps is what makes it lose no row: preflight, barrier, snapshot, rows, manifest. The
manifest is the commit and the state at once, so a crash anywhere leaves the state of the batch before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlift.core import continuity
from starlift.core.config import PipelineConfig
from starlift.core.manifest import Counts, File, Kind, Manifest, Mode, TableState, sha256
from starlift.core.source_check import fingerprint, unnamed_columns
from starlift.core.units import instant
from starlift.errors import ConfigurationError, DriftError
from starlift.ports import Barrier, Lake, Preflight, Source, SourceSnapshot
from starlift.stages import chain, log
from starlift.stages.parts import write_parts
from starlift.stages.polling import TablePoll, measure, plan
from starlift.stages.shapes import Approve, Shapes, find_shapes


@dataclass(frozen=True)
class Run:
    """One run of the pipeline. progress(stage, table, rows) is told of long work as it goes on."""

    run_id: str
    code_version: str
    progress: Callable[[str, str, int], None] = lambda *_: None


@dataclass(frozen=True)
class Extracted:
    """What one poll found. kind is None, and seq the head, where it found nothing and wrote nothing.

    unnamed: columns of the source that the configuration neither takes nor drops, by table. held: why a
    table was not read, by table.
    """

    seq: int
    kind: Kind | None
    complete_to: str | None
    modes: dict[str, Mode]
    counts: dict[str, Counts]
    unnamed: dict[str, tuple[str, ...]]
    held: dict[str, DriftError] = field(default_factory=dict)


def extract(
    source: Source,
    lake: Lake,
    config: PipelineConfig,
    run: Run,
    approve: Approve = lambda *_: None,
    accept: Collection[str] = (),
) -> Extracted:
    """Poll every table once, from one snapshot; commit a batch, or write nothing where nothing changed.

    approve: a batch is for ever, so columns and keys that no model can use must be refused before it.
    accept: tables whose changed shape a person takes as it is; others whose shape changed are held.
    Raises LostRace where another run committed the sequence number first, InventoryNeeded where the
    source is not what the last batch left, HeldError where that batch's manifest is damaged, DriftError
    where a table changes while it is read,
    ConfigurationError, UnavailableError.
    """
    head, stored = log.head(lake)
    previous = chain.landed(lake, head, stored) if stored else None
    preflight = source.preflight(list(config.tables.values()))
    _check_source(config, previous, preflight)
    shapes = find_shapes(config, previous, preflight, approve, accept)
    polls = plan(shapes.taken, previous, preflight, config.limits)
    barrier = source.barrier()
    with source.snapshot() as snapshot:
        measure(polls, snapshot, barrier, preflight, config.limits)
        kind = _kind(polls, shapes, previous, barrier.clock, config)
        if kind is None and previous is not None:
            return _result(polls, shapes, head, None, previous.complete_to, {})
        files, counts = _ship(polls, snapshot, lake, head + 1, run)
        text, position = snapshot.text, snapshot.position
    source.settle(position)
    manifest = Manifest(
        source=config.source_name,
        seq=head + 1,
        kind=kind or "bootstrap",
        run_id=run.run_id,
        code_version=run.code_version,
        previous_sha256=sha256(stored) if stored else None,
        clock=barrier.clock,
        complete_to=None,
        identity=preflight.identity,
        snapshot=text,
        tables=_states(polls, shapes, previous),
        schema=shapes.schema,
        fingerprints={name: fingerprint(columns) for name, columns in shapes.schema.items()},
        keys=shapes.keys,
        files=files,
        counts=counts,
        passes={poll.spec.name: "+".join(sorted(poll.read.passes)) for poll in polls},
        watermark_holder=_holder(barrier),
        unnamed=_unnamed(polls),
        held=_reasons(shapes),
        added={name: taken.added for name, taken in shapes.taken.items() if taken.added},
    )
    manifest = replace(manifest, complete_to=_complete_to(manifest.tables))
    log.commit(lake, manifest.seq, manifest.encode())
    return _result(polls, shapes, manifest.seq, manifest.kind, manifest.complete_to, counts)


def _check_source(config: PipelineConfig, previous: Manifest | None, preflight: Preflight) -> None:
    if previous is None:
        return
    if previous.source != config.source_name:
        raise ConfigurationError(
            f"the ingestion lake holds batches of {previous.source!r}, the configuration names the source "
            f"{config.source_name!r}: a lake belongs to one source",
            "set STARLIFT_INGESTION to another place, then: starlift run",
        )
    continuity.check(previous.identity, previous.clock, preflight.identity, preflight.clock)


def _kind(
    polls: Sequence[TablePoll],
    shapes: Shapes,
    previous: Manifest | None,
    clock: str,
    config: PipelineConfig,
) -> Kind | None:
    """Return the kind of batch to write, None for no batch at all."""
    if previous is None:
        return "bootstrap"
    others = set(previous.tables) != set(config.tables) or previous.held != _reasons(shapes)
    if others or any(poll.changed for poll in polls):
        return "incremental"
    idle = instant(clock) - instant(previous.clock)
    # `starlift status` knows of a column that no list names from the newest manifest
    due = idle >= config.limits.heartbeat or previous.unnamed != _unnamed(polls)
    return "heartbeat" if due else None


def _ship(
    polls: Sequence[TablePoll], snapshot: SourceSnapshot, lake: Lake, seq: int, run: Run
) -> tuple[tuple[File, ...], dict[str, Counts]]:
    files: list[File] = []
    counts: dict[str, Counts] = {}
    for poll in polls:
        name = poll.spec.name
        parts = write_parts(lake, poll.read, snapshot, seq, run) if poll.changed else ()
        rows = sum(part.rows for part in parts)
        files.extend(parts)
        counts[name] = Counts(read=rows, shipped=rows, rejected=0)
    return tuple(files), counts


def _states(polls: Sequence[TablePoll], shapes: Shapes, previous: Manifest | None) -> dict[str, TableState]:
    """Where the next poll of each table starts; a held table keeps its place, so that it misses nothing."""
    states = {poll.spec.name: poll.next_state() for poll in polls}
    kept = previous.tables if previous else {}
    return {name: states[name] if name in states else kept[name] for name in shapes.schema}


def _reasons(shapes: Shapes) -> dict[str, str]:
    return {name: error.message for name, error in shapes.held.items()}


def _complete_to(tables: dict[str, TableState]) -> str | None:
    """The least of the tables' instants, None while one of them has none."""
    reached = [state.complete_to for state in tables.values() if state.complete_to]
    return min(reached, key=instant) if len(reached) == len(tables) else None


def _holder(barrier: Barrier) -> dict[str, Any] | None:
    return dict(barrier.holder) if barrier.holder else None


def _unnamed(polls: Sequence[TablePoll]) -> dict[str, tuple[str, ...]]:
    found = {poll.spec.name: unnamed_columns(poll.spec, poll.found) for poll in polls}
    return {name: columns for name, columns in found.items() if columns}


def _result(
    polls: Sequence[TablePoll],
    shapes: Shapes,
    seq: int,
    kind: Kind | None,
    complete_to: str | None,
    counts: dict[str, Counts],
) -> Extracted:
    return Extracted(
        seq=seq,
        kind=kind,
        complete_to=complete_to,
        modes={poll.spec.name: poll.mode for poll in polls},
        counts=counts or {poll.spec.name: Counts() for poll in polls},
        unnamed=_unnamed(polls),
        held=shapes.held,
    )

"""Extract: poll the source once and commit what changed as one numbered batch of JSON lines.

The order of the steps is what makes it lose no row: preflight, barrier, snapshot, rows, manifest. The
manifest is the commit and the state at once, so a crash anywhere leaves the state of the batch before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlift.core import continuity, polling
from starlift.core.config import PipelineConfig, TableSpec
from starlift.core.manifest import Column, Counts, File, Kind, Manifest, Mode, TableState, sha256
from starlift.core.polling import Measure, Reached, Read
from starlift.core.source_check import (
    SourceTable,
    check_table,
    choose_mode,
    fingerprint,
    shape_of,
    unnamed_columns,
)
from starlift.core.units import instant
from starlift.errors import ConfigurationError
from starlift.ports import Barrier, Lake, Preflight, Source, SourceSnapshot
from starlift.stages import log
from starlift.stages.parts import write_parts


@dataclass(frozen=True)
class Run:
    """One run of the pipeline. progress(stage, table, rows) is told of long work as it goes on."""

    run_id: str
    code_version: str
    progress: Callable[[str, str, int], None] = lambda *_: None


@dataclass(frozen=True)
class Extracted:
    """What one poll found. kind is None, and seq the head, where it found nothing and wrote nothing.

    unnamed: columns of the source that the configuration neither takes nor drops, by table.
    """

    seq: int
    kind: Kind | None
    complete_to: str | None
    modes: dict[str, Mode]
    counts: dict[str, Counts]
    unnamed: dict[str, tuple[str, ...]]


@dataclass
class _Poll:
    """One table on its way through a poll."""

    spec: TableSpec
    found: SourceTable
    columns: tuple[Column, ...]
    state: TableState | None
    mode: Mode
    read: Read
    reached: Reached = field(default_factory=lambda: Reached("", "", None))
    measure: Measure = field(default_factory=lambda: Measure({}, {}, None))

    @property
    def changed(self) -> bool:
        return not polling.unchanged(self.read, self.state, self.measure)


Approve = Callable[[Mapping[str, tuple[Column, ...]], Mapping[str, tuple[str, ...]]], None]
"""Asked of schemas and keys by table before a batch is the first to have them; raises to refuse them."""


def extract(
    source: Source, lake: Lake, config: PipelineConfig, run: Run, approve: Approve = lambda *_: None
) -> Extracted:
    """Poll every table once, from one snapshot; commit a batch, or write nothing where nothing changed.

    approve: a batch is for ever, so columns and keys that no model can use must be refused before it.
    Raises LostRace where another run committed the sequence number first, InventoryNeeded where the
    source is not what the last batch left, DriftError, ConfigurationError, UnavailableError.
    """
    head, stored = log.head(lake)
    previous = Manifest.decode(stored) if stored else None
    preflight = source.preflight(list(config.tables.values()))
    _check_source(config, previous, preflight)
    polls = _plan(config, previous, preflight)
    schema = {poll.spec.name: poll.columns for poll in polls}
    keys = {poll.spec.name: poll.spec.key for poll in polls}
    if previous is None or (previous.schema, previous.keys) != (schema, keys):
        approve(schema, keys)
    barrier = source.barrier()
    with source.snapshot() as snapshot:
        _measure(polls, snapshot, barrier, preflight, config)
        kind = _kind(polls, previous, barrier.clock, config)
        if kind is None and previous is not None:
            return _result(polls, head, None, previous.complete_to, {})
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
        tables={poll.spec.name: _next_state(poll) for poll in polls},
        schema=schema,
        fingerprints={poll.spec.name: fingerprint(poll.columns) for poll in polls},
        keys=keys,
        files=files,
        counts=counts,
        passes={poll.spec.name: "+".join(sorted(poll.read.passes)) for poll in polls},
        watermark_holder=_holder(barrier),
    )
    manifest = replace(manifest, complete_to=_complete_to(manifest.tables))
    log.commit(lake, manifest.seq, manifest.encode())
    return _result(polls, manifest.seq, manifest.kind, manifest.complete_to, counts)


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


def _plan(config: PipelineConfig, previous: Manifest | None, preflight: Preflight) -> list[_Poll]:
    polls = []
    for name, spec in config.tables.items():
        state = previous.tables.get(name) if previous else None
        known = previous.schema.get(name) if previous else None
        found = preflight.tables.get(name)
        columns = check_table(spec, found, known, preflight.hmac_key)
        assert found is not None  # noqa: S101 - check_table raises where it is missing
        polling.check_relations(name, state, found.relations)
        mode = choose_mode(spec, found, preflight.sees_all, config.limits)
        start = state if previous and _same(previous, spec, columns, found) else None
        polls.append(_Poll(spec, found, columns, state, mode, polling.plan(spec, start, found, mode)))
    return polls


def _same(previous: Manifest, spec: TableSpec, columns: tuple[Column, ...], found: SourceTable) -> bool:
    """Whether the rows the last batch left are still told by the same key and columns."""
    name = spec.name
    return (
        name in previous.tables
        and previous.schema[name] == columns
        and previous.keys[name] == spec.key
        and previous.tables[name].shape == shape_of(spec, found)
    )


def _measure(
    polls: list[_Poll],
    snapshot: SourceSnapshot,
    barrier: Barrier,
    preflight: Preflight,
    config: PipelineConfig,
) -> None:
    """Fix each table's read and its next start, then ask the snapshot what the read would return."""
    sound = preflight.sees_all and barrier.blind == 0 and barrier.prepared == 0
    for poll in polls:
        polling.check_horizon(poll.spec.name, poll.state, snapshot.xmin)
        moved = polling.next_watermark(
            poll.spec, poll.state, (barrier.clock, barrier.oldest), sound, config.limits
        )
        poll.reached = Reached(barrier.clock, snapshot.xmin, moved)
        poll.read = polling.with_xid_pass(poll.read, poll.state, barrier.clock, config.limits.xid_every)
        again = polling.following(poll.read, poll.mode, snapshot.xmin, moved)
        poll.measure = snapshot.measure(poll.read, again)


def _kind(polls: list[_Poll], previous: Manifest | None, clock: str, config: PipelineConfig) -> Kind | None:
    """Return the kind of batch to write, None for no batch at all."""
    if previous is None:
        return "bootstrap"
    if any(poll.changed for poll in polls) or set(previous.tables) != set(config.tables):
        return "incremental"
    idle = instant(clock) - instant(previous.clock)
    return "heartbeat" if idle >= config.limits.heartbeat else None


def _ship(
    polls: list[_Poll], snapshot: SourceSnapshot, lake: Lake, seq: int, run: Run
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


def _next_state(poll: _Poll) -> TableState:
    state = polling.advance(poll.read, poll.state, poll.reached, poll.measure)
    shape = shape_of(poll.spec, poll.found)
    return replace(state, mode=poll.mode, relations=poll.found.relations, shape=shape)


def _complete_to(tables: dict[str, TableState]) -> str | None:
    """The least of the tables' instants, None while one of them has none."""
    reached = [state.complete_to for state in tables.values() if state.complete_to]
    return min(reached, key=instant) if len(reached) == len(tables) else None


def _holder(barrier: Barrier) -> dict[str, Any] | None:
    return dict(barrier.holder) if barrier.holder else None


def _result(
    polls: list[_Poll], seq: int, kind: Kind | None, complete_to: str | None, counts: dict[str, Counts]
) -> Extracted:
    unnamed = {poll.spec.name: unnamed_columns(poll.spec, poll.found) for poll in polls}
    return Extracted(
        seq=seq,
        kind=kind,
        complete_to=complete_to,
        modes={poll.spec.name: poll.mode for poll in polls},
        counts=counts or {poll.spec.name: Counts() for poll in polls},
        unnamed={name: columns for name, columns in unnamed.items() if columns},
    )

"""The batch that a poll lands: whether there is one, of which kind, and what its manifest says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlift.core import chunking
from starlift.core.config import PipelineConfig
from starlift.core.manifest import Column, Counts, File, Kind, Manifest, TableState, sha256
from starlift.core.source_check import fingerprint, unnamed_columns
from starlift.core.units import instant
from starlift.ports import Barrier, Preflight
from starlift.stages.polling import NOTHING, TablePoll
from starlift.stages.requests import Requests
from starlift.stages.shapes import Shapes
from starlift.stages.shipping import Batch

Columns = dict[str, tuple[Column, ...]]
KeyNames = dict[str, tuple[str, ...]]
"""Taken columns and key columns by table."""


@dataclass(frozen=True)
class Landing:
    """A poll that is planned. stored, previous: the newest manifest, as bytes and read. tables: those that
    are read. asked: what it answers. went_back: why the source is not where that batch left it. goes_on:
    tables are under way, and nothing else is polled."""

    config: PipelineConfig
    stored: bytes | None
    previous: Manifest | None
    preflight: Preflight
    barrier: Barrier
    shapes: Shapes
    tables: Sequence[TablePoll]
    asked: Requests
    went_back: str | None
    goes_on: bool = False

    @property
    def unnamed(self) -> dict[str, tuple[str, ...]]:
        """Columns of the source that no list of the configuration has, by table."""
        found = {} if self.previous is None or not self.goes_on else dict(self.previous.unnamed)
        for table in self.tables:
            found[table.spec.name] = unnamed_columns(table.spec, table.found)
        return {name: columns for name, columns in found.items() if columns}

    @property
    def partial(self) -> bool:
        """Whether more is to come before the tables are those of one snapshot; known once they are read."""
        return self.goes_on or not all(table.brought.ended for table in self.tables)

    @property
    def closes(self) -> bool:
        """Whether the poll closes what was partial."""
        return chunking.closes(self.previous, self.shapes.taken)

    def decide_chunks(self) -> None:
        """Have the poll made in chunks if it would read too much; known once the tables are measured."""
        rows = {table.spec.name: table.about for table in self.tables}
        # a view has no index to go on by: chunks would make it come no sooner, and again with each poll
        whole = {
            table.spec.name for table in self.tables if "whole" in table.read.passes and table.read.has_xids
        }
        if chunking.by_chunks(rows, whole, self.config.limits.max_rows, closing=self.closes):
            for table in self.tables:
                table.by_chunks = True

    def unanswered(self) -> Landing:
        """Return the same without what is asked of the poll: it waits for a batch that is not partial.

        But a table that is to be read whole is being read so from now on: that is answered, or the poll that
        closes would begin it anew."""
        begun = {table.spec.name for table in self.tables if table.want.whole}
        pending = {
            name: request
            for name, request in self.asked.pending.items()
            if request.kind == "repair" and request.table in begun
        }
        tables = [replace(table, want=NOTHING) for table in self.tables]
        return replace(self, tables=tables, asked=replace(self.asked, pending=pending))

    def kind(self) -> Kind | None:
        """Return the kind of batch to write, None for no batch at all."""
        previous = self.previous
        if previous is None:
            return "bootstrap"
        if self.goes_on or self.closes:
            return "incremental"
        if any(request.kind == "repair" for request in self.asked.pending.values()):
            return "repair"
        others = set(previous.tables) != set(self.config.tables) or previous.held != self._held()
        asked = self.asked.pending or any(table.want.anything for table in self.tables)
        if others or asked or any(table.changed for table in self.tables):
            return "incremental"
        idle = instant(self.barrier.clock) - instant(previous.clock)
        # `starlift status` knows of a column that no list names from the newest manifest
        due = idle >= self.config.limits.heartbeat or previous.unnamed != self.unnamed
        return "heartbeat" if due else None

    def pieces(self, manifest: Manifest, batches: Sequence[Batch]) -> list[Manifest]:
        """Return the manifests of what one snapshot brought in several batches, the given one for the last:
        its seconds are those of all.

        Those before it are partial and leave every table where it was, so that whoever finds them last
        begins again from there."""
        known = dict(self.previous.tables) if self.previous else {}
        brought = {name for batch in batches[:-1] for name, parts in batch.files.items() if parts}
        for table in self.tables:
            name = table.spec.name
            if name in known and "whole" in table.read.passes:
                # it is to be read whole again, though its shape may by then be that of these batches
                known[name] = replace(known[name], W=None, px=None, px_at=None)
            if name in known and name in brought:
                # what was foretold may be so again, and yet not be what these batches have
                known[name] = replace(known[name], overlap={})
        piece = replace(
            manifest,
            tables=known,
            inventory={},
            served=self.asked.answered,
            dropped={},
            partial=True,
        )
        pieces = [
            replace(
                piece,
                kind="incremental" if self.previous or number else "bootstrap",
                seq=manifest.seq + number,
                files=_all(batch.files),
                counts={name: _counted(parts) for name, parts in batch.files.items()},
                passes=dict.fromkeys((name for name, parts in batch.files.items() if parts), "chunk"),
                seconds=batch.seconds,
            )
            for number, batch in enumerate(batches[:-1])
        ]
        others = sum(batch.seconds for batch in batches[:-1])
        manifest = replace(manifest, seconds=round((manifest.seconds or 0) - others, 3))
        kind = "incremental" if pieces and manifest.kind == "bootstrap" else manifest.kind
        return [*pieces, replace(manifest, kind=kind, seq=manifest.seq + len(pieces))]

    def manifest(self, run_id: str, code_version: str, files: Mapping[str, Sequence[File]]) -> Manifest:
        """Return the manifest of the next batch, but for kind, snapshot and inventory.

        files: those written, by table."""
        barrier, states = self.barrier, self._states()
        schema, keys = self._schema(states)
        return Manifest(
            source=self.config.source_name,
            seq=(self.previous.seq if self.previous else 0) + 1,
            kind="incremental",
            run_id=run_id,
            code_version=code_version,
            previous_sha256=sha256(self.stored) if self.stored else None,
            clock=barrier.clock,
            complete_to=_complete_to(states),
            identity=self.preflight.identity,
            snapshot="",
            tables=states,
            schema=schema,
            fingerprints={name: fingerprint(columns) for name, columns in schema.items()},
            keys=keys,
            files=_all(files),
            counts={name: _counted(parts) for name, parts in files.items()},
            passes={table.spec.name: table.passes for table in self.tables},
            watermark_holder=dict(barrier.holder) if barrier.holder else None,
            served=(*self.asked.answered, *self.asked.pending),
            dropped=self._dropped(),
            unnamed=self.unnamed,
            held=self._held(),
            added=self._added(),
            rekeyed=self._rekeyed(),
            partial=self.partial,
        )

    def _states(self) -> dict[str, TableState]:
        """Where the next poll of each table starts; a held table keeps its place, so that it misses nothing,
        unless the source went back from there: then it is read whole one day."""
        states = {table.spec.name: table.next_state() for table in self.tables}
        kept = self.previous.tables if self.previous else {}
        if self.went_back:
            nowhere: dict[str, Any] = {"W": None, "px": None, "px_at": None, "chunk": None}
            kept = {name: replace(state, **nowhere) for name, state in kept.items()}
        # while tables are under way a new one waits
        return {
            name: states[name] if name in states else kept[name]
            for name in self.shapes.schema
            if name in states or name in kept
        }

    def _schema(self, states: Collection[str]) -> tuple[Columns, KeyNames]:
        """Columns and keys by table; while others are under way a table is as the last batch read it."""
        polled = {table.spec.name for table in self.tables}
        schema, keys = dict(self.shapes.schema), dict(self.shapes.keys)
        if self.goes_on and self.previous:
            schema |= {name: self.previous.schema[name] for name in states if name not in polled}
            keys |= {name: self.previous.keys[name] for name in states if name not in polled}
        return {name: schema[name] for name in states}, {name: keys[name] for name in states}

    def _rekeyed(self) -> tuple[str, ...]:
        """Tables whose rows may have other key texts than in the last batch, or than before the chunks."""
        before = self.previous.rekeyed if self.previous and (self.goes_on or self.closes) else ()
        return tuple(name for name in self.shapes.schema if name in (*before, *self.shapes.rekeyed))

    def _added(self) -> dict[str, tuple[str, ...]]:
        """Columns that the last batch had not; of a table under way, that it had not before its chunks."""
        before = self.previous.added if self.previous and self.goes_on else {}
        added = {}
        for table in self.tables:
            name = table.spec.name
            columns = dict.fromkeys((*before.get(name, ()), *self.shapes.taken[name].added))
            if columns:
                added[name] = tuple(columns)
        return added

    def _held(self) -> dict[str, str]:
        return {name: error.message for name, error in self.shapes.held.items()}

    def _dropped(self) -> dict[str, dict[str, str]]:
        dropped: dict[str, dict[str, str]] = {}
        for request in (request for request in self.asked.pending.values() if request.kind == "drop"):
            dropped.setdefault(request.table, {}).update(dict.fromkeys(request.keys, request.reason))
        return dropped


def _all(files: Mapping[str, Sequence[File]]) -> tuple[File, ...]:
    return tuple(file for parts in files.values() for file in parts)


def _counted(files: Sequence[File]) -> Counts:
    rows = sum(file.rows for file in files)
    return Counts(read=rows, shipped=rows, rejected=0)


def _complete_to(tables: Mapping[str, TableState]) -> str | None:
    """The least of the tables' instants, None while one of them has none."""
    reached = [state.complete_to for state in tables.values() if state.complete_to]
    return min(reached, key=instant) if len(reached) == len(tables) else None

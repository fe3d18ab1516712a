"""The batch that a poll lands: whether there is one, of which kind, and what its manifest says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from starlift.core.config import PipelineConfig
from starlift.core.manifest import Counts, File, Kind, Manifest, TableState, sha256
from starlift.core.source_check import fingerprint, unnamed_columns
from starlift.core.units import instant
from starlift.ports import Barrier, Preflight
from starlift.stages.polling import TablePoll
from starlift.stages.requests import Requests
from starlift.stages.shapes import Shapes


@dataclass(frozen=True)
class Landing:
    """A poll that is planned. stored, previous: the newest manifest, as bytes and read. tables: those that
    are read. asked: what it answers. went_back: why the source is not where that batch left it."""

    config: PipelineConfig
    stored: bytes | None
    previous: Manifest | None
    preflight: Preflight
    barrier: Barrier
    shapes: Shapes
    tables: Sequence[TablePoll]
    asked: Requests
    went_back: str | None

    @property
    def unnamed(self) -> dict[str, tuple[str, ...]]:
        """Columns of the source that no list of the configuration has, by table."""
        found = {table.spec.name: unnamed_columns(table.spec, table.found) for table in self.tables}
        return {name: columns for name, columns in found.items() if columns}

    def kind(self) -> Kind | None:
        """Return the kind of batch to write, None for no batch at all."""
        previous = self.previous
        if previous is None:
            return "bootstrap"
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

    def manifest(self, run_id: str, code_version: str, files: Mapping[str, Sequence[File]]) -> Manifest:
        """Return the manifest of the next batch, but for kind, snapshot and inventory.

        files: those written, by table."""
        barrier, shapes, states = self.barrier, self.shapes, self._states()
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
            schema=shapes.schema,
            fingerprints={name: fingerprint(columns) for name, columns in shapes.schema.items()},
            keys=shapes.keys,
            files=tuple(file for parts in files.values() for file in parts),
            counts={name: _counted(parts) for name, parts in files.items()},
            passes={table.spec.name: "+".join(sorted(table.read.passes)) for table in self.tables},
            watermark_holder=dict(barrier.holder) if barrier.holder else None,
            served=(*self.asked.answered, *self.asked.pending),
            dropped=self._dropped(),
            unnamed=self.unnamed,
            held=self._held(),
            added={name: taken.added for name, taken in shapes.taken.items() if taken.added},
            rekeyed=shapes.rekeyed,
        )

    def _states(self) -> dict[str, TableState]:
        """Where the next poll of each table starts; a held table keeps its place, so that it misses nothing,
        unless the source went back from there: then it is read whole one day."""
        states = {table.spec.name: table.next_state() for table in self.tables}
        kept = self.previous.tables if self.previous else {}
        if self.went_back:
            kept = {name: replace(state, W=None, px=None, px_at=None) for name, state in kept.items()}
        return {name: states[name] if name in states else kept[name] for name in self.shapes.schema}

    def _held(self) -> dict[str, str]:
        return {name: error.message for name, error in self.shapes.held.items()}

    def _dropped(self) -> dict[str, dict[str, str]]:
        dropped: dict[str, dict[str, str]] = {}
        for request in (request for request in self.asked.pending.values() if request.kind == "drop"):
            dropped.setdefault(request.table, {}).update(dict.fromkeys(request.keys, request.reason))
        return dropped


def _counted(files: Sequence[File]) -> Counts:
    rows = sum(file.rows for file in files)
    return Counts(read=rows, shipped=rows, rejected=0)


def _complete_to(tables: Mapping[str, TableState]) -> str | None:
    """The least of the tables' instants, None while one of them has none."""
    reached = [state.complete_to for state in tables.values() if state.complete_to]
    return min(reached, key=instant) if len(reached) == len(tables) else None

"""What one poll of one table reads, and where the next one starts. docs/protocol.md has the proof.

Two kinds of pass select rows. *xid*: rows created by a transaction whose xid is the horizon px or later;
exact, whatever stamped the row. *time*: rows whose cursor is W or later, or NULL; sound where the server
stamps the cursor, because W stays behind the oldest transaction that was open before the snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from starlift.core.config import Limits, TableSpec
from starlift.core.manifest import Digest, Mode, TableState
from starlift.core.source_check import SourceTable
from starlift.core.types import plain_type, read_as
from starlift.core.units import instant, instant_text

Pass = Literal["whole", "xid", "time"]

XID_REACH = 2**30
"""Distance in xids up to which two 32-bit xids can be ordered with room to spare."""


@dataclass(frozen=True)
class Read:
    """One table's part of a poll: the rows that any of its passes selects.

    address: schema and relation in the source. hmac: those of the columns that leave it as a keyed hash.
    has_xids: False for a view. whole: every row.
    xid: rows whose creating xid is px or later. time: cursor >= W or NULL.
    new_relations: oids of leaves unknown to the last manifest, read whole beside the passes.
    apart: the key, where no index of the source holds its rows apart. forms: per column the type it is cast
    to before it is printed, where there is one. plain: of those columns whose text needs no escape in JSON,
    the type without modifier. key: the key's columns. after: text of the key behind which the rows lie, None
    for all. keys: key texts of rows that are read beside the passes.
    """

    table: str
    columns: tuple[str, ...]
    passes: frozenset[Pass]
    address: tuple[str, str] = ("public", "")
    hmac: tuple[str, ...] = ()
    has_xids: bool = True
    px: str | None = None
    W: str | None = None
    cursor: str | None = None
    cursor_type: str | None = None
    cursor_zone: str = "UTC"
    new_relations: tuple[int, ...] = ()
    apart: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    plain: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    after: tuple[str, ...] | None = None

    def only(self, kind: Pass) -> Read:
        """Return the part of the read that one of its passes selects."""
        return replace(self, passes=frozenset({kind}), new_relations=(), keys=())

    @property
    def scans(self) -> bool:
        """Whether this read passes over the whole table, index or not."""
        return bool(self.passes & {"whole", "xid"} or self.new_relations)


@dataclass(frozen=True)
class Measure:
    """What a snapshot shows of a table: digests of the read's passes now, digests of what the next xid
    and time pass would read of it, and the row count where the whole table was scanned anyway."""

    now: dict[Pass, Digest]
    following: dict[Pass, Digest]
    count: int | None


def plan(spec: TableSpec, state: TableState | None, found: SourceTable, mode: Mode) -> Read:
    """Return what to read of a table before the clock is known (`with_xid_pass` adds the rest).

    state: where the last batch left it, None where the table is new or its taken columns are others.
    """
    base = Read(
        table=spec.name,
        columns=spec.taken,
        passes=frozenset({"whole"}),
        address=spec.address,
        hmac=spec.hmac,
        has_xids=found.has_xids,
        cursor=spec.cursor,
        cursor_type=found.type_of(spec.cursor),
        cursor_zone=spec.cursor_zone,
        apart=spec.key if found.has_children or not found.has_xids else (),
        forms={column.name: form for column in found.columns if (form := read_as(column.type))},
        plain={
            column.name: kind
            for column in found.columns
            if (kind := plain_type(read_as(column.type) or column.type))
        },
        key=spec.key,
    )
    by_time = mode == "timestamp" and state is not None and state.W is not None
    if state is None or not (by_time or state.px):
        return base
    return replace(
        base,
        passes=frozenset({"time"} if by_time else {"xid"}),
        px=state.px,
        W=state.W,
        new_relations=tuple(oid for oid in found.relations if oid not in state.relations),
    )


def with_xid_pass(read: Read, state: TableState | None, clock: str, every: timedelta) -> Read:
    """Add the xid pass that a table in timestamp mode gets whenever its px is older than `every`."""
    if "time" not in read.passes or state is None or state.px_at is None:
        return read
    if instant(clock) - instant(state.px_at) < every:
        return read
    return replace(read, passes=read.passes | {"xid"})


def gone_relations(state: TableState, relations: tuple[int, ...]) -> bool:
    """Whether a relation that the last manifest knew is gone, and its rows with it."""
    return not set(state.relations) <= set(relations)


def beyond_horizon(states: Mapping[str, TableState], xmin: str) -> tuple[str, ...]:
    """Return the tables of which a poll by xid would not tell what has changed.

    A table whose px' is too far ahead of px to be compared; every table where px' is behind a px, since
    then the server is not the one that was polled, or was restored.
    """
    distances = {name: int(xmin) - int(state.px) for name, state in states.items() if state.px is not None}
    if any(distance < 0 for distance in distances.values()):
        return tuple(states)
    return tuple(name for name, distance in distances.items() if distance >= XID_REACH)


def watermark(previous: str | None, clock: str, oldest: str | None, margin: timedelta) -> str:
    """Return W': the margin before the oldest open transaction or the clock, never before `previous`.

    It is cut to the whole second, so that a cursor of any precision, rounded, stays above it.
    """
    barrier = min(instant(clock), instant(oldest)) if oldest else instant(clock)
    moved = (barrier - margin).replace(microsecond=0)
    return instant_text(max(moved, instant(previous)) if previous else moved)


def following(read: Read, mode: Mode, xmin: str, moved: str | None) -> dict[Pass, Read]:
    """Return, per kind of pass, what the next poll will read again of this snapshot.

    The xid digest is kept with px, which moves only where this read scans the table.
    """
    following: dict[Pass, Read] = {}
    if read.passes & {"whole", "xid"} and read.has_xids:
        following["xid"] = replace(read.only("xid"), px=xmin)
    if mode == "timestamp" and moved is not None:
        following["time"] = replace(read.only("time"), W=moved)
    return following


def unchanged(read: Read, state: TableState | None, measure: Measure) -> bool:
    """Whether a poll shows exactly what the last manifest said it would show if nothing happened."""
    if state is None or "whole" in read.passes or read.new_relations or read.keys:
        return False
    if any(state.overlap.get(kind) != measure.now[kind] for kind in read.passes):
        return False
    return measure.count is None or state.count is None or measure.count == state.count


@dataclass(frozen=True)
class Reached:
    """How far a poll came: clock c, horizon px' and the table's W' (None: no cursor, or never sound)."""

    clock: str
    xmin: str
    W: str | None


def advance(read: Read, state: TableState | None, reached: Reached, measure: Measure) -> TableState:
    """Return where the next poll of the table starts; mode and relations are the caller's to set.

    px moves only where the table was read whole or by xid, W wherever it was read at all.
    """
    old = state or TableState("xid", read.columns, ())
    overlap: dict[str, Digest] = dict(old.overlap)
    overlap.update({str(kind): digest for kind, digest in measure.following.items()})
    if "time" not in measure.following:
        overlap.pop("time", None)
    moved = replace(old, columns=read.columns, W=reached.W, complete_to=reached.W, overlap=overlap)
    if not read.passes & {"whole", "xid"}:
        return moved
    moved = replace(moved, complete_to=reached.clock, count=measure.count)
    return replace(moved, px=reached.xmin, px_at=reached.clock) if read.has_xids else moved


def next_watermark(
    spec: TableSpec, state: TableState | None, barrier: tuple[str, str | None], sound: bool, limits: Limits
) -> str | None:
    """Return W' of a table. barrier: clock and oldest open transaction. sound: nothing was hidden and no
    transaction is prepared; otherwise W stays. None for a table without cursor."""
    previous = state.W if state else None
    if spec.cursor is None or not sound:
        return previous
    clock, oldest = barrier
    return watermark(previous, clock, oldest, limits.margin)

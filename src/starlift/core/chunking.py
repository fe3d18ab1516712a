"""Which reads are made in chunks, how far each has come, and where polling goes on from when all are done.

A poll reads from one snapshot, in as many batches as memory asks for. Where it would read more than
`max_rows`, it is made in chunks, so that it can be ended and gone on with: it ships one batch and leaves
each table that it has not read to its end *under way*; the next batches go on behind the last key, each
with a snapshot of its own, and poll nothing else. When no table is under way the next poll *closes*: it
starts from the W and px of the poll that began, so it sees every change since.

Why that is complete: take a row version that the closing snapshot shows. If its xid is px or later, the
closing poll selects it. If not, it had committed before the snapshot that set px, and nobody ended it before
the closing one; so every snapshot between shows it, under the one key it has, and the chunk that came past
that key shipped it. The same holds for stamps and W. A key that was behind the chunks and is now ahead of
them, or gone, is a later version's doing.

Why it ends: each chunk goes forward, and a table that is read whole need not be read whole again. What was
written meanwhile is read by the closing poll from its one snapshot, however much it is: rows that a long
transaction has the polls read again and again would else never be few enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from starlift.core.config import Limits
from starlift.core.inventory import Wanted
from starlift.core.manifest import Chunk, Manifest, Mode, TableState
from starlift.core.models import Model
from starlift.core.polling import Pass, Read

BASE = 168_000_000
"""Bytes that a run's process has before its first row: Python, Arrow, DuckDB, and the models once tried. By
`bench/memory.py` and `make soak ONLY=large-load`."""

FACTOR = 6
"""Bytes of memory that a byte of lines may need: in transform 2 for numbers, 4 for text, by
`bench/memory.py`, and what the allocator keeps of one batch while the next is made."""

KEY_WEIGHT = 2.0
"""How much more a byte of the key counts: the key is in everything that is made of a row."""

LEAST = 1_000_000
"""Bytes of lines that a batch may have however little memory there is: else nothing would move."""


@dataclass(frozen=True)
class Budget:
    """What a batch may still bring: rows, and bytes of lines, each by its weight."""

    rows: int
    bytes: int

    @property
    def spent(self) -> bool:
        """Whether it may bring no more."""
        return self.rows <= 0 or self.bytes <= 0

    def less(self, rows: int, size: int) -> Budget:
        """Return what is left after some rows of some bytes."""
        return Budget(self.rows - rows, self.bytes - size)


def weight(line: float, key: float) -> float:
    """Return for how many bytes a byte of a table's lines counts. line, key: bytes of a line, of its key."""
    return 1 + KEY_WEIGHT * min(key / max(line, 1), 1)


def budget(limits: Limits) -> Budget:
    """Return what one batch may bring, so that no stage needs more than `memory`."""
    return Budget(limits.max_rows, max((limits.memory - BASE) // FACTOR, LEAST))


@dataclass(frozen=True)
class Brought:
    """What a batch has brought of one table: rows, the key of the last, whether none was left behind it."""

    rows: int = 0
    after: tuple[str, ...] | None = None
    ended: bool = True


def rank(models: Sequence[Model]) -> dict[str, int]:
    """Return by table how soon it is to be read: what models join first, then what dimensions are made of.

    So a row mostly finds those it refers to, and is not made twice.
    """
    joined = {name for model in models for name in model.joins}
    dimensions = {model.driving for model in models if model.kind == "dimension"}
    others = {model.driving for model in models}
    return {**dict.fromkeys(others, 2), **dict.fromkeys(dimensions, 1), **dict.fromkeys(joined, 0)}


def in_order(rows: Mapping[str, int], ranks: Mapping[str, int]) -> list[str]:
    """Return the tables in the order in which they are read: by rank, then the small ones first."""
    return sorted(rows, key=lambda name: (ranks.get(name, 2), rows[name], name))


def by_chunks(rows: Mapping[str, int], whole: Collection[str], most: int, *, closing: bool) -> bool:
    """Whether a poll is to be made in chunks. rows: those it would read, by table. whole: the tables that it
    reads whole. most: rows that a poll may read at once."""
    return sum(rows.values()) > most and (not closing or any(rows[name] for name in whole))


def under_way(states: Mapping[str, TableState], tables: Iterable[str]) -> list[str]:
    """Return those of some tables whose chunks are under way."""
    return [name for name in tables if name in states and states[name].chunk is not None]


def closes(previous: Manifest | None, tables: Iterable[str]) -> bool:
    """Whether the next poll of these tables is the one that closes."""
    return previous is not None and previous.partial and not under_way(previous.tables, tables)


def suspend(
    before: TableState | None, reached: TableState, read: Read, brought: Brought, about: int, *, known: bool
) -> TableState:
    """Return the state of a table that a poll has not read to its end.

    before: where the last batch left it. reached: where the next poll would start had it been read. about:
    rows to be read in all. A partition that is new is read whole, and keys that lie behind may be in it: so
    then everything is read, from the first key. known: batches before may have had rows of the table, some of
    which may be gone.
    """
    old = before or TableState(reached.mode, reached.columns, reached.relations)
    whole = "whole" in read.passes
    chunk = Chunk(
        after=None if read.new_relations else brought.after,
        whole=whole or bool(read.new_relations),
        rows=0 if read.new_relations else brought.rows,
        about=about,
        W=reached.W,
        px=reached.px,
        px_at=reached.px_at,
    )
    return replace(
        reached,
        W=old.W,
        px=old.px,
        px_at=old.px_at,
        complete_to=old.complete_to,
        count=None,
        overlap={},
        chunk=chunk,
        unswept=old.unswept or (chunk.whole and known),
    )


def again(state: TableState) -> TableState:
    """Return the state of a table whose chunks must begin anew: its shape, or what it consists of, changed.

    Where polling goes on from stays, since what happened after the first beginning is after this one too.
    """
    chunk = state.chunk
    assert chunk is not None  # noqa: S101 - only of tables under way
    return replace(state, chunk=replace(chunk, after=None, whole=True, rows=0))


def resume(base: Read, state: TableState) -> Read:
    """Return the next chunk's read of a table under way, from a read of all its rows."""
    chunk = state.chunk
    assert chunk is not None  # noqa: S101 - only of tables under way
    passes: set[Pass] = {"whole"}
    if not chunk.whole:
        passes = {"xid"} if state.mode == "xid" else {"time"}
        # px moves only where the poll that began read by xid too
        passes |= {"xid"} if chunk.px != state.px else set()
    return replace(base, passes=frozenset(passes), px=state.px, W=state.W, after=chunk.after)


def advance(state: TableState, brought: Brought) -> TableState:
    """Return the state of a table after one more chunk; after its last, polling starts where it began."""
    chunk = state.chunk
    assert chunk is not None  # noqa: S101 - only of tables under way
    if brought.ended:
        return replace(state, W=chunk.W, px=chunk.px, px_at=chunk.px_at, chunk=None)
    return replace(
        state, chunk=replace(chunk, after=brought.after or chunk.after, rows=chunk.rows + brought.rows)
    )


def listing(want: Wanted, state: TableState | None, mode: Mode, *, closing: bool) -> Wanted:
    """Return what is asked of a table's keys beside what others ask: what was read in chunks cannot tell
    which keys are gone, and no count of rows tells it where a poll by time does not scan the table.

    closing: the poll closes what was partial.
    """
    if state is not None and state.unswept:
        return replace(want, listed=True)
    return replace(want, summed=True) if closing and mode == "timestamp" else want


def left(states: Mapping[str, TableState]) -> int:
    """Return about how many rows the tables under way still have to bring."""
    chunks = [state.chunk for state in states.values() if state.chunk]
    return sum(max(chunk.about - chunk.rows, 0) for chunk in chunks)

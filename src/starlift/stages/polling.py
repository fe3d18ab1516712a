"""The plan of a poll: which rows of each table an extract reads, and where the next one starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlift.core import chunking, polling
from starlift.core.chunking import Brought
from starlift.core.config import Limits, TableSpec
from starlift.core.drift import Known, Taken, known
from starlift.core.identity import bucket
from starlift.core.inventory import Wanted
from starlift.core.manifest import Chunk, Column, Manifest, Mode, TableState
from starlift.core.polling import Measure, Reached, Read
from starlift.core.source_check import SourceTable, choose_mode, shape_of
from starlift.ports import Barrier, Preflight, SourceSnapshot

NOTHING = Wanted()
NONE = Brought()


@dataclass
class TablePoll:
    """One table on its way through a poll.

    state: where the last batch left it, None where that counts no more. want: what is asked of it beside
    what has changed. going_on: the table is under way, and this is its next chunk. by_chunks: the poll is
    made in chunks, and this is one. brought: what was shipped of the table; split: in several batches. known:
    batches before may have had rows of it."""

    spec: TableSpec
    found: SourceTable
    columns: tuple[Column, ...]
    state: TableState | None
    mode: Mode
    read: Read
    want: Wanted = NOTHING
    reached: Reached = field(default_factory=lambda: Reached("", "", None))
    measure: Measure = field(default_factory=lambda: Measure({}, {}, None))
    going_on: bool = False
    by_chunks: bool = False
    brought: Brought = NONE
    split: bool = False
    known: bool = False

    @property
    def changed(self) -> bool:
        """Whether the poll shows anything else than the last manifest foretold."""
        return self.going_on or not polling.unchanged(self.read, self.state, self.measure)

    @property
    def rows(self) -> int:
        """The rows of the table, about, as far as they were counted; else 0."""
        chunk = self.chunk
        return (chunk.about if chunk.whole else 0) if chunk else self.measure.count or 0

    @property
    def about(self) -> int:
        """How many rows the poll, or all chunks together, are to bring; exact but for chunks."""
        if self.chunk:
            return self.chunk.about
        if not self.changed:
            return 0
        if "whole" in self.read.passes or self.read.new_relations:
            return self.measure.count or 0
        # each of them may be selected by both passes
        return sum(count for count, _ in self.measure.now.values()) + len(self.read.keys)

    @property
    def before(self) -> int:
        """How many rows earlier chunks have brought."""
        return self.chunk.rows if self.chunk else 0

    @property
    def left(self) -> int:
        """How many rows are still to be brought, about."""
        return max(self.about - self.before, 0)

    @property
    def chunk(self) -> Chunk | None:
        """How far the table has come, where this is its next chunk."""
        return self.state.chunk if self.going_on and self.state else None

    @property
    def complete(self) -> bool:
        """Whether the batch has all that the poll selects of the table, as of one snapshot."""
        return self.brought.ended and not (self.going_on or self.split)

    @property
    def passes(self) -> str:
        """What the manifest says of how the table was read: of what came in several batches of one snapshot,
        the last has it, for with that one the ledger has to have as many rows as were counted."""
        return "+".join(sorted(self.read.passes)) if self.brought.ended and not self.going_on else "chunk"

    def list_keys(self) -> None:
        """Have the last batch of several list the keys where the table was read whole, since none has every
        row, or where rows are asked for by key: a batch before it may have them, and they are not gone."""
        if self.split and self.known and "whole" in self.read.passes:
            self.want = replace(self.want, listed=True)
        elif self.split and self.want.keys:
            own = {bucket(key) for key in self.want.keys}
            self.want = replace(self.want, buckets=self.want.buckets | own)

    def restart(self) -> None:
        """Read the table whole, as if no batch before had."""
        self.state, self.going_on, self.by_chunks = None, False, False
        self.read = polling.plan(self.spec, None, self.found, self.mode)

    def next_state(self) -> TableState:
        """Return where the next poll of the table starts."""
        if self.going_on and self.state:
            return chunking.advance(self.state, self.brought)
        state = self.as_found(polling.advance(self.read, self.state, self.reached, self.measure))
        if self.brought.ended:
            # while chunks are to come nothing is listed
            return replace(state, unswept=state.unswept and self.by_chunks)
        return chunking.suspend(self.state, state, self.read, self.brought, self.about, known=self.known)

    def as_found(self, state: TableState) -> TableState:
        """Return a state with what the catalogue shows of the table now."""
        return replace(
            state,
            mode=self.mode,
            columns=self.spec.taken,
            relations=self.found.relations,
            shape=shape_of(self.spec, self.found),
            cursor=self.spec.cursor,
        )


def plan(
    tables: Mapping[str, Taken],
    previous: Manifest | None,
    preflight: Preflight,
    limits: Limits,
    wants: Mapping[str, Wanted],
) -> list[TablePoll]:
    """Return what to read of each table, before clock and horizon are known (`measure` fixes the rest).

    While tables are under way their next chunks are all that is read.
    previous: the last batch, None where the source is not where it left it. wants: what is asked by table.
    Raises what `choose_mode` raises of a table that cannot be read as it is declared.
    """
    polls = []
    under_way = chunking.under_way(previous.tables, tables) if previous else []
    closing = chunking.closes(previous, tables)
    for name in under_way or tables:
        taken = tables[name]
        spec, found, before = taken.spec, preflight.tables[name], known(previous, name)
        state = before.state if before else None
        want = _with_vanished(wants.get(name, NOTHING), state, found)
        mode = choose_mode(spec, found, preflight.sees_all, limits)
        want = chunking.listing(want, state, mode, closing=closing)
        same = before is not None and _same(before, taken, found)
        start = state if same and not want.whole and not under_way else None
        read = polling.plan(spec, start, found, mode)
        if "whole" not in read.passes:
            read = replace(read, keys=want.keys)
        poll = TablePoll(spec, found, taken.columns, state, mode, read, want)
        polls.append(_go_on(poll, same=same) if under_way else poll)
    return polls


def _go_on(poll: TablePoll, *, same: bool) -> TablePoll:
    """Return the next chunk of a table under way: the first anew where its shape, or what it consists of,
    is no longer the same, since rows may then lie behind that were not there when the chunks came past; or
    where it is read by a cursor that is not declared any more."""
    assert poll.state is not None  # noqa: S101 - only of tables under way
    state = poll.state
    other_cursor = state.mode == "timestamp" and state.cursor != poll.spec.cursor
    if not same or other_cursor or state.relations != poll.found.relations:
        state = poll.as_found(chunking.again(state))
    read = chunking.resume(poll.read, state)
    return replace(poll, state=state, read=read, mode=state.mode, want=NOTHING, going_on=True, by_chunks=True)


def _with_vanished(want: Wanted, state: TableState | None, found: SourceTable) -> Wanted:
    """The rows of a relation that is gone (a partition detached, a table swapped by a rename) are gone as
    well. Where nothing is left of the relations known, the table is another one."""
    if state is None or not polling.gone_relations(state, found.relations):
        return want
    if set(state.relations) & set(found.relations):
        return replace(want, listed=True)
    return replace(want, whole=True)


def _same(before: Known, taken: Taken, found: SourceTable) -> bool:
    """Whether the rows the last batch left are still told by the same key and columns."""
    return (
        before.columns == taken.columns
        and before.key == taken.spec.key
        and before.state.shape == shape_of(taken.spec, found)
    )


def measure(
    polls: Sequence[TablePoll],
    snapshot: SourceSnapshot,
    barrier: Barrier,
    preflight: Preflight,
    limits: Limits,
) -> None:
    """Fix each table's read and its next start, then ask the snapshot what the read would return.

    A table whose px the snapshot has nothing to say about is read whole.
    """
    sound = preflight.sees_all and barrier.blind == 0 and barrier.prepared == 0
    states = {poll.spec.name: poll.state for poll in polls if poll.state}
    # of a table under way polling will go on from where its chunks began
    starts = {name: replace(state, px=state.chunk.px) for name, state in states.items() if state.chunk}
    lost = {*polling.beyond_horizon(states, snapshot.xmin), *polling.beyond_horizon(starts, snapshot.xmin)}
    for poll in polls:
        if poll.spec.name in lost:
            poll.restart()
        if poll.going_on:
            continue
        moved = polling.next_watermark(poll.spec, poll.state, (barrier.clock, barrier.oldest), sound, limits)
        poll.reached = Reached(barrier.clock, snapshot.xmin, moved)
        poll.read = polling.with_xid_pass(poll.read, poll.state, barrier.clock, limits.xid_every)
        again = polling.following(poll.read, poll.mode, snapshot.xmin, moved)
        poll.measure = snapshot.measure(poll.read, again, poll.state.overlap if poll.state else None)

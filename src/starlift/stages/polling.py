"""The plan of a poll: which rows of each table an extract reads, and where the next one starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlift.core import polling
from starlift.core.config import Limits, TableSpec
from starlift.core.drift import Known, Taken, known
from starlift.core.inventory import Wanted
from starlift.core.manifest import Column, Manifest, Mode, TableState
from starlift.core.polling import Measure, Reached, Read
from starlift.core.source_check import SourceTable, choose_mode, shape_of
from starlift.ports import Barrier, Preflight, SourceSnapshot

NOTHING = Wanted()


@dataclass
class TablePoll:
    """One table on its way through a poll.

    state: where the last batch left it, None where that counts no more. want: what is asked of it beside
    what has changed."""

    spec: TableSpec
    found: SourceTable
    columns: tuple[Column, ...]
    state: TableState | None
    mode: Mode
    read: Read
    want: Wanted = NOTHING
    reached: Reached = field(default_factory=lambda: Reached("", "", None))
    measure: Measure = field(default_factory=lambda: Measure({}, {}, None))

    @property
    def changed(self) -> bool:
        """Whether the poll shows anything else than the last manifest foretold."""
        return not polling.unchanged(self.read, self.state, self.measure)

    def restart(self) -> None:
        """Read the table whole, as if no batch before had."""
        self.state = None
        self.read = polling.plan(self.spec, None, self.found, self.mode)

    def next_state(self) -> TableState:
        """Return where the next poll of the table starts."""
        state = polling.advance(self.read, self.state, self.reached, self.measure)
        shape = shape_of(self.spec, self.found)
        return replace(
            state, mode=self.mode, relations=self.found.relations, shape=shape, cursor=self.spec.cursor
        )


def plan(
    tables: Mapping[str, Taken],
    previous: Manifest | None,
    preflight: Preflight,
    limits: Limits,
    wants: Mapping[str, Wanted],
) -> list[TablePoll]:
    """Return what to read of each table, before clock and horizon are known (`measure` fixes the rest).

    previous: the last batch, None where the source is not where it left it. wants: what is asked by table.
    Raises what `choose_mode` raises of a table that cannot be read as it is declared.
    """
    polls = []
    for name, taken in tables.items():
        spec, found, before = taken.spec, preflight.tables[name], known(previous, name)
        state = before.state if before else None
        want = _with_vanished(wants.get(name, NOTHING), state, found)
        mode = choose_mode(spec, found, preflight.sees_all, limits)
        start = state if before and not want.whole and _same(before, taken, found) else None
        read = polling.plan(spec, start, found, mode)
        if "whole" not in read.passes:
            read = replace(read, keys=want.keys)
        polls.append(TablePoll(spec, found, taken.columns, state, mode, read, want))
    return polls


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
    lost = polling.beyond_horizon(states, snapshot.xmin)
    for poll in polls:
        if poll.spec.name in lost:
            poll.restart()
        moved = polling.next_watermark(poll.spec, poll.state, (barrier.clock, barrier.oldest), sound, limits)
        poll.reached = Reached(barrier.clock, snapshot.xmin, moved)
        poll.read = polling.with_xid_pass(poll.read, poll.state, barrier.clock, limits.xid_every)
        again = polling.following(poll.read, poll.mode, snapshot.xmin, moved)
        poll.measure = snapshot.measure(poll.read, again)

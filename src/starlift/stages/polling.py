"""The plan of a poll: which rows of each table an extract reads, and where the next one starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlift.core import polling
from starlift.core.config import Limits, TableSpec
from starlift.core.drift import Known, Taken, known
from starlift.core.manifest import Column, Manifest, Mode, TableState
from starlift.core.polling import Measure, Reached, Read
from starlift.core.source_check import SourceTable, choose_mode, shape_of
from starlift.ports import Barrier, Preflight, SourceSnapshot


@dataclass
class TablePoll:
    """One table on its way through a poll. state: where the last batch left it."""

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
        """Whether the poll shows anything else than the last manifest foretold."""
        return not polling.unchanged(self.read, self.state, self.measure)

    def next_state(self) -> TableState:
        """Return where the next poll of the table starts."""
        state = polling.advance(self.read, self.state, self.reached, self.measure)
        shape = shape_of(self.spec, self.found)
        return replace(
            state, mode=self.mode, relations=self.found.relations, shape=shape, cursor=self.spec.cursor
        )


def plan(
    tables: Mapping[str, Taken], previous: Manifest | None, preflight: Preflight, limits: Limits
) -> list[TablePoll]:
    """Return what to read of each table, before clock and horizon are known (`measure` fixes the rest).

    Raises what `choose_mode` raises of a table that cannot be read as it is declared.
    """
    polls = []
    for name, taken in tables.items():
        spec, found, before = taken.spec, preflight.tables[name], known(previous, name)
        state = before.state if before else None
        polling.check_relations(name, state, found.relations)
        mode = choose_mode(spec, found, preflight.sees_all, limits)
        start = state if before and _same(before, taken, found) else None
        polls.append(
            TablePoll(spec, found, taken.columns, state, mode, polling.plan(spec, start, found, mode))
        )
    return polls


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
    """Fix each table's read and its next start, then ask the snapshot what the read would return."""
    sound = preflight.sees_all and barrier.blind == 0 and barrier.prepared == 0
    for poll in polls:
        polling.check_horizon(poll.spec.name, poll.state, snapshot.xmin)
        moved = polling.next_watermark(poll.spec, poll.state, (barrier.clock, barrier.oldest), sound, limits)
        poll.reached = Reached(barrier.clock, snapshot.xmin, moved)
        poll.read = polling.with_xid_pass(poll.read, poll.state, barrier.clock, limits.xid_every)
        again = polling.following(poll.read, poll.mode, snapshot.xmin, moved)
        poll.measure = snapshot.measure(poll.read, again)

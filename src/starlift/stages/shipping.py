"""Ships the rows of a poll to the lake, as far as one batch may bring them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from starlift.core import chunking, paths
from starlift.core.chunking import Brought, Budget
from starlift.core.manifest import File
from starlift.ports import Bound, Lake, SourceSnapshot
from starlift.stages.parts import PartWriter
from starlift.stages.polling import TablePoll

if TYPE_CHECKING:
    from starlift.stages.extract import Run

_MORE = 1.1
"""Lines asked for, as a multiple of those that are expected to fit: too few cost another query, too many are
made by the source and thrown away."""


@dataclass(frozen=True)
class Batch:
    """What was written of one batch: its files by table, and the seconds that took."""

    files: dict[str, tuple[File, ...]]
    seconds: float


def ship(
    polls: Sequence[TablePoll], snapshot: SourceSnapshot, lake: Lake, seq: int, run: Run, budget: Budget
) -> list[Batch]:
    """Write the rows that the polls select to the lake and set what each has brought. Return the batches in
    which they are, numbered from `seq`: as many as it takes to bring everything, or one chunk.

    Tables come in turn, as far as a batch's budget goes; of one that has no index to go on by, a view, all
    rows come at once.
    """
    shipment = _Shipment(snapshot, run, lake, sum(poll.left for poll in polls))
    for poll in polls:
        poll.brought = Brought(0, poll.read.after, ended=not poll.about)
    by_chunks = any(poll.by_chunks for poll in polls)
    if by_chunks:
        run.watch.begin()
    batches = [shipment.batch(polls, seq, budget)]
    while not by_chunks and not all(poll.brought.ended for poll in polls):
        for poll in polls:
            poll.split = poll.split or bool(batches[-1].files[poll.spec.name])
        batches.append(shipment.batch(polls, seq + len(batches), budget))
    return batches


@dataclass
class _Shipment:
    """What the tables of one batch share. left: rows still to come, of later batches too."""

    snapshot: SourceSnapshot
    run: Run
    lake: Lake
    left: int

    def batch(self, polls: Sequence[TablePoll], seq: int, budget: Budget) -> Batch:
        """Write one batch: of each table the rows behind those it has brought, while the budget lasts."""
        began, by_name = time.monotonic(), {poll.spec.name: poll for poll in polls}
        files: dict[str, tuple[File, ...]] = dict.fromkeys(by_name, ())
        for name in chunking.in_order({name: poll.about for name, poll in by_name.items()}, self.run.ranks):
            if by_name[name].brought.ended or budget.spent:
                continue
            writer = PartWriter(self.lake, name, seq, self.run.run_id, paths.data)
            self.bring(by_name[name], writer, budget)
            files[name] = writer.close()
            budget = budget.less(writer.rows, int(writer.size * self._weight(by_name[name])))
        return Batch(files, round(time.monotonic() - began, 3))

    def bring(self, poll: TablePoll, writer: PartWriter, budget: Budget) -> None:
        """Write the next rows of one table, as far as the budget goes."""
        first = poll.brought

        def sink(lines: bytes) -> None:
            before = writer.rows
            writer.write(lines)
            self.left = max(self.left - (writer.rows - before), 0)
            done = poll.before + first.rows + writer.rows
            self.run.watch("extract", poll.spec.name, done, self.left)

        if not poll.read.has_xids:
            self.snapshot.copy(poll.read, sink)
            poll.brought = Brought(writer.rows)
            return
        after, ended = first.after, False
        while not (ended or budget.spent):
            bound, rows, size = self._bound(poll, budget), writer.rows, writer.size
            self.snapshot.copy(replace(poll.read, after=after), sink, bound)
            rows, size = writer.rows - rows, writer.size - size
            if rows:
                after = _key(writer.last, poll.spec.key)
                self.run.widths[poll.spec.name] = size / rows
                found = chunking.weight(size / rows, sum(len(part.encode()) for part in after))
                self.run.weights[poll.spec.name] = max(self.run.weights.get(poll.spec.name, 1), found)
            ended = size < bound.bytes and (bound.rows is None or rows < bound.rows)
            budget = budget.less(rows, int(size * self._weight(poll)))
        poll.brought = Brought(first.rows + writer.rows, after, ended)

    def _bound(self, poll: TablePoll, budget: Budget) -> Bound:
        """With a number of rows the source finds them by the index; where all will come, it need not."""
        width = self.run.widths.get(poll.spec.name) or _guess(poll)
        size = int(budget.bytes / self._weight(poll)) + 1
        rows = min(int(size / width * _MORE) + 1, budget.rows)
        all_come = not poll.going_on and poll.about - poll.brought.rows <= rows
        return Bound(None if all_come else rows, size)

    def _weight(self, poll: TablePoll) -> float:
        """Of a table of which nobody has seen a line, it may be all key."""
        return self.run.weights.get(poll.spec.name) or chunking.weight(1, 1)


def _guess(poll: TablePoll) -> float:
    """Return how long a line may be, from the size of the table and the names of its columns."""
    names = sum(len(name.encode()) + 6 for name in poll.read.columns)
    return names + poll.found.bytes / max(poll.rows, 1)


def _key(line: bytes, key: Sequence[str]) -> tuple[str, ...]:
    row = json.loads(line)
    return tuple(row[name] for name in key)

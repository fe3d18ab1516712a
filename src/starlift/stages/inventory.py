"""Takes inventories: of the keys that the tables of a poll have in its snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from starlift.core.inventory import outline
from starlift.core.manifest import Inventory
from starlift.ports import Lake, SourceSnapshot
from starlift.stages.parts import write_keys
from starlift.stages.polling import TablePoll

if TYPE_CHECKING:
    from starlift.stages.extract import Run


def take(
    polls: Sequence[TablePoll], snapshot: SourceSnapshot, lake: Lake, seq: int, run: Run, small: int
) -> dict[str, Inventory]:
    """Return what the batch can tell of each table's keys, none for a table that nobody asked about.

    A table that is read whole is its own inventory. small: rows up to which every key is listed where bucket
    sums were asked for. Lists are written to the lake.
    """
    found = {}
    for poll in polls:
        if "whole" in poll.read.passes and poll.complete:
            found[poll.spec.name] = Inventory("whole", asked=poll.want.keys)
        elif poll.want.anything:
            found[poll.spec.name] = _take(poll, snapshot, lake, seq, run, small)
    return found


def _take(poll: TablePoll, snapshot: SourceSnapshot, lake: Lake, seq: int, run: Run, small: int) -> Inventory:
    wants_sums = poll.want.summed and not poll.want.listed
    inventory = outline(poll.want, snapshot.sums(poll.read) if wants_sums else (), small)
    if inventory.scope not in ("all", "buckets"):
        return inventory
    buckets = inventory.buckets if inventory.scope == "buckets" else None
    return replace(inventory, files=write_keys(lake, poll.read, buckets, snapshot, seq, run.run_id))

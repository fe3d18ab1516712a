"""A checkpoint: a batch that has every row of every table, so that the log may begin with it.

It is a poll like any other, but that all tables are read whole, from one snapshot and into one batch. What
cannot be one is refused here, before anything is committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from starlift.core.chunking import Budget
from starlift.core.inventory import Wanted
from starlift.core.manifest import Manifest
from starlift.errors import ConfigurationError, DriftError, HeldError
from starlift.ports import Lake, SourceSnapshot
from starlift.stages.polling import TablePoll
from starlift.stages.shapes import Shapes
from starlift.stages.shipping import Batch, ship

if TYPE_CHECKING:
    from starlift.stages.extract import Run

CHECKPOINT = "starlift checkpoint"


def of_everything(
    wants: Mapping[str, Wanted], lake: Lake, previous: Manifest | None, shapes: Shapes
) -> dict[str, Wanted]:
    """Return what a poll is to find out, so that it reads every table whole. previous: the newest batch.

    Raises ConfigurationError where there is none, DriftError, by name, where a table is held, HeldError where
    rows of a read in chunks are still to come."""
    if previous is None:
        raise ConfigurationError(
            f"there is no batch in the lake {lake.root}: the first one is what a checkpoint is",
            "starlift run",
        )
    if previous.partial:
        raise HeldError(
            "a read in chunks is under way: until its last one no batch has every table",
            f"finish it: starlift run; then: {CHECKPOINT}",
        )
    for name, error in shapes.held.items():
        raise DriftError(
            f"table {name} is held, and a checkpoint has to have every table: {error.message}", error.hint
        )
    return {name: replace(want, whole=True) for name, want in wants.items()}


def ship_at_once(
    polls: Sequence[TablePoll], snapshot: SourceSnapshot, lake: Lake, seq: int, run: Run, budget: Budget
) -> list[Batch]:
    """Write the rows of all tables to the lake, as `ship` does, and return the one batch in which they are.

    Raises ConfigurationError where one batch cannot have them; what was written is named by no manifest."""
    rows = {poll.spec.name: poll.about for poll in polls}
    if sum(rows.values()) > budget.rows:
        largest = max(rows, key=lambda name: rows[name])
        raise ConfigurationError(
            f"all tables together have {sum(rows.values()):,} rows, {largest} alone {rows[largest]:,}: more "
            f"than the {budget.rows:,} of max_rows, and a checkpoint is one batch",
            f"raise max_rows, and memory with it, under [limits] in sql/pipeline.toml, then: {CHECKPOINT}",
        )
    batches = ship(polls, snapshot, lake, seq, run, budget)
    if len(batches) > 1:
        raise ConfigurationError(
            f"the rows of all tables come to {len(batches)} batches of {budget.bytes:,} bytes, which is what "
            "memory allows, and a checkpoint is one batch",
            f"raise memory under [limits] in sql/pipeline.toml, then: {CHECKPOINT}",
        )
    return batches

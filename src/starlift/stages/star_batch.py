"""Makes one processed batch: types the rows, keeps the snapshots, runs the models, writes the files.

It is a function of the ingestion manifest, the processed manifest before and the models: no clock, no
run id. So a second run of the same batch writes the same bytes under the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core import paths
from starlift.core.emission import Scope, scopes, snapshot_tables
from starlift.core.manifest import Counts, File, Inventory, Manifest, Processed, Snapshot
from starlift.core.models import Model
from starlift.core.typing import text_rows
from starlift.ports import Engine, Lake
from starlift.stages.emission import Emission, emit
from starlift.stages.filling import rows_without
from starlift.stages.key_lists import prune
from starlift.stages.parquet_files import write_lines, write_parquet
from starlift.stages.snapshots import as_taken, load_snapshot, makes_rows, merge
from starlift.stages.source_rows import HASH, KEY, SourceRows, read_rows

STAGE = "transform"
"""The stage that quarantine entries of this module name."""

UNKNOWN = Inventory("none")
"""What a batch without an inventory of a table can tell of its keys."""


@dataclass(frozen=True)
class Parts:
    """What a batch became: the parts of its processed manifest that are made from its rows.

    rejected: per source table the rows put into quarantine, and those taken up, with those that were made
    again because a joined row changed."""

    star: tuple[File, ...]
    ledger: tuple[File, ...]
    quarantine: tuple[File, ...]
    filled: tuple[File, ...]
    snapshots: dict[str, Snapshot]
    counts: dict[str, Counts]
    quarantined: int
    rejected: dict[str, tuple[int, int]]


@dataclass
class _Batch:
    ingestion: Lake
    processed: Lake
    manifest: Manifest
    snapshots: dict[str, Snapshot]
    rows: dict[str, SourceRows] = field(default_factory=dict)
    current: dict[str, pa.Table] = field(default_factory=dict)

    def read(self, table: str) -> None:
        """Take in the rows that the batch brings of a table, none where it names no file of it."""
        self.rows[table] = read_rows(self.ingestion, self.manifest, table)

    def snapshot(self, table: str) -> pa.Table:
        """The table's current rows, this batch's among them once they are merged."""
        if table not in self.current:
            before = self.snapshots.get(table)
            self.current[table] = load_snapshot(self.processed, table, before, self.manifest)
        return self.current[table]

    def taken(self, table: str) -> pa.Table:
        """The same with the columns that the batch has of the table."""
        return as_taken(self.snapshot(table), table, self.manifest)


def make_batch(
    lakes: tuple[Lake, Lake],
    manifest: Manifest,
    previous: Processed | None,
    models: Sequence[Model],
    engine: Engine,
) -> Parts:
    """Write the files of one batch. lakes: ingestion and processed.

    Nothing is committed: the files count from when a manifest names them. Raises HeldError for a damaged
    file, ConfigurationError for a model that breaks the law.
    """
    batch = _Batch(*lakes, manifest, dict(previous.snapshots) if previous else {})
    kept = snapshot_tables(models)
    named = {file.table for file in manifest.files}
    for table in sorted(named | (kept & manifest.inventory.keys())):
        batch.read(table)
    changed = {table for table in sorted(kept & batch.rows.keys()) if _merge(batch, table)}
    arrived = [table for table, rows in batch.rows.items() if rows.typed.num_rows]
    plan = scopes(models, arrived, changed)
    for table in plan.keys() - batch.rows.keys():
        batch.read(table)
    emissions = {table: _emit(batch, table, scope, models, engine) for table, scope in plan.items()}
    # a batch with which the log may begin needs no snapshot of an earlier one
    return _write(batch, emissions, changed | batch.snapshots.keys() if manifest.is_start else changed)


def _merge(batch: _Batch, table: str) -> bool:
    """Bring a snapshot up to the batch: first away with what is gone, so that no model sees it again."""
    before, rows = batch.snapshot(table), batch.rows[table]
    inventory = batch.manifest.inventory.get(table, UNKNOWN)
    left = prune(before, inventory, batch.ingestion, rows.identities[KEY].combine_chunks())
    after = merge(left, rows, batch.manifest, whole=inventory.scope == "whole")
    batch.current[table] = after
    return not after.equals(before)


@dataclass(frozen=True)
class _Made:
    """One driving table's emission and the rows it was made of. before: by fact, see `rows_without`."""

    driving: pa.Table
    emission: Emission
    before: dict[str, pa.Table]


def _emit(batch: _Batch, table: str, scope: Scope, models: Sequence[Model], engine: Engine) -> _Made:
    driving = makes_rows(batch.taken(table)) if scope == "all" else batch.rows[table].typed
    driven = [model for model in sorted(models, key=lambda model: model.name) if model.driving == table]
    joined = {name: batch.taken(name) for model in driven for name in model.joins}
    key, added = batch.manifest.keys[table], batch.manifest.added
    emission = emit(engine, driven, driving, key, joined)
    before = rows_without(engine, driven, emission, {**joined, table: driving}, key, added) if added else {}
    return _Made(driving, emission, before)


def _write(batch: _Batch, made: Mapping[str, _Made], kept: set[str]) -> Parts:
    lake, seq = batch.processed, batch.manifest.seq
    star: list[File] = []
    ledger: list[File] = []
    quarantine: list[File] = []
    filled: list[File] = []
    counts: dict[str, Counts] = {}
    rejected: dict[str, tuple[int, int]] = {}
    for table in sorted(kept):
        files = write_parquet(lake, paths.snapshot, table, seq, batch.snapshot(table))
        batch.snapshots[table] = Snapshot(seq, files)
    for table in sorted(batch.rows):
        outcome = _outcome(batch, table, made.get(table))
        for name, rows in sorted(outcome.star.items()):
            star += write_parquet(lake, paths.star, name, seq, rows)
        ledger += write_parquet(lake, paths.ledger, table, seq, outcome.ledger)
        quarantine += write_lines(lake, paths.quarantine, table, seq, outcome.quarantine)
        counts[table] = outcome.counts
        rejected[table] = outcome.rejected, outcome.ledger.num_rows
    for name, rows in sorted(item for each in made.values() for item in each.before.items()):
        filled += write_parquet(lake, paths.filled, name, seq, rows)
    quarantined = sum(file.rows for file in quarantine)
    return Parts(
        star=tuple(star),
        ledger=tuple(ledger),
        quarantine=tuple(quarantine),
        filled=tuple(filled),
        snapshots=batch.snapshots,
        counts=counts,
        quarantined=quarantined,
        rejected=rejected,
    )


@dataclass(frozen=True)
class _Outcome:
    """What became of one source table's rows."""

    star: dict[str, pa.Table]
    ledger: pa.Table
    quarantine: Iterator[dict[str, Any]]
    counts: Counts
    rejected: int


def _outcome(batch: _Batch, table: str, made: _Made | None) -> _Outcome:
    rows = batch.rows[table]
    driving = made.driving if made else rows.typed
    emission = made.emission if made else Emission({}, {})
    reasons = {**rows.reasons, **emission.rejected}
    brought = rows.identities
    again = (
        driving.slice(0, 0)
        if driving is rows.typed
        else driving.filter(pc.invert(pc.is_in(driving[KEY], brought[KEY].combine_chunks())))
    )
    refused = pa.array(list(reasons), pa.string())
    rejected = pc.sum(pc.is_in(brought[KEY], refused)).as_py() or 0
    columns = batch.manifest.schema[table]
    unmodelled = driving.filter(pc.is_in(driving[KEY], refused))
    unmodelled_texts = text_rows(unmodelled, columns).append_column(KEY, unmodelled[KEY])
    whole = pa.concat_tables([rows.refused.drop_columns([HASH]), unmodelled_texts])
    return _Outcome(
        star=emission.star,
        ledger=_ledger(pa.concat_tables([brought, again.select([KEY, HASH])]), refused),
        quarantine=_entries(table, batch.manifest.seq, whole.sort_by(KEY), reasons),
        counts=Counts(brought.num_rows, brought.num_rows - rejected, rejected),
        rejected=whole.num_rows,
    )


def _ledger(identities: pa.Table, refused: Any) -> pa.Table:
    entries = identities.sort_by(KEY)
    state = pc.if_else(pc.is_in(entries[KEY], refused), "quarantined", "live")
    return pa.table({"key": entries[KEY], "source_hash": entries[HASH], "state": state})


def _entries(table: str, seq: int, rows: pa.Table, reasons: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Quarantine entries: each the whole row, as the source printed it, with stage and reason.

    Rows become Python's objects, ten times as large, a few at a time."""
    for part in rows.to_batches(max_chunksize=1000):
        for row in part.to_pylist():
            key = row.pop(KEY)
            yield {
                "table": table,
                "key": key,
                "seq": seq,
                "stage": STAGE,
                "reason": reasons[key],
                "row": row,
            }

"""Makes one processed batch: types the rows, keeps the snapshots, runs the models, writes the files.

It is a function of the ingestion manifest, the processed manifest before and the models: no clock, no
run id. So a second run of the same batch writes the same bytes under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core import paths
from starlift.core.emission import Scope, scopes, snapshot_tables
from starlift.core.manifest import Counts, File, Manifest, Processed, Snapshot
from starlift.core.models import Model
from starlift.core.typing import text_rows
from starlift.ports import Engine, Lake
from starlift.stages.emission import Emission, emit
from starlift.stages.parquet_files import write_lines, write_parquet
from starlift.stages.snapshots import load_snapshot, makes_rows, merge
from starlift.stages.source_rows import HASH, KEY, SourceRows, read_rows

STAGE = "transform"
"""The stage that quarantine entries of this module name."""


@dataclass(frozen=True)
class Parts:
    """What a batch became: the parts of its processed manifest that are made from its rows."""

    star: tuple[File, ...]
    ledger: tuple[File, ...]
    quarantine: tuple[File, ...]
    snapshots: dict[str, Snapshot]
    counts: dict[str, Counts]
    quarantined: int


@dataclass
class _Batch:
    ingestion: Lake
    processed: Lake
    manifest: Manifest
    snapshots: dict[str, Snapshot]
    rows: dict[str, SourceRows] = field(default_factory=dict)
    current: dict[str, pa.Table] = field(default_factory=dict)

    def snapshot(self, table: str) -> pa.Table:
        """The table's current rows, this batch's among them once they are merged."""
        if table not in self.current:
            before = self.snapshots.get(table)
            self.current[table] = load_snapshot(self.processed, table, before, self.manifest)
        return self.current[table]


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
    whole = {table for table, passes in manifest.passes.items() if "whole" in passes.split("+")}
    named = {file.table for file in manifest.files}
    for table in sorted(named | (kept & whole & manifest.schema.keys())):
        batch.rows[table] = read_rows(lakes[0], manifest, table)
    changed = {table for table in sorted(kept & batch.rows.keys()) if _merge(batch, table, table in whole)}
    arrived = [table for table, rows in batch.rows.items() if rows.typed.num_rows]
    plan = scopes(models, arrived, changed)
    emissions = {table: _emit(batch, table, scope, models, engine) for table, scope in plan.items()}
    return _write(batch, emissions, changed)


def _merge(batch: _Batch, table: str, whole: bool) -> bool:
    before = batch.snapshot(table)
    after = merge(before, batch.rows[table], whole=whole)
    batch.current[table] = after
    return table not in batch.snapshots or not after.equals(before)


@dataclass(frozen=True)
class _Made:
    """One driving table's emission and the rows it was made of."""

    driving: pa.Table
    emission: Emission


def _emit(batch: _Batch, table: str, scope: Scope, models: Sequence[Model], engine: Engine) -> _Made:
    driving = makes_rows(batch.snapshot(table)) if scope == "all" else batch.rows[table].typed
    driven = [model for model in sorted(models, key=lambda model: model.name) if model.driving == table]
    joined = {name: batch.snapshot(name) for model in driven for name in model.joins}
    return _Made(driving, emit(engine, driven, driving, batch.manifest.keys[table], joined))


def _write(batch: _Batch, made: Mapping[str, _Made], changed: set[str]) -> Parts:
    lake, seq = batch.processed, batch.manifest.seq
    star: list[File] = []
    ledger: list[File] = []
    quarantine: list[File] = []
    counts: dict[str, Counts] = {}
    for table in sorted(changed):
        files = write_parquet(lake, paths.snapshot, table, seq, batch.current[table])
        batch.snapshots[table] = Snapshot(seq, files)
    for table in sorted(batch.rows.keys() | made.keys()):
        rows, emitted = batch.rows.get(table), made.get(table)
        reasons = {**(rows.rejected if rows else {}), **(emitted.emission.rejected if emitted else {})}
        for name, star_rows in sorted(emitted.emission.star.items()) if emitted else ():
            star += write_parquet(lake, paths.star, name, seq, star_rows)
        entries = _ledger(rows, emitted, reasons)
        ledger += write_parquet(lake, paths.ledger, table, seq, entries)
        lines = _refused(batch.manifest, table, rows, emitted, reasons)
        quarantine += write_lines(lake, paths.quarantine, table, seq, lines)
        counts[table] = _counts(rows, reasons)
    quarantined = sum(file.rows for file in quarantine)
    return Parts(tuple(star), tuple(ledger), tuple(quarantine), batch.snapshots, counts, quarantined)


def _processed_rows(rows: SourceRows | None, made: _Made | None) -> pa.Table:
    """Key text and hash of every row the batch brought or made again."""
    parts = [rows.texts.select([KEY, HASH])] if rows else []
    if made:
        parts.append(_others(made.driving, rows).select([KEY, HASH]))
    return pa.concat_tables(parts).sort_by(KEY)


def _others(driving: pa.Table, rows: SourceRows | None) -> pa.Table:
    """The driving rows that the batch did not bring itself."""
    if rows is None:
        return driving
    return driving.filter(pc.invert(pc.is_in(driving[KEY], rows.texts[KEY].combine_chunks())))


def _ledger(rows: SourceRows | None, made: _Made | None, reasons: Mapping[str, str]) -> pa.Table:
    entries = _processed_rows(rows, made)
    refused = pc.is_in(entries[KEY], pa.array(list(reasons), pa.string()))
    state = pc.if_else(refused, "quarantined", "live")
    return pa.table({"key": entries[KEY], "source_hash": entries[HASH], "state": state})


def _refused(
    manifest: Manifest,
    table: str,
    rows: SourceRows | None,
    made: _Made | None,
    reasons: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Quarantine entries in the order of the key text, each with the whole row as the source printed it."""
    if not reasons:
        return []
    keys = pa.array(list(reasons), pa.string())
    whole = [rows.texts.filter(pc.is_in(rows.texts[KEY], keys)).drop_columns([HASH])] if rows else []
    if made:
        again = _others(made.driving, rows)
        again = again.filter(pc.is_in(again[KEY], keys))
        whole.append(text_rows(again, manifest.schema[table]).append_column(KEY, again[KEY]))
    found = pa.concat_tables(whole).sort_by(KEY).to_pylist()
    return [
        {
            "table": table,
            "key": row[KEY],
            "seq": manifest.seq,
            "stage": STAGE,
            "reason": reasons[row[KEY]],
            "row": {name: value for name, value in row.items() if name != KEY},
        }
        for row in found
    ]


def _counts(rows: SourceRows | None, reasons: Mapping[str, str]) -> Counts:
    if rows is None:
        return Counts()
    refused = pa.array(list(reasons), pa.string())
    rejected = int(pc.sum(pc.is_in(rows.texts[KEY], refused)).as_py() or 0)
    return Counts(rows.texts.num_rows, rows.texts.num_rows - rejected, rejected)

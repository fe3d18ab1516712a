"""The current rows of the tables that models join, kept in the processed lake from batch to batch.

A snapshot has the table's typed rows with key text and source hash. `_stale` marks a row whose newest
version could not be typed and stands in quarantine: it is still joined, as the last good version, but it
makes no star row, for that would pass an old version off as live.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core.manifest import Column, Manifest, Snapshot
from starlift.core.models import REBUILD
from starlift.core.typing import text_rows
from starlift.errors import ConfigurationError
from starlift.ports import Lake
from starlift.stages.parquet_files import read_parquet
from starlift.stages.source_rows import KEY, SourceRows, key_texts, not_taken, typed_schema

STALE = "_stale"


def load_snapshot(lake: Lake, table: str, snapshot: Snapshot | None, manifest: Manifest) -> pa.Table:
    """Return a table's rows after the batch before this one, empty where there is no snapshot yet.

    Raises ConfigurationError where neither a snapshot nor the manifest knows the table.
    """
    if snapshot is not None and snapshot.files:
        return pa.concat_tables(read_parquet(lake, file) for file in snapshot.files)
    if table not in manifest.schema:
        raise not_taken(table, manifest)
    return typed_schema(manifest.schema[table]).append(pa.field(STALE, pa.bool_())).empty_table()


def merge(old: pa.Table, rows: SourceRows, manifest: Manifest, *, whole: bool) -> pa.Table:
    """Return the snapshot after a batch, in the order of the key text.

    whole: the batch has every row of the table, so one that it lacks is gone. Only such a batch may have
    another key than those before; then nothing of the old snapshot stays. Raises ConfigurationError
    where the table's columns are other ones than before and the batch does not have it whole.
    """
    new = _marked(rows.typed, stale=False)
    if old.schema != new.schema:
        if not whole:
            raise ConfigurationError(
                f"table {rows.table}: its columns are not those of its snapshot, and this batch has only a "
                "part of its rows",
                f"rebuild: {REBUILD}",
            )
        old = new.schema.empty_table()
    kept = old.filter(pc.is_in(old[KEY], rows.refused[KEY].combine_chunks()))
    if whole:
        kept = _under_key(kept, manifest.schema[rows.table], manifest.keys[rows.table])
    parts = [new, _marked(kept.drop_columns([STALE]), stale=True)]
    if not whole:
        brought = rows.identities[KEY].combine_chunks()
        parts.append(old.filter(pc.invert(pc.is_in(old[KEY], brought))))
    return pa.concat_tables(parts).sort_by(KEY)


def _under_key(rows: pa.Table, columns: Sequence[Column], key: Sequence[str]) -> pa.Table:
    """Return the rows whose key text is that of these key columns: all, unless the key has changed."""
    texts = text_rows(rows, columns)
    return rows.filter(pc.equal(key_texts([texts[name] for name in key]), rows[KEY]))


def makes_rows(snapshot: pa.Table) -> pa.Table:
    """Return the rows of a snapshot that make star rows: all but the stale ones."""
    return snapshot.filter(pc.invert(snapshot[STALE])).drop_columns([STALE])


def _marked(rows: pa.Table, *, stale: bool) -> pa.Table:
    return rows.append_column(STALE, pa.array([stale] * rows.num_rows, pa.bool_()))

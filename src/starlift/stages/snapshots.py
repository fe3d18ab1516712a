"""The current rows of the tables that models join, kept in the processed lake from batch to batch.

A snapshot has the table's typed rows with key text and source hash. `_stale` marks a row whose newest
version could not be typed and stands in quarantine: it is still joined, as the last good version, but it
makes no star row, for that would pass an old version off as live.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core.manifest import Column, Inventory, Manifest, Snapshot
from starlift.core.models import REBUILD
from starlift.core.typing import text_rows
from starlift.errors import ConfigurationError
from starlift.ports import Lake
from starlift.stages.parquet_files import read_parquet
from starlift.stages.source_rows import KEY, SourceRows, key_texts, not_taken, typed_schema

STALE = "_stale"

_NONE = Inventory("none")


def load_snapshot(lake: Lake, table: str, snapshot: Snapshot | None, manifest: Manifest) -> pa.Table:
    """Return a table's rows after the batch before this one, empty where there is no snapshot yet.

    Raises ConfigurationError where neither a snapshot nor the manifest knows the table.
    """
    if snapshot is not None and snapshot.files:
        return pa.concat_tables(read_parquet(lake, file) for file in snapshot.files)
    if table not in manifest.schema:
        raise not_taken(table, manifest)
    return _snapshot_schema(manifest.schema[table]).empty_table()


def merge(old: pa.Table, rows: SourceRows, manifest: Manifest, *, whole: bool) -> pa.Table:
    """Return the snapshot after a batch, in the order of the key text.

    whole: the batch has every row of the table, so one that it lacks is gone. Only such a batch may have
    another key than those before; then nothing of the old snapshot stays. Of a read in chunks the rows that
    are still to come again have the columns of now, NULL where they had none that fits. Raises
    ConfigurationError where the table's columns are other ones than before and it is not read whole.
    """
    new = _marked(rows.typed, stale=False)
    if old.schema != new.schema:
        listed = manifest.inventory.get(rows.table, _NONE).scope == "all"
        if not whole and (manifest.partial or listed):
            old = _fitted(old, new.schema)
        elif not whole:
            raise ConfigurationError(
                f"table {rows.table}: its columns are not those of its snapshot, and this batch has only a "
                "part of its rows",
                f"rebuild: {REBUILD}",
            )
        else:
            old = new.schema.empty_table()
    columns, key = manifest.schema[rows.table], manifest.keys[rows.table]
    if rows.table in manifest.rekeyed and not whole:
        old = _rekeyed(old, columns, key)
    kept = old.filter(pc.is_in(old[KEY], rows.refused[KEY].combine_chunks()))
    if whole:
        kept = _under_key(kept, columns, key)
    parts = [new, _marked(kept.drop_columns([STALE]), stale=True)]
    if not whole:
        brought = rows.identities[KEY].combine_chunks()
        parts.append(old.filter(pc.invert(pc.is_in(old[KEY], brought))))
    return pa.concat_tables(parts).sort_by(KEY)


def as_taken(rows: pa.Table, table: str, manifest: Manifest) -> pa.Table:
    """Return a snapshot with the columns that a batch has of the table: a chunk may be of others, and its own
    are still to come."""
    if not manifest.partial or table not in manifest.schema:
        return rows
    schema = _snapshot_schema(manifest.schema[table])
    return rows if rows.schema == schema else _fitted(rows, schema)


def _snapshot_schema(columns: Sequence[Column]) -> pa.Schema:
    return typed_schema(columns).append(pa.field(STALE, pa.bool_()))


def _fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with other columns: what has the type of before, or one that holds it exactly, stays."""
    columns = [
        _as(rows[field.name], field.type) if field.name in rows.column_names else None for field in schema
    ]
    nulls = (pa.nulls(rows.num_rows, field.type) for field in schema)
    return pa.table(
        [none if column is None else column for column, none in zip(columns, nulls, strict=True)],
        schema=schema,
    )


def _as(column: Any, kind: pa.DataType) -> Any:
    """Return a column as another type, None where that cannot hold it. Text that is a type's or a type's text
    is none of the two: PostgreSQL and Arrow print otherwise."""
    if column.type != kind and (pa.types.is_string(column.type) or pa.types.is_string(kind)):
        return None
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _rekeyed(rows: pa.Table, columns: Sequence[Column], key: Sequence[str]) -> pa.Table:
    """Return the rows of before under the key of now, so that what comes again in chunks takes their places;
    of several that it does not tell apart one, and none that has no such key."""
    texts = text_rows(rows, columns)
    under = rows.set_column(rows.schema.get_field_index(KEY), KEY, key_texts([texts[name] for name in key]))
    first = pa.table({KEY: under[KEY], "at": range(rows.num_rows)}).group_by(KEY).aggregate([("at", "min")])
    known = first.filter(pc.is_valid(first[KEY]))
    return under.take(known["at_min"].sort()) if rows.num_rows else rows


def _under_key(rows: pa.Table, columns: Sequence[Column], key: Sequence[str]) -> pa.Table:
    """Return the rows whose key text is that of these key columns: all, unless the key has changed."""
    texts = text_rows(rows, columns)
    return rows.filter(pc.equal(key_texts([texts[name] for name in key]), rows[KEY]))


def makes_rows(snapshot: pa.Table) -> pa.Table:
    """Return the rows of a snapshot that make star rows: all but the stale ones."""
    return snapshot.filter(pc.invert(snapshot[STALE])).drop_columns([STALE])


def _marked(rows: pa.Table, *, stale: bool) -> pa.Table:
    return rows.append_column(STALE, pa.array([stale] * rows.num_rows, pa.bool_()))

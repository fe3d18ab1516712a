"""The lists of keys that a batch has of the source's tables: what is on none of them is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core import paths
from starlift.core.identity import bucket
from starlift.core.manifest import Column, Inventory, Manifest
from starlift.ports import Lake
from starlift.stages.parquet_files import write_parquet
from starlift.stages.source_rows import HASH, KEY, read_lines, shortened_keys

_COLUMNS = (Column(KEY, "text"),)


def prune(rows: pa.Table, inventory: Inventory, lake: Lake, brought: pa.Array) -> pa.Table:
    """Return the rows of a snapshot without those that an inventory tells to be gone.

    lake: the ingestion lake, which has the lists. brought: key texts of the batch's own rows.
    """
    keys = rows[KEY]
    if inventory.scope in ("all", "buckets"):
        listed = pa.concat_tables([_NONE, *_lists(lake, inventory)])[KEY].combine_chunks()
        known = pc.is_in(keys, listed)
        if inventory.scope == "all":
            return rows.filter(known)
        buckets = set(inventory.buckets)
        elsewhere = pa.array([bucket(key) not in buckets for key in keys.to_pylist()], pa.bool_())
        return rows.filter(pc.or_(known, elsewhere))
    if inventory.scope == "keys":
        gone = pc.and_not(pc.is_in(keys, pa.array(inventory.asked, pa.string())), pc.is_in(keys, brought))
        return rows.filter(pc.invert(gone))
    return rows


def pass_on(lakes: tuple[Lake, Lake], manifest: Manifest) -> dict[str, Inventory]:
    """Return a batch's inventories with their lists as the load takes them, written to the processed lake.

    lakes: ingestion and processed. Raises HeldError where a list is not what the manifest says it is.
    """
    ingestion, processed = lakes
    found = {}
    for table, inventory in manifest.inventory.items():
        files = [
            file
            for rows in _lists(ingestion, inventory)
            for file in write_parquet(processed, paths.key_list, table, manifest.seq, _renamed(rows))
        ]
        found[table] = replace(inventory, files=tuple(files))
    return found


_NONE = pa.table({KEY: pa.array([], pa.string()), HASH: pa.array([], pa.int64())})


def _lists(lake: Lake, inventory: Inventory) -> Iterator[pa.Table]:
    """Yield the lists of a table one by one: key text and source hash."""
    for file in inventory.files:
        rows = read_lines(lake, file, _COLUMNS)
        yield pa.table({KEY: shortened_keys(rows[KEY]), HASH: rows[HASH].cast(pa.int64())})


def _renamed(rows: pa.Table) -> pa.Table:
    return rows.rename_columns(["key", "source_hash"])

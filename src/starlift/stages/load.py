"""Load: whatever the processed lake holds and the warehouse does not, in order, a transaction a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from starlift.core import paths
from starlift.core.manifest import File, Processed, sha256
from starlift.errors import HeldError, LostRace
from starlift.ports import Applied, Batch, Lake, Loaded, Warehouse
from starlift.stages import log


def load(
    processed: Lake, warehouse: Warehouse, progress: Callable[[str, str, int], None] = lambda *_: None
) -> list[Loaded]:
    """Apply every pending batch and return what each did; an empty list where nothing is pending.
    progress(stage, batch, rows) is told of each before its work begins.

    Rows are read from the lake file by file, each checked against its manifest. Stops quietly where
    another load overtakes this one, but raises LostRace if that leaves this one without a batch. Raises
    HeldError where lake and warehouse do not belong together or a batch is refused; the batches before it
    are applied.
    """
    last = warehouse.applied()
    loaded: list[Loaded] = []
    for seq, data in log.following(processed, last.seq if last else 0):
        batch = _batch(processed, data)
        progress("load", f"batch {seq}", sum(file.rows for file in batch.manifest.star))
        try:
            loaded.append(warehouse.apply(batch))
        except LostRace:
            if not loaded:
                raise
            return loaded
    if last and not loaded:
        _require_same_lake(processed, last)
    return loaded


def _require_same_lake(processed: Lake, last: Applied) -> None:
    """An idle pipeline and a wrong address look alike: both have nothing pending."""
    data = processed.get(paths.manifest(last.seq))
    if data is None or sha256(data) != last.manifest_sha256:
        raise HeldError(
            f"batch {last.seq} of the warehouse did not come from the lake {processed.root}",
            "correct STARLIFT_PROCESSED or STARLIFT_WAREHOUSE_URL, then: starlift load",
        )


def _batch(lake: Lake, data: bytes) -> Batch:
    manifest = Processed.decode(data)
    return Batch(
        manifest=manifest,
        manifest_sha256=sha256(data),
        star=_tables(lake, manifest.star),
        ledger=_tables(lake, manifest.ledger),
        quarantine=[row for file in manifest.quarantine for row in _json_lines(lake, file)],
    )


def _tables(lake: Lake, files: Iterable[File]) -> dict[str, Iterator[pa.Table]]:
    by_table: dict[str, list[File]] = {}
    for file in files:
        by_table.setdefault(file.table, []).append(file)
    return {table: _rows(lake, parts) for table, parts in by_table.items()}


def _rows(lake: Lake, files: Iterable[File]) -> Iterator[pa.Table]:
    for file in files:
        yield pq.ParquetFile(pa.BufferReader(log.fetch(lake, file))).read()


def _json_lines(lake: Lake, file: File) -> list[Any]:
    reader = zstandard.ZstdDecompressor().stream_reader(log.fetch(lake, file), read_across_frames=True)
    return [json.loads(line) for line in reader.read().splitlines()]

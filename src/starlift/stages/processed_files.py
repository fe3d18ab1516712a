"""A processed batch as the load takes it: its files, read one by one when their rows are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from starlift.core.manifest import File, Processed, sha256
from starlift.ports import Batch, Lake
from starlift.stages import log


def read_batch(lake: Lake, data: bytes) -> Batch:
    """Return the batch that a processed manifest's bytes commit.

    Of star rows and ledger entries one file at a time is in memory. Each file is checked against the
    manifest: HeldError, here or while the rows are taken, where one is missing or altered.
    """
    manifest = Processed.decode(data)
    return Batch(
        manifest=manifest,
        manifest_sha256=sha256(data),
        star=_tables(lake, manifest.star),
        ledger=_tables(lake, manifest.ledger),
        quarantine=[row for file in manifest.quarantine for row in json_lines(lake, file)],
        filled=_tables(lake, manifest.filled),
        inventory=_tables(lake, [file for found in manifest.inventory.values() for file in found.files]),
    )


@dataclass(frozen=True)
class _Rows:
    """The rows of some files; the load takes them twice where the star refuses them together."""

    lake: Lake
    files: Sequence[File]

    def __iter__(self) -> Iterator[pa.Table]:
        for file in self.files:
            yield pq.ParquetFile(pa.BufferReader(log.fetch(self.lake, file))).read()


def _tables(lake: Lake, files: Iterable[File]) -> dict[str, Iterable[pa.Table]]:
    by_table: dict[str, list[File]] = {}
    for file in files:
        by_table.setdefault(file.table, []).append(file)
    return {table: _Rows(lake, parts) for table, parts in by_table.items()}


def json_lines(lake: Lake, file: File) -> list[Any]:
    """Return the objects of a file of JSON lines. Raises HeldError where it is missing or altered."""
    reader = zstandard.ZstdDecompressor().stream_reader(log.fetch(lake, file), read_across_frames=True)
    return [json.loads(line) for line in reader.read().splitlines()]

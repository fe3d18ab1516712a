"""Files of the processed lake. Their names carry their content's SHA-256, so equal content is one object
and a second run of the same batch finds its files already there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from starlift.core.manifest import File, sha256
from starlift.ports import Lake
from starlift.stages import log

ROWS = 250_000
"""Rows of one file: what load holds in memory at a time."""

Name = Callable[[str, int, str], str]
"""One of the functions of `starlift.core.paths`: table, seq and digest to key."""


def write_parquet(lake: Lake, name: Name, table: str, seq: int, rows: pa.Table) -> tuple[File, ...]:
    """Store rows as Parquet (zstd) files of at most `ROWS` rows; equal rows give equal bytes."""
    files = []
    for start in range(0, rows.num_rows, ROWS):
        part = rows.slice(start, ROWS).combine_chunks()
        buffer = io.BytesIO()
        pq.write_table(part, buffer, compression="zstd", row_group_size=ROWS)
        data = buffer.getvalue()
        files.append(log.store(lake, table, name(table, seq, sha256(data)), data, part.num_rows))
    return tuple(files)


def read_parquet(lake: Lake, file: File) -> pa.Table:
    """Return the rows of a file, exactly those its manifest names. Raises HeldError where it is altered."""
    return pq.read_table(pa.BufferReader(log.fetch(lake, file)))


def write_lines(
    lake: Lake, name: Name, table: str, seq: int, lines: Iterable[Mapping[str, Any]]
) -> tuple[File, ...]:
    """Store objects as one file of JSON lines (zstd), their fields in the order given."""
    compressor = zstandard.ZstdCompressor().compressobj()
    data, rows = bytearray(), 0
    for line in lines:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        data += compressor.compress(text.encode())
        rows += 1
    if not rows:
        return ()
    stored = bytes(data) + compressor.flush()
    return (log.store(lake, table, name(table, seq, sha256(stored)), stored, rows),)

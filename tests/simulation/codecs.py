"""The formats of the files, by quicker means: most histories have small files, and reading one as Arrow and
Parquet do takes longer than all that is done with it. A share of the histories uses the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import zstandard

from starlift.stages import parquet_files, processed_files, source_rows
from tests.simulation.swapping import swapped


def write_table(table: pa.Table, to: BytesIO, **_: Any) -> None:
    """Write a table as Arrow's own format, in place of Parquet."""
    with pa.ipc.new_stream(to, table.schema) as writer:
        writer.write_table(table)


def read_table(data: pa.BufferReader) -> pa.Table:
    """Read what `write_table` wrote."""
    return pa.ipc.open_stream(data).read_all()


@dataclass
class ParquetFile:
    """Takes the place of `pyarrow.parquet.ParquetFile`."""

    data: pa.BufferReader

    def read(self) -> pa.Table:
        return read_table(self.data)


def parse(data: bytes, _key: str, schema: pa.Schema) -> pa.Table:
    """Read JSON lines whose values are text, as `source_rows._parse` does."""
    text = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    rows = [json.loads(line) for line in text.splitlines()]
    arrays = [pa.array([row.get(name) for row in rows], pa.string()) for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema)


@contextmanager
def quick() -> Iterator[None]:
    """Have the stages read and write files that way."""
    codec = SimpleNamespace(write_table=write_table, read_table=read_table, ParquetFile=ParquetFile)
    with swapped(
        (parquet_files, "pq", codec), (processed_files, "pq", codec), (source_rows, "_parse", parse)
    ):
        yield

"""Writes what a table's read or inventory prints as compressed parts of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import zstandard

from starlift.core import paths
from starlift.core.manifest import File
from starlift.core.polling import Read
from starlift.ports import Lake, SourceSnapshot
from starlift.stages import log

if TYPE_CHECKING:
    from starlift.stages.extract import Run

PART_BYTES = 8 << 20
"""Compressed size at which a part is closed and the next one begun; also what is held in memory."""


def write_parts(lake: Lake, read: Read, snapshot: SourceSnapshot, seq: int, run: Run) -> tuple[File, ...]:
    """Ship the rows of a read to the lake under names of this run only. Return the parts, none if empty."""
    writer = _PartWriter(lake, read.table, seq, run, paths.data)
    snapshot.copy(read, writer.write)
    return writer.close()


def write_keys(
    lake: Lake,
    read: Read,
    buckets: Collection[int] | None,
    snapshot: SourceSnapshot,
    seq: int,
    run: Run,
) -> tuple[File, ...]:
    """Ship the keys of a table, all or those of some buckets, as `write_parts` does its rows."""
    writer = _PartWriter(lake, read.table, seq, run, paths.inventory)
    snapshot.keys(read, buckets, writer.write)
    return writer.close()


class _PartWriter:
    def __init__(
        self, lake: Lake, table: str, seq: int, run: Run, name: Callable[[str, int, str, int], str]
    ) -> None:
        self._lake, self._table, self._seq, self._run, self._name = lake, table, seq, run, name
        self._parts: list[File] = []
        self._total = 0
        self._begin()

    def _begin(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1).compressobj()
        self._buffer = bytearray()
        self._rows = 0

    def write(self, lines: bytes) -> None:
        """Take whole lines."""
        self._rows += lines.count(b"\n")
        self._buffer += self._compressor.compress(lines)
        if len(self._buffer) >= PART_BYTES:
            self._finish()
            self._begin()

    def close(self) -> tuple[File, ...]:
        if self._rows:
            self._finish()
        return tuple(self._parts)

    def _finish(self) -> None:
        data = bytes(self._buffer) + self._compressor.flush()
        key = self._name(self._table, self._seq, self._run.run_id, len(self._parts))
        self._parts.append(log.store(self._lake, self._table, key, data, self._rows))
        self._total += self._rows
        self._run.progress("extract", self._table, self._total)

"""Writes what a table's read or inventory prints as compressed parts of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Collection

import zstandard

from starlift.core import paths
from starlift.core.manifest import File
from starlift.core.polling import Read
from starlift.errors import HeldError
from starlift.ports import Lake, SourceSnapshot
from starlift.stages import log

PART_BYTES = 8 << 20
"""Compressed size at which a part is closed and the next one begun; also what is held in memory."""


def write_keys(
    lake: Lake,
    read: Read,
    buckets: Collection[int] | None,
    snapshot: SourceSnapshot,
    seq: int,
    run_id: str,
) -> tuple[File, ...]:
    """Ship the keys of a table, all or those of some buckets. Return the parts, none if there are none."""
    writer = PartWriter(lake, read.table, seq, run_id, paths.inventory)
    snapshot.keys(read, buckets, writer.write)
    return writer.close()


class PartWriter:
    """Takes lines and stores them under names of this run only, and beside what an earlier attempt of the run
    has left. rows, size: lines, and bytes of lines, so far. last: the last of them."""

    def __init__(
        self, lake: Lake, table: str, seq: int, run_id: str, name: Callable[[str, int, str, int], str]
    ) -> None:
        self._lake, self._table, self._seq, self._run_id, self._name = lake, table, seq, run_id, name
        self._parts: list[File] = []
        self.rows = self.size = self._stored = self._number = 0
        self.last = b""
        self._begin()

    def _begin(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1).compressobj()
        self._buffer = bytearray()

    def write(self, lines: bytes) -> None:
        """Take whole lines."""
        count = lines.count(b"\n")
        self.rows += count
        # without the ends of lines, as the source counts
        self.size += len(lines) - count
        self.last = lines[lines.rfind(b"\n", 0, -1) + 1 :]
        self._buffer += self._compressor.compress(lines)
        if len(self._buffer) >= PART_BYTES:
            self._finish()
            self._begin()

    def close(self) -> tuple[File, ...]:
        """Store what is left and return the parts, none where there was no line."""
        if self.rows > self._stored:
            self._finish()
        return tuple(self._parts)

    def _finish(self) -> None:
        data = bytes(self._buffer) + self._compressor.flush()
        while not self._store(data):
            pass
        self._stored = self.rows

    def _store(self, data: bytes) -> bool:
        """Store a part under the next name. Return whether it was free, or had the same bytes."""
        key = self._name(self._table, self._seq, self._run_id, self._number)
        self._number += 1
        try:
            self._parts.append(log.store(self._lake, self._table, key, data, self.rows - self._stored))
        except HeldError:
            return False
        return True

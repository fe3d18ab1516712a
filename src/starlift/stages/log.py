"""The log of manifests in a lake: numbered from 1 without gaps, one winner a number.

Every stage finds its place by it, and commits by it: a batch is in a lake when its manifest is. Data
objects are stored before the manifest that names them and are checked against it when read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

from starlift.core import paths
from starlift.core.manifest import File, sha256
from starlift.errors import HeldError, LostRace, UnavailableError
from starlift.ports import Lake

_STEPS = 100
"""Manifests to walk from a hint that lags, before a listing, which finds a thousand a request, is cheaper."""

_HINT = re.compile(rb"\s*([0-9]{1,20})\s*")

_logger = logging.getLogger(__name__)


def head(lake: Lake) -> tuple[int, bytes | None]:
    """Return number and bytes of the newest manifest; (0, None) where there is none.

    Reads the hint and walks on from it, so a poll that finds nothing new costs three GETs. The hint may
    be missing, wrong or garbage; that costs time only. Raises UnavailableError.
    """
    seq = hinted(lake, paths.HEAD)
    data = lake.get(paths.manifest(seq)) if seq else None
    if data is None:
        seq, data = _newest_listed(lake)
    steps = 0
    while (newer := lake.get(paths.manifest(seq + 1))) is not None:
        seq, data, steps = seq + 1, newer, steps + 1
        if steps == _STEPS:
            seq, data = _newest_listed(lake)
    return seq, data


def read(lake: Lake, seq: int) -> bytes:
    """Return the bytes of manifest `seq`, which must be there. Raises UnavailableError if it is not."""
    data = lake.get(paths.manifest(seq))
    if data is None:
        raise UnavailableError(
            f"manifest {paths.manifest(seq)} is missing from the lake {lake.root}",
            "check that this is the right lake, restore the object, then: starlift run",
        )
    return data


def following(lake: Lake, seq: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of the manifests after `seq`, in order, up to the first that is absent."""
    seq += 1
    while (data := lake.get(paths.manifest(seq))) is not None:
        yield seq, data
        seq += 1


def commit(lake: Lake, seq: int, data: bytes) -> None:
    """Commit batch `seq` by storing its manifest; when this returns, the batch is there for good.

    To commit the same bytes again is no error: it is this run's own earlier try, whose answer was lost.
    Raises LostRace where another run has committed `seq`, and UnavailableError where the outcome is
    unknown; then `head` tells it. Moves the hint to `seq`, or warns where that fails.
    """
    key = paths.manifest(seq)
    if not lake.put_if_absent(key, data) and read(lake, seq) != data:
        raise LostRace(
            f"another run has committed batch {seq} to the lake {lake.root}",
            "nothing is lost; see what it did: starlift status",
        )
    try:
        lake.put(paths.HEAD, f"{seq}\n".encode())
    except UnavailableError as error:
        # The batch is committed and readers walk on from an older hint: not worth failing the run.
        _logger.warning("the head hint stays behind batch %d: %s; %s", seq, error, error.hint)


def store(lake: Lake, table: str, key: str, data: bytes, rows: int) -> File:
    """Store a data object and return how a manifest names it. `rows`: how many `data` holds.

    To store equal bytes again is no error: a run that was killed before its commit has left them.
    Raises HeldError where the key holds other bytes.
    """
    file = File(table=table, key=key, bytes=len(data), sha256=sha256(data), rows=rows)
    if not lake.put_if_absent(key, data):
        fetch(lake, file)
    return file


def fetch(lake: Lake, file: File) -> bytes:
    """Return the bytes of a data object, exactly those its manifest names.

    Raises HeldError, naming the object, where it is missing or altered."""
    data = lake.get(file.key)
    if data is None:
        raise _damaged(lake, file, "is missing")
    if len(data) != file.bytes:
        raise _damaged(lake, file, f"has {len(data)} bytes instead of {file.bytes}")
    if sha256(data) != file.sha256:
        raise _damaged(lake, file, "has other content than was written")
    return data


def _damaged(lake: Lake, file: File, fault: str) -> HeldError:
    return HeldError(
        f"object {file.key} of table {file.table} in the lake {lake.root} {fault}",
        "restore it (an earlier version, a backup), then: starlift run",
    )


def hinted(lake: Lake, key: str) -> int:
    """Return the number that a hint names, 0 where it names none."""
    match = _HINT.fullmatch(lake.get(key) or b"")
    return int(match[1]) if match else 0


def numbers(lake: Lake) -> list[int]:
    """Return the numbers of all manifests that are there, in ascending order."""
    found = map(paths.manifest_batch, lake.keys("manifests/"))
    return [seq for seq in found if seq is not None]


def _newest_listed(lake: Lake) -> tuple[int, bytes | None]:
    seq = max(numbers(lake), default=0)
    return seq, read(lake, seq) if seq else None

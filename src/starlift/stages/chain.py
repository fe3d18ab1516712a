"""A manifest as a stage may use it: whole, of its number, and the next one in its chain of hashes.

What a manifest names is checked against it; this is what checks the manifest. An alteration of the newest
one shows where the next lake, or the warehouse, has its hash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlift.core import paths
from starlift.core.manifest import Manifest, Processed, sha256
from starlift.errors import HeldError
from starlift.ports import Lake

_M = TypeVar("_M", Manifest, Processed)

_RESTORE = "restore it (an earlier version, a backup), then: starlift run"


def landed(lake: Lake, seq: int, data: bytes, previous: str | None = None) -> Manifest:
    """Return the ingestion manifest that is stored under a number.

    previous: SHA-256 of the one before, where it is known. Raises HeldError, naming the manifest, where it
    is damaged, is that of another number or does not follow the one before.
    """
    return _checked(lake, seq, previous, lambda: Manifest.decode(data))


def processed(lake: Lake, seq: int, data: bytes, previous: str | None = None) -> Processed:
    """Return the processed manifest that is stored under a number; as `landed`."""
    return _checked(lake, seq, previous, lambda: Processed.decode(data))


def check_origin(lakes: tuple[Lake, Lake], made: Processed, landed: bytes) -> None:
    """Raise HeldError unless a processed batch was made of the ingestion manifest with these bytes.

    lakes: ingestion and processed.
    """
    ingestion, processed = lakes
    if made.ingestion_sha256 != sha256(landed):
        raise HeldError(
            f"batch {made.seq} of the lake {processed.root} was not made of that of {ingestion.root}: they "
            "are lakes of two pipelines, or a manifest is not as it was written",
            "correct STARLIFT_INGESTION and STARLIFT_PROCESSED, or restore the manifest, then: starlift run",
        )


def _checked(lake: Lake, seq: int, previous: str | None, decode: Callable[[], _M]) -> _M:
    name = f"manifest {paths.manifest(seq)} in the lake {lake.root}"
    try:
        manifest = decode()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise HeldError(f"{name} cannot be read: {error!r}", _RESTORE) from error
    if manifest.seq != seq:
        raise HeldError(f"{name} is that of batch {manifest.seq}", _RESTORE)
    if previous is not None and manifest.previous_sha256 != previous:
        raise HeldError(
            f"{name} does not follow the one before it: one of the two is not as it was written",
            "restore both (earlier versions, a backup), then: starlift run",
        )
    return manifest

"""A manifest as a stage may use it: whole, of its number, and the next one in its chain of hashes.

What a manifest names is checked against it; this is what checks the manifest. An alteration of the newest
one shows where the next lake, or the warehouse, has its hash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlift.core import paths
from starlift.core.manifest import Manifest, Processed, sha256
from starlift.errors import ConfigurationError, HeldError
from starlift.ports import Applied, Lake
from starlift.stages import log

_M = TypeVar("_M", Manifest, Processed)

Read = Callable[[Lake, int, bytes], Manifest | Processed]
"""`landed` or `processed`: how the manifests of a lake are read."""

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


def before_start(lake: Lake, read: Read) -> int:
    """Return the number before the earliest batch with which the log can begin: 0, unless the first batch
    has expired; then that before a checkpoint. read: `landed` or `processed`.

    Raises HeldError, naming the first manifest, where it is missing and no checkpoint is there to begin with.
    """
    if lake.get(paths.manifest(1)) is not None:
        return 0
    numbers = log.numbers(lake)
    for seq in numbers:
        if begins(lake, seq, read):
            return seq - 1
    if numbers:
        raise missing(lake, 1, ", and the lake has no checkpoint to begin with")
    return 0


def begins(lake: Lake, seq: int, read: Read) -> bool:
    """Return whether a batch is there with which the log can begin."""
    data = lake.get(paths.manifest(seq))
    return data is not None and read(lake, seq, data).is_start


def no_checkpoint(lake: Lake, seq: int) -> ConfigurationError:
    """Return the error for a batch that a person named as one to begin with, and that is none."""
    return ConfigurationError(
        f"batch {seq} of the lake {lake.root} is no checkpoint: nothing could begin with it",
        "take a batch of kind bootstrap from starlift runs, or make one: starlift checkpoint",
    )


def has(lake: Lake, applied: Applied) -> bool:
    """Return whether a processed lake has the last batch of a warehouse, with the same manifest."""
    stored = lake.get(paths.manifest(applied.seq))
    return stored is not None and sha256(stored) == applied.manifest_sha256


def missing(lake: Lake, seq: int, more: str = "") -> HeldError:
    """Return the error for a manifest that should be there."""
    return HeldError(f"manifest {paths.manifest(seq)} in the lake {lake.root} is missing{more}", _RESTORE)


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

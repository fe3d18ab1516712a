"""With which batch a star that is made again begins: the first, or a checkpoint; what is lost by that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from starlift.core.models import REBUILD
from starlift.errors import HeldError
from starlift.ports import Lake
from starlift.stages import chain

FROM_CHECKPOINT = f"{REBUILD} --from-checkpoint"


class History(Protocol):
    """What a star has of the past."""

    def digests(self) -> Mapping[int, str]:
        """Return the SHA-256 of the processed manifest by batch applied: of these it has history."""
        ...

    def versions_before(self, seq: int) -> int:
        """Return the number of versions of facts that it would lack if it began with batch `seq`."""
        ...


def first_batch(ingestion: Lake, history: History, named: int | None) -> int:
    """Return the batch to begin with: the checkpoint that a person named, or the earliest there is.

    Raises ConfigurationError where the batch named is none to begin with, and HeldError, with what it would
    cost, where nobody named one and the star has history from before the earliest.
    """
    if named is not None:
        if not chain.begins(ingestion, named, chain.landed):
            raise chain.no_checkpoint(ingestion, named)
        return named
    first, began = beginnings(ingestion, chain.landed, history)
    if first > began:
        lost = history.versions_before(first)
        raise HeldError(
            f"the lake {ingestion.root} begins with checkpoint {first}, the star with batch {began}: made "
            f"again from there it loses {lost:,} older versions of facts and those rows of dimensions that "
            "were deleted, and its surrogate keys are others",
            f"restore the older objects, or let that history go: {FROM_CHECKPOINT} {first}",
        )
    return first


def beginnings(lake: Lake, read: chain.Read, history: History) -> tuple[int, int]:
    """Return the batches with which a lake and a star's history begin; without a history, the lake's twice.

    What a star has from before its lake's beginning cannot be made again. read: as `chain.before_start`."""
    first = chain.before_start(lake, read) + 1
    return first, min(history.digests(), default=first)


def first_of(making: Mapping[str, Any] | None) -> int:
    """Return the batch with which a generation begins. making: what it was begun with."""
    return int((making or {}).get("first", 1))

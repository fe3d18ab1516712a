"""With which batch a star that is made again begins: the first, or a checkpoint; what is lost by that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from starlift.core import paths
from starlift.core.models import REBUILD
from starlift.errors import ConfigurationError, HeldError
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
        data = ingestion.get(paths.manifest(named))
        if data is None or not chain.landed(ingestion, named, data).is_start:
            raise ConfigurationError(
                f"batch {named} of the lake {ingestion.root} is no checkpoint",
                "take a batch of kind bootstrap from starlift runs, or make one: starlift checkpoint",
            )
        return named
    first = chain.before_start(ingestion, chain.landed) + 1
    began = min(history.digests(), default=first)
    if first > began:
        lost = history.versions_before(first)
        raise HeldError(
            f"the lake {ingestion.root} begins with checkpoint {first}, the star with batch {began}: made "
            f"again from there it loses {lost:,} older versions of facts and those rows of dimensions that "
            "were deleted, and its surrogate keys are others",
            f"restore the older objects, or let that history go: {FROM_CHECKPOINT} {first}",
        )
    return first


def first_of(making: Mapping[str, Any] | None) -> int:
    """Return the batch with which a generation begins. making: what it was begun with."""
    return int((making or {}).get("first", 1))

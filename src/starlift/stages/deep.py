"""The star against a replay: everything that the processed lake says is in it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from starlift.core import paths
from starlift.core.difference import Difference
from starlift.errors import HeldError
from starlift.ports import Applied, Lake, Replica
from starlift.stages import chain
from starlift.stages.beginning import FROM_CHECKPOINT, History, beginnings
from starlift.stages.replay import replay
from starlift.stages.watch import UNWATCHED, Watch


class Comparable(History, Protocol):
    """A warehouse beside whose star another can be made, and compared."""

    def applied(self) -> Applied | None:
        """Return the last applied batch, None before the first."""
        ...

    def scratch(self) -> AbstractContextManager[Replica]:
        """Give an empty star beside the live one, which is dropped when the block ends."""
        ...

    def compare_scratch(self) -> list[Difference] | None:
        """Return in what the live star and its ledger are not what the scratch has; None where they have not
        come to the same batch."""
        ...


def against_replay(processed: Lake, warehouse: Comparable, watch: Watch = UNWATCHED) -> list[Difference]:
    """Replay the processed lake as far as the warehouse has come, and return every difference.

    processed: the generation that the warehouse has. Raises HeldError where the lake begins later than the
    star's history, and what `replay` raises.
    """
    first, began = beginnings(processed, chain.processed, warehouse)
    if first > began:
        raise HeldError(
            f"the lake {processed.root} begins with checkpoint {first}, the star with batch {began}: no "
            "replay can make what was before",
            f"compare without a replay: starlift verify; or let that history go: {FROM_CHECKPOINT} {first}",
        )
    with warehouse.scratch() as scratch:
        while True:  # until no other run has applied a batch meanwhile
            applied = warehouse.applied()
            replay(_UpTo(processed, applied.seq if applied else 0), scratch, "of the comparison", watch)
            found = warehouse.compare_scratch()
            if found is not None:
                return found


@dataclass(frozen=True)
class _UpTo:
    """A lake as it was when a batch was its newest."""

    whole: Lake
    seq: int

    @property
    def root(self) -> str:
        return self.whole.root

    def get(self, key: str) -> bytes | None:
        return None if self._later(key) else self.whole.get(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        raise NotImplementedError

    def put(self, key: str, data: bytes) -> None:
        raise NotImplementedError

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key in self.whole.keys(prefix) if not self._later(key))

    def delete(self, key: str) -> None:
        raise NotImplementedError

    def _later(self, key: str) -> bool:
        seq = paths.manifest_batch(key)
        return seq is not None and seq > self.seq

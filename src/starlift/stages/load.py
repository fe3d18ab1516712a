"""Load: whatever the processed lake holds and the warehouse does not, in order, a transaction a batch."""

from __future__ import annotations

from collections.abc import Callable

from starlift.core import paths
from starlift.core.manifest import sha256
from starlift.errors import HeldError, LostRace
from starlift.ports import Applied, Lake, Loaded, Warehouse
from starlift.stages import chain, log


def load(
    processed: Lake, warehouse: Warehouse, progress: Callable[[str, str, int], None] = lambda *_: None
) -> list[Loaded]:
    """Apply every pending batch and return what each did; an empty list where nothing is pending.

    progress(stage, batch, rows) is told of each batch before its work begins.

    Stops quietly where another load overtakes this one, but raises LostRace if that leaves this one
    without a batch. Raises HeldError where lake and warehouse do not belong together or a batch is
    refused; the batches before it are applied.
    """
    last = warehouse.applied()
    loaded: list[Loaded] = []
    for seq, data in log.following(processed, last.seq if last else 0):
        manifest = chain.processed(processed, seq, data)
        progress("load", f"batch {seq}", sum(file.rows for file in manifest.star))
        try:
            loaded.append(_apply(processed, warehouse, data))
        except LostRace:
            if not loaded:
                raise
            return loaded
    if last and not loaded:
        _require_same_lake(processed, last)
    return loaded


def _apply(processed: Lake, warehouse: Warehouse, data: bytes) -> Loaded:
    from starlift.stages.processed_files import (
        read_batch,
    )  # loads Arrow: half a second when nothing is pending

    return warehouse.apply(read_batch(processed, data))


def _require_same_lake(processed: Lake, last: Applied) -> None:
    """An idle pipeline and a wrong address look alike: both have nothing pending."""
    data = processed.get(paths.manifest(last.seq))
    if data is None or sha256(data) != last.manifest_sha256:
        raise HeldError(
            f"batch {last.seq} of the warehouse did not come from the lake {processed.root}",
            "correct STARLIFT_PROCESSED or STARLIFT_WAREHOUSE_URL, then: starlift load",
        )

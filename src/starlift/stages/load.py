"""Load: whatever the processed lake holds and the warehouse does not, in order, a transaction a batch."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace

from starlift.core import paths
from starlift.core.manifest import Processed, sha256
from starlift.core.requests import Request
from starlift.errors import HeldError, LostRace
from starlift.ports import Applied, Ask, Lake, Loaded, Warehouse
from starlift.stages import chain, log, requests
from starlift.stages.watch import UNWATCHED, Watch


def load(
    processed: Lake,
    warehouse: Warehouse,
    watch: Watch = UNWATCHED,
    ingestion: Lake | None = None,
    confirmed: Container[int] = (),
    released: Container[int] = (),
) -> list[Loaded]:
    """Apply every pending batch and return what each did; an empty list where nothing is pending.

    The watch is told of each batch before its work begins. ingestion: the lake in which
    the next extract finds what is asked of it; a load without one asks nothing. confirmed: batches that may
    delete however much they find deleted. released: batches of which the star may refuse however many rows.

    Stops quietly where another load overtakes this one, but raises LostRace if that leaves this one
    without a batch. Raises HeldError where lake and warehouse do not belong together or a batch is
    refused; the batches before it are applied.
    """
    last = warehouse.applied()
    loaded: list[Loaded] = []
    start = last.seq if last else chain.before_start(processed, chain.processed)
    for seq, data in log.following(processed, start):
        manifest = chain.processed(processed, seq, data)
        watch("load", f"batch {seq}", sum(file.rows for file in manifest.star))
        asking = _Asking(processed, ingestion, manifest, sha256(data))
        try:
            done = _apply(processed, warehouse, data, asking.ask, seq in confirmed, seq in released)
        except LostRace:
            if not loaded:
                raise
            return loaded
        loaded.append(replace(done, requests=tuple(asking.asked)))
    if last and not loaded:
        _require_same_lake(processed, last)
    return loaded


@dataclass
class _Asking:
    """Puts what a batch gives rise to into the ingestion lake. asked: what was put."""

    processed: Lake
    ingestion: Lake | None
    manifest: Processed
    digest: str
    asked: list[Request] = field(default_factory=list)

    def ask(self, wished: tuple[Request, ...]) -> None:
        for request in wished:
            if self.ingestion and (request.lasts or self._newest()):
                requests.ask(self.ingestion, request, self.manifest.clock, self.digest)
                self.asked.append(request)

    def _newest(self) -> bool:
        """What only a count tells is seen again after the next batch, and may be answered by it."""
        return self.processed.get(paths.manifest(self.manifest.seq + 1)) is None


def _apply(
    processed: Lake,
    warehouse: Warehouse,
    data: bytes,
    ask: Ask,
    confirmed: bool,
    released: bool,
) -> Loaded:
    # loads Arrow: half a second when nothing is pending
    from starlift.stages.processed_files import read_batch

    return warehouse.apply(read_batch(processed, data), ask, confirmed=confirmed, released=released)


def _require_same_lake(processed: Lake, last: Applied) -> None:
    """An idle pipeline and a wrong address look alike: both have nothing pending."""
    data = processed.get(paths.manifest(last.seq))
    if data is None or sha256(data) != last.manifest_sha256:
        raise HeldError(
            f"batch {last.seq} of the warehouse did not come from the lake {processed.root}",
            "correct STARLIFT_PROCESSED or STARLIFT_WAREHOUSE_URL, then: starlift load",
        )

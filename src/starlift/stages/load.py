"""Load: whatever the processed lake holds and the warehouse does not, in order.

A batch is one transaction. Chunks, and the batch that closes them, are seen together or not at all. They are
one transaction too, unless a first load has not all of them yet, or not the time: then it is built beside
the star, one after the other, and published when it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from starlift.core import paths
from starlift.core.manifest import Processed, sha256
from starlift.core.requests import Request
from starlift.errors import ConfigurationError, HeldError, LostRace
from starlift.ports import Applied, Batch, BuildTarget, Lake, LiveWarehouse, Loaded, Warehouse
from starlift.stages import chain, log, requests
from starlift.stages.watch import UNWATCHED, Watch


def load(  # noqa: PLR0913, PLR0917 - what it takes from, puts into, lets through, and how a first one is made
    processed: Lake,
    warehouse: LiveWarehouse,
    watch: Watch = UNWATCHED,
    ingestion: Lake | None = None,
    confirmed: Container[int] = (),
    released: Container[int] = (),
    at_once: int = 0,
    more: More | None = None,
) -> list[Loaded]:
    """Apply every pending batch and return what each did; an empty list where nothing is pending, or where
    the batch is still to come that closes what is pending.

    The watch is told of each batch before its work begins, and may wish to end between two of those that
    are built beside the star, and between what readers see. ingestion: the lake in which the next extract
    finds what is asked of it; a load without one asks nothing. confirmed: batches that may
    delete however much they find deleted. released: batches of which the star may refuse however many rows.
    at_once: rows of the star up to which a first load in chunks is one transaction; of more, they are built.
    more: waits for the next of its chunks, and returns False where none will come; nothing stays of the load
    where the last does not come, or there are more of them.

    Stops quietly where another load overtakes this one, but raises LostRace if that leaves this one
    without a batch. Raises HeldError where lake and warehouse do not belong together or a batch is
    refused; the batches before it are applied.
    """
    pending = _Pending(processed, ingestion, watch, confirmed, released)
    last = warehouse.applied()
    try:
        if last is None and pending.begins_with_chunks:
            if not pending.first(warehouse, at_once, more):
                return pending.loaded
            last = warehouse.applied()
        for batches in pending.sets(last.seq if last else pending.start):
            pending.apply_together(warehouse, batches)
    except LostRace:
        if not pending.loaded:
            raise
    if last and not pending.loaded:
        _require_same_lake(processed, last)
    return pending.loaded


def fill(  # noqa: PLR0913, PLR0917 - what it takes from, puts into, lets through and asks of
    processed: Lake,
    target: Warehouse,
    watch: Watch = UNWATCHED,
    confirmed: Container[int] = (),
    released: Container[int] = (),
    ingestion: Lake | None = None,
    reached: int = 0,
) -> list[Loaded]:
    """Apply the batches that a star beside the live one has not, each in a transaction of its own, up to the
    last with which the star is whole. Return what each did. As `load`.

    reached: the last batch that the live star has. What that has given rise to is not asked again. Of later
    ones, if there is a live star, chunks and what closes them are one transaction: where one of them is held,
    the star is left whole."""
    pending = _Pending(processed, ingestion, watch, confirmed, released, reached)
    last = target.applied()
    for batches in pending.sets(last.seq if last else pending.start):
        if reached and batches[0] > reached:
            pending.apply_together(target, batches)
            continue
        for seq in batches:
            pending.apply(target, seq)
    if last and not pending.loaded:
        _require_same_lake(processed, last)
    return pending.loaded


More = Callable[[], bool]
"""Waits for another batch; returns False where none will come any more."""

MOST_CHUNKS = 1_000
"""Chunks that are one transaction: a server keeps a lock for each of their temporary tables."""


@dataclass
class _Pending:
    """What the lake has and the warehouse has not. asked: up to which batch all is asked already. loaded:
    what each batch did that was applied."""

    processed: Lake
    ingestion: Lake | None
    watch: Watch
    confirmed: Container[int]
    released: Container[int]
    asked: int = 0
    loaded: list[Loaded] = field(default_factory=list)

    @cached_property
    def start(self) -> int:
        """The number before the first batch of all."""
        return chain.before_start(self.processed, chain.processed)

    @property
    def begins_with_chunks(self) -> bool:
        """Whether the first batch of all is a chunk."""
        first = self.processed.get(paths.manifest(self.start + 1))
        return first is not None and chain.processed(self.processed, self.start + 1, first).partial

    def first(self, warehouse: LiveWarehouse, at_once: int, more: More | None) -> bool:
        """Load the first chunks, in one transaction if all are there, or come, and they are not too many.
        Return whether readers see them."""
        if self.watch.hurried or _is_begun(warehouse) or not (more or self._is_whole(at_once)):
            return self.build(warehouse)
        try:
            self._load_first(warehouse, at_once, more or (lambda: False))
        except _Unfinished:
            return False
        return True

    def _is_whole(self, at_once: int) -> bool:
        rows = 0
        for number, manifest in enumerate(self._following(self.start), start=1):
            rows += sum(file.rows for file in manifest.star)
            if not manifest.partial:
                return rows <= at_once and number <= MOST_CHUNKS
        return False

    def _load_first(self, warehouse: LiveWarehouse, at_once: int, more: More) -> None:
        """Apply the first chunks and what closes them together. Raises _Unfinished where that does not come,
        they come to too many rows, or the watch wishes to end."""
        asked: list[Request] = []
        manifests: list[tuple[int, bytes]] = []

        def ask(wished: tuple[Request, ...]) -> None:
            asking = self._asking(*manifests[-1])
            asking.ask(wished)
            asked.extend(asking.asked)

        def batches() -> Iterator[Batch]:
            head, rows = log.head(self.processed)[0], 0
            for seq, data in self._coming(more):
                if manifests and self.watch.ends():
                    raise _Unfinished
                self.watch.begin()
                manifests[:] = [(seq, data)]
                head = max(head, seq)
                batch = self._read(data, head)
                rows += sum(file.rows for file in batch.manifest.star)
                if rows > at_once:
                    raise _Unfinished
                yield batch
                self.watch.done("load", *self._told(batch, head))

        done = warehouse.apply_together(batches(), ask, self.confirmed, self.released)
        self.loaded += [*done[:-1], replace(done[-1], requests=tuple(asked))]

    def _coming(self, more: More) -> Iterator[tuple[int, bytes]]:
        """Yield number and manifest of the first chunks and what closes them, each when it is there."""
        seq, waits = self.start, True
        while True:
            for seq, data in log.following(self.processed, seq):  # noqa: B020 - it goes on where it was
                if seq - self.start > MOST_CHUNKS:
                    raise _Unfinished
                yield seq, data
                if not chain.processed(self.processed, seq, data).partial:
                    return
            if not waits:
                raise _Unfinished
            waits = more()

    def sets(self, seq: int) -> Iterator[list[int]]:
        """Yield the numbers of the batches after `seq` that are seen together: of chunks with the batch that
        closes them, mostly of one. Chunks that nothing closes yet are left out. Ends where that is wished."""
        together: list[int] = []
        for manifest in self._following(seq):
            together.append(manifest.seq)
            if not manifest.partial:
                if self.loaded and self.watch.ends():
                    return
                yield together
                together = []

    def build(self, warehouse: LiveWarehouse) -> bool:
        """Build the star from its first chunk, or go on where an earlier load came to, and publish it. Return
        whether it is published, which is not to be where chunks are still to come or the watch wishes."""
        try:
            with warehouse.build as target:
                closed = self._fill(target)
            return closed is not None and self._publish(warehouse, closed)
        except ConfigurationError:
            if warehouse.applied() is None:
                raise
            raise _overtaken() from None

    def _fill(self, target: BuildTarget) -> str | None:
        """Apply the chunks one by one, and what closes them. Return the SHA-256 of the manifest that does,
        None where that is still to come."""
        models = self._manifest(self.start + 1).models
        target.prepare(models)
        last = target.applied()
        if last is not None and not chain.has(self.processed, last):
            target.discard()
            target.prepare(models)
            last = None
        if last is not None and not self._manifest(last.seq).partial:
            return last.manifest_sha256
        head = log.head(self.processed)[0]
        for manifest in self._following(last.seq if last else self.start):
            if self.loaded and self.watch.ends():
                return None
            self.watch.begin()
            self.apply(target, manifest.seq, head)
            if not manifest.partial:
                return sha256(log.read(self.processed, manifest.seq))
        return None

    def _publish(self, warehouse: LiveWarehouse, closed: str) -> bool:
        rows = sum(file.rows for manifest in self._following(self.start) for file in manifest.star)
        self.watch("publish", "the star", rows)
        if warehouse.publish(self._manifest(self.start + 1).models, last=closed) is None:
            raise _overtaken()
        return True

    def apply(self, warehouse: Warehouse, seq: int, head: int = 0) -> None:
        """Apply one batch. head: the last that is pending, where that is worth telling."""
        data = log.read(self.processed, seq)
        asking = self._asking(seq, data)
        permitted = {"confirmed": seq in self.confirmed, "released": seq in self.released}
        batch = self._read(data, head)
        done = warehouse.apply(batch, asking.ask, **permitted)
        self.loaded.append(replace(done, requests=tuple(asking.asked)))
        if head:
            self.watch.done("load", *self._told(batch, head))

    def apply_together(self, warehouse: Warehouse, seqs: list[int]) -> None:
        """Apply batches that are seen together. It is the last that may ask something."""
        if len(seqs) == 1:
            self.apply(warehouse, seqs[0])
            return
        asking = self._asking(seqs[-1], log.read(self.processed, seqs[-1]))
        done = warehouse.apply_together(self._each(seqs), asking.ask, self.confirmed, self.released)
        self.loaded += [*done[:-1], replace(done[-1], requests=tuple(asking.asked))]

    def _following(self, seq: int) -> Iterator[Processed]:
        for number, data in log.following(self.processed, seq):
            yield chain.processed(self.processed, number, data)

    def _manifest(self, seq: int) -> Processed:
        return chain.processed(self.processed, seq, log.read(self.processed, seq))

    def _asking(self, seq: int, data: bytes) -> _Asking:
        manifest = chain.processed(self.processed, seq, data)
        ingestion = self.ingestion if seq > self.asked else None
        return _Asking(self.processed, ingestion, manifest, sha256(data))

    def _read(self, data: bytes, head: int) -> Batch:
        # it loads Arrow: half a second when nothing is pending
        from starlift.stages.processed_files import read_batch

        batch = read_batch(self.processed, data)
        self.watch("load", *self._told(batch, head))
        return batch

    @staticmethod
    def _told(batch: Batch, head: int) -> tuple[str, int, int]:
        """What a watch is told: the batch, its rows, and about how many are left."""
        seq, rows = batch.manifest.seq, sum(file.rows for file in batch.manifest.star)
        return f"batch {seq}", rows, rows * max(head - seq, 0)

    def _each(self, seqs: list[int]) -> Iterator[Batch]:
        """Yield batches; what follows a yield is done when the warehouse has applied it."""
        for seq in seqs:
            batch = self._read(log.read(self.processed, seq), seqs[-1])
            yield batch
            self.watch.done("load", *self._told(batch, seqs[-1]))


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


class _Unfinished(Exception):
    """The batch does not come that closes those which are there, or is not to be waited for."""


def _is_begun(warehouse: LiveWarehouse) -> bool:
    try:
        with warehouse.build as target:
            return target.applied() is not None
    except ConfigurationError:
        return False


def _require_same_lake(processed: Lake, last: Applied) -> None:
    """An idle pipeline and a wrong address look alike: both have nothing pending."""
    if not chain.has(processed, last):
        raise HeldError(
            f"batch {last.seq} of the warehouse did not come from the lake {processed.root}",
            "correct STARLIFT_PROCESSED or STARLIFT_WAREHOUSE_URL, then: starlift load",
        )


def _overtaken() -> LostRace:
    return LostRace("another load has published the star", "nothing is lost; see: starlift status")

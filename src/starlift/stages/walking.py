"""Walks the log of both lakes from its beginning to its end, and finds the first object that is not as it
was written: missing, edited, or in the place of another.

An object of rows is held against size and SHA-256 in its manifest. A manifest has witnesses of its SHA-256:
the next manifest and the one that was made of it, or the warehouse's row of the batch. Where all of them
disagree with it, it was edited; where only one does, that one was. The newest manifest has no witness as
long as nothing has been made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from starlift.core import paths
from starlift.core.manifest import Manifest, Processed, sha256
from starlift.errors import HeldError
from starlift.ports import Lake
from starlift.stages import chain, log
from starlift.stages.watch import UNWATCHED, Watch

_HINT = "restore it (an earlier version, a backup), then: starlift verify-log"


@dataclass(frozen=True)
class Walked:
    """How far a walk came. first: the first batch it looked at, 0 where there is none. landed, transformed:
    the last one in either lake. applied: the last one whose manifest the warehouse's was compared with.
    objects, bytes: of what was found as it was written. fault: the first object that was not."""

    first: int = 0
    landed: int = 0
    transformed: int = 0
    applied: int = 0
    objects: int = 0
    bytes: int = 0
    fault: HeldError | None = None


def walk(
    ingestion: Lake,
    processed: Lake,
    applied: Mapping[int, str],
    watch: Watch = UNWATCHED,
) -> Walked:
    """Read every object of both lakes that a manifest names and compare it with what was written.

    processed: the current generation. applied: SHA-256 of the processed manifest by batch, as the warehouse
    has it. The watch is told of each batch. Batches before the first or the checkpoint
    with which a lake begins are expired, and not looked at.
    """
    walked = Walked()
    try:
        made = _Log(processed, chain.processed, max(applied, default=0))
        landed = _Log(ingestion, chain.landed, made.last, made)
        firsts = [part.first for part in (landed, made) if part.last]
        walked = Walked(min(firsts, default=0), landed.last, made.last)
        for seq in range(max(walked.first, 1), landed.last + 1):
            watch("verify-log", f"batch {seq}", walked.objects)
            for part in (landed, made):
                if part.first <= seq <= part.last:
                    for size in part.check(seq, applied):
                        walked = replace(walked, objects=walked.objects + 1, bytes=walked.bytes + size)
            if seq in applied:
                walked = replace(walked, applied=seq)
    except HeldError as fault:
        return replace(
            walked, fault=fault if fault.hint.endswith("verify-log") else HeldError(fault.message, _HINT)
        )
    return walked


def _require_expired(lake: Lake, first: int) -> None:
    """What is before a checkpoint is removed from the first batch on: where some of it is left, what is not
    there may be missing."""
    before = [seq for seq in log.numbers(lake) if seq < first]
    if before:
        raise HeldError(
            f"manifest {paths.manifest(before[0] - 1)} in the lake {lake.root} is missing, and those from "
            f"{before[0]} to checkpoint {first} are there",
            f"restore it, or remove them too: starlift gc --before {first}; then: starlift verify-log",
        )


@dataclass
class _Log:
    """One lake's manifests. known: a batch that must be there because something came of it. made: the log
    of what was made of these."""

    lake: Lake
    read: Callable[[Lake, int, bytes], Manifest | Processed]
    known: int
    made: _Log | None = None
    last: int = 0
    first: int = 0
    _ahead: dict[int, bytes | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # a hint is put after its manifest: where it is ahead, that is gone
        newest = max(log.numbers(self.lake), default=0), log.hinted(self.lake, paths.HEAD), self.known
        self.last = max(newest)
        if self.last:
            self.first = chain.before_start(self.lake, self.read) + 1
            _require_expired(self.lake, self.first)

    def get(self, seq: int) -> bytes | None:
        """Return a manifest's bytes; it is read once as a witness and once as itself."""
        if seq not in self._ahead:
            self._ahead = {key: data for key, data in self._ahead.items() if key >= seq - 1}
            self._ahead[seq] = self.lake.get(paths.manifest(seq))
        return self._ahead[seq]

    def check(self, seq: int, applied: Mapping[int, str]) -> Iterator[int]:
        """Yield the size of each object of a batch, once it was found to be as it was written."""
        data = self.get(seq)
        if data is None:
            raise chain.missing(self.lake, seq)
        batch = self.read(self.lake, seq, data)
        self._hear(seq, sha256(data), list(self._witnesses(seq, applied)))
        yield len(data)
        for file in batch.named:
            yield len(log.fetch(self.lake, file))

    def name(self, seq: int) -> str:
        """Return how a message names a manifest."""
        return f"manifest {paths.manifest(seq)} in the lake {self.lake.root}"

    def _witnesses(self, seq: int, applied: Mapping[int, str]) -> Iterator[tuple[str, str | None]]:
        after = self._readable(seq + 1)
        if after is not None:
            yield self.name(seq + 1), after.previous_sha256
        if self.made is None:
            if seq in applied:
                yield f"row {seq} of starlift.applied in the warehouse", applied[seq]
            return
        made = self.made._readable(seq)
        if isinstance(made, Processed):
            yield self.made.name(seq), made.ingestion_sha256

    def _readable(self, seq: int) -> Manifest | Processed | None:
        """Return a manifest as a witness, None where it cannot be one: its own turn comes."""
        data = self.get(seq)
        try:
            return None if data is None else self.read(self.lake, seq, data)
        except HeldError:
            return None

    def _hear(self, seq: int, digest: str, witnesses: list[tuple[str, str | None]]) -> None:
        against = [name for name, told in witnesses if told != digest]
        if not against:
            return
        if len(against) < len(witnesses):
            raise HeldError(
                f"{against[0]} is not as it was written: it has another SHA-256 of batch {seq}", _HINT
            )
        doubt = "" if len(against) > 1 else ", or that was edited"
        raise HeldError(
            f"{self.name(seq)} is not as it was written: {' and '.join(against)} "
            f"{'has' if len(against) == 1 else 'have'} another SHA-256 of it{doubt}",
            _HINT,
        )

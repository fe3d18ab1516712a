"""Garbage collection: what no manifest of either lake names, and what nothing needs any more.

An object belongs to the batch that its key names, and only that batch's manifest can be the first to name
it; manifests are for ever. So an object whose batch has a manifest that does not name it will never be named:
it is an orphan, whoever is still at work. All else stays: an object of a batch that has no manifest yet,
since a run may be about to commit it, and whatever has a key of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from starlift.core import paths
from starlift.core.manifest import Manifest, Processed
from starlift.errors import HeldError
from starlift.ports import Applied, Lake, ListedLake, Stored
from starlift.stages import chain, generations, log
from starlift.stages.generations import Generations
from starlift.stages.watch import UNWATCHED, Watch

Why = Literal["orphan", "generation", "expired"]
"""orphan: of a batch whose manifest does not name it. generation: of a processed lake that a rebuild has
replaced. expired: of a batch before the checkpoint that a person named."""

Stays = Literal["waiting", "young", "unpublished", "unexplained", "unknown"]
"""waiting: of a batch that is not committed. young: to be removed one day. unpublished: of a processed lake
that is replaced, but the warehouse is not yet of the new one. unexplained: of a batch whose manifest is
missing. unknown: not a key of starlift's."""


@dataclass(frozen=True)
class Wish:
    """What a person lets go. before: objects of batches before this checkpoint, None: of no batch. until: the
    latest time at which an orphan, or an object of an old generation, was stored, in seconds since 1970."""

    until: float
    before: int | None = None


@dataclass(frozen=True)
class Doomed:
    """An object to be removed."""

    lake: Lake
    stored: Stored
    why: Why

    @property
    def address(self) -> str:
        """The object's whole address."""
        return _address(self.lake, self.stored)


@dataclass
class Found:
    """What is to go, in the order in which it goes, and what stays though no manifest names it."""

    doomed: list[Doomed] = field(default_factory=list)
    stays: dict[Stays, list[str]] = field(default_factory=dict)

    def keep(self, why: Stays, lake: Lake, stored: Stored) -> None:
        """Note that an object stays."""
        self.stays.setdefault(why, []).append(_address(lake, stored))


def _address(lake: Lake, stored: Stored) -> str:
    return f"{lake.root.rstrip('/')}/{stored.key}"


def find(ingestion: ListedLake, processed: ListedLake, applied: Applied | None, wish: Wish) -> Found:
    """Return what may be removed of both lakes; nothing is removed.

    processed: its root. applied: the last batch of the warehouse. Raises ConfigurationError where the wish
    names no checkpoint, HeldError where lakes and warehouse have not come past it or a manifest is
    damaged.
    """
    found, every = Found(), generations.find(processed)
    if wish.before is not None:
        _check_checkpoint(ingestion, every, applied, wish.before)
    landed = _Log(ingestion, ingestion, chain.landed, paths.landed_batch, "")
    made = _Log(processed, every.lake, chain.processed, paths.made_batch, paths.generation(every.current))
    for each in (made, landed):
        each.sort(found, wish)
    _Old(processed, every, _settled(processed, every, applied)).sort(found, wish)
    # manifests first: where this breaks off, no log begins with a batch that has lost its objects
    found.doomed.sort(key=lambda doomed: not doomed.stored.key.rpartition("/")[0].endswith("manifests"))
    return found


def remove(found: Found, watch: Watch = UNWATCHED) -> None:
    """Remove what was found. Raises UnavailableError, and goes on when it is run again."""
    for number, doomed in enumerate(found.doomed):
        watch("gc", doomed.stored.key, number + 1, len(found.doomed) - number - 1)
        doomed.lake.delete(doomed.stored.key)


@dataclass(frozen=True)
class _Log:
    """The objects of one log. whole: the lake that they are listed in; lake: the part of it that the log is.
    batch_of: the batch of which an object of rows is."""

    whole: ListedLake
    lake: Lake
    read: Callable[[Lake, int, bytes], Manifest | Processed]
    batch_of: Callable[[str], int | None]
    prefix: str

    def sort(self, found: Found, wish: Wish) -> None:
        """Decide of every object of the log whether it goes."""
        manifests: list[int] = []
        by_batch: dict[int, list[Stored]] = {}
        for key, stored in _listed(self.whole, self.prefix):
            if (seq := paths.manifest_batch(key)) is not None:
                manifests.append(seq)
                if _expired(seq, wish):
                    found.doomed.append(Doomed(self.whole, stored, "expired"))
            elif (seq := self.batch_of(key)) is not None:
                by_batch.setdefault(seq, []).append(stored)
            elif not _is_known(key):
                found.keep("unknown", self.whole, stored)
        named = self._named([seq for seq in manifests if not _expired(seq, wish)])
        known, head = set(manifests), max(manifests, default=0)
        for seq, objects in sorted(by_batch.items()):
            for stored in objects:
                if stored.key in named:
                    continue
                if _expired(seq, wish):
                    found.doomed.append(Doomed(self.whole, stored, "expired"))
                elif seq in known:
                    _by_age(found, self.whole, stored, "orphan", wish)
                else:
                    found.keep("waiting" if seq > head else "unexplained", self.whole, stored)

    def _named(self, manifests: Sequence[int]) -> set[str]:
        """Return the keys of all that some manifests name, as they are listed."""
        named: set[str] = set()
        for seq in manifests:
            batch = self.read(self.lake, seq, log.read(self.lake, seq))
            named.update(self.prefix + file.key for file in batch.named)
            if isinstance(batch, Processed):
                # those that it has of earlier batches, too
                parts = (snapshot.files for snapshot in batch.snapshots.values())
                named.update(self.prefix + file.key for files in parts for file in files)
        return named


def _expired(seq: int, wish: Wish) -> bool:
    return wish.before is not None and seq < wish.before


def _is_known(key: str) -> bool:
    """Whether a key that is of no batch is one of starlift's: it stays."""
    hints = (paths.HEAD, paths.PROBE, "begun.json", "committed.json")
    return key in hints or key.startswith("requests/")


def _by_age(found: Found, lake: Lake, stored: Stored, why: Why, wish: Wish) -> None:
    if stored.modified <= wish.until:
        found.doomed.append(Doomed(lake, stored, why))
    else:
        found.keep("young", lake, stored)


def _listed(lake: ListedLake, prefix: str) -> Iterator[tuple[str, Stored]]:
    """Yield the objects of a log, each under its key within the log; those of other generations are not of
    the first."""
    for stored in lake.stored(prefix):
        key = stored.key.removeprefix(prefix)
        if prefix or not key.startswith("generations/"):
            yield key, stored


@dataclass(frozen=True)
class _Old:
    """The generations that are not the current one. settled: since when the current one is, in seconds since
    1970; None where the warehouse is not of it, so that the one before must be known again."""

    processed: ListedLake
    every: Generations
    settled: float | None

    def sort(self, found: Found, wish: Wish) -> None:
        """Decide of what they have; the newest that was begun may be under way."""
        for number in range(self.every.begun):
            if number == self.every.current:
                continue
            abandoned = number > self.every.current
            for key, stored in _listed(self.processed, paths.generation(number)):
                if key != paths.HEAD and _is_known(key):
                    continue
                if key != paths.HEAD and paths.manifest_batch(key) is None and paths.made_batch(key) is None:
                    found.keep("unknown", self.processed, stored)
                elif abandoned or (self.settled is not None and self.settled <= wish.until):
                    _by_age(found, self.processed, stored, "generation", wish)
                else:
                    found.keep("unpublished" if self.settled is None else "young", self.processed, stored)


def _settled(processed: ListedLake, every: Generations, applied: Applied | None) -> float | None:
    if applied is None or every.maker(applied) != every.current:
        return None
    marker = next(processed.stored(paths.committed(every.current)), None)
    return marker.modified if marker else None


def _check_checkpoint(ingestion: Lake, every: Generations, applied: Applied | None, seq: int) -> None:
    """Raise unless both lakes have the checkpoint and the warehouse has come past it."""
    reads: tuple[tuple[Lake, chain.Read], ...] = ((ingestion, chain.landed), (every.lake, chain.processed))
    for lake, read in reads:
        if seq == 1 or not chain.begins(lake, seq, read):
            raise chain.no_checkpoint(lake, seq)
    if applied is None or applied.seq < seq or every.maker(applied) != every.current:
        raise HeldError(
            f"the warehouse has not come to checkpoint {seq} of the current generation",
            "bring it there, then try again: starlift run",
        )

"""A warehouse in memory that keeps every promise of `ports.LiveWarehouse` and `ports.BuildTarget`.

It does what `starlift.adapters.postgres` does, in the same order and to the same ledger; a test loads the
same lakes into both and compares. A transaction is a copy of the star that takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

from starlift.core.holding import together
from starlift.core.manifest import ModelRef, Processed
from starlift.errors import ConfigurationError, HeldError, LostRace, UnavailableError
from starlift.ports import Applied, Ask, Batch, Load, Loaded
from tests.simulation.scheduler import Lock, Scheduler
from tests.simulation.star import PARENTS
from tests.simulation.stars import AppliedBatch, Star
from tests.simulation.writing import Rows, WarehouseQuirks, Writing, read

PATIENCE = 4
"""Tries for a lock that another load holds."""


def require_turn(star: Star, manifest: Processed, digest: str) -> None:
    """As `adapters.postgres.turn.require_turn`."""
    applied, newest = (star.seq, star.applied[-1].digest) if star.applied else (0, None)
    if manifest.seq <= applied:
        if next((b.digest for b in star.applied if b.seq == manifest.seq), None) != digest:
            raise HeldError(f"batch {manifest.seq} does not belong to this warehouse", "starlift status")
        raise LostRace(f"batch {manifest.seq} is applied already", "starlift status")
    if not star.applied and manifest.seq > 1 and manifest.is_start:
        return
    if manifest.seq > applied + 1:
        raise HeldError(f"batch {manifest.seq} cannot be applied: {applied} is", "starlift status")
    if manifest.previous_sha256 != newest:
        raise HeldError(f"batch {manifest.seq} does not belong to this warehouse", "starlift status")


Committed = Callable[["SimulatedWarehouse", list[Rows], list[Loaded]], None]


class SimulatedWarehouse:
    """One star and its ledger, as a process sees them; those of all processes share a `Place`."""

    def __init__(self, place: Place, name: str = "live") -> None:
        self.place, self.name = place, name

    def __enter__(self) -> SimulatedWarehouse:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check_fit(self, *_: object) -> dict[str, list[str]]:
        return {}

    @property
    def star(self) -> Star:
        """The star. Raises ConfigurationError where there is none."""
        star = self.place.stars.get(self.name)
        if star is None:
            raise ConfigurationError(f"the star {self.name} is not migrated", "starlift migrate")
        return star

    def applied(self) -> Applied | None:
        self.place.scheduler.point(f"{self.name}: applied")
        if not self.star.applied:
            return None
        last = self.star.applied[-1]
        return Applied(last.seq, last.kind, last.digest, last.complete_to, last.clock)

    def loads(self, seq: int) -> Sequence[Load]:
        raise NotImplementedError

    def rehearse(self, models: Sequence[ModelRef]) -> None:
        raise NotImplementedError

    def apply(
        self,
        batch: Batch,
        ask: Ask = lambda _: None,
        *,
        confirmed: bool = False,
        released: bool = False,
    ) -> Loaded:
        seqs = (batch.manifest.seq,)
        [loaded] = self.apply_together([batch], ask, seqs if confirmed else (), seqs if released else ())
        return loaded

    def apply_together(
        self,
        batches: Iterable[Batch],
        ask: Ask = lambda _: None,
        confirmed: Container[int] = (),
        released: Container[int] = (),
    ) -> list[Loaded]:
        place, quirks = self.place, self.place.quirks
        done: list[tuple[Rows, Loaded]] = []
        held: list[tuple[int, HeldError]] = []
        with place.locked(self.name):
            star = self.star.copy()
            for batch in batches:
                if not (quirks.no_lock or quirks.any_order):
                    require_turn(star, batch.manifest, batch.manifest_sha256)
                rows = read(batch)
                seq = rows.manifest.seq
                writing = Writing(star, rows, quirks)
                loaded, error = writing.run(place.least_held, 1.0 if seq in confirmed else place.share)
                if error is not None:
                    held.append((seq, error))
                if not held:
                    ask(loaded.requests)
                done.append((rows, loaded))
                _note(star, rows, loaded)
            if held:
                place.held([seq for seq, _ in held])
                raise together(held)
            place.scheduler.point(f"{self.name}: commit")
            if quirks.no_lock:
                star = self.star.copy()
                for rows, _ in done:
                    loaded, _ = Writing(star, rows, quirks).run(10**9, 1.0)
                    _note(star, rows, loaded)
            place.stars[self.name] = star
            if self.name == "live":
                place.committed(self, [rows for rows, _ in done], [loaded for _, loaded in done])
        place.scheduler.point(f"{self.name}: has committed")
        return [loaded for _, loaded in done]

    # the build target

    @property
    def build(self) -> SimulatedWarehouse:
        return SimulatedWarehouse(self.place, "build")

    def prepare(self, models: Sequence[ModelRef]) -> None:
        self.place.scheduler.point("build: prepare")
        if self.name in self.place.stars:
            return
        with self.place.locked(self.name):
            if self.name not in self.place.stars:
                self.place.stars[self.name] = Star()

    def check(self, models: Sequence[ModelRef]) -> None:
        raise NotImplementedError

    def discard(self) -> None:
        for _ in range(PATIENCE):
            self.place.scheduler.point("build: discard")
            if self.place.is_free(self.name):
                self.place.stars.pop(self.name, None)
                return
        raise UnavailableError("the build target is in use", "starlift run")

    def publish(
        self, models: Sequence[ModelRef], gone: Sequence[str] = (), *, last: str | None = None
    ) -> list[str] | None:
        place = self.place
        with place.locked(self.name), place.locked("build"):
            built = self.build.star
            if last is not None and (not built.applied or built.applied[-1].digest != last):
                raise LostRace("another run has made the star anew", "starlift status")
            if self.star.seq > built.seq:
                return None
            if built.applied and built.applied[-1].partial:
                raise HeldError("the batch is missing that closes a chunk", "starlift run")
            for row in built.facts.values():
                for column, parent in PARENTS:
                    if f"({row[column]})" not in built.dimensions[parent]:
                        raise HeldError(f"a row of the fact refers to no row of {parent}", "starlift run")
            place.scheduler.point("live: publish")
            place.stars[self.name] = place.stars.pop("build")
            place.published(self)
        place.scheduler.point("live: has published")
        return [model.name for model in models]


def _note(star: Star, rows: Rows, loaded: Loaded) -> None:
    manifest = rows.manifest
    counts = asdict(replace(loaded, requests=()))
    counts.pop("seq")
    counts.pop("requests")
    star.applied.append(
        AppliedBatch(
            manifest.seq,
            manifest.kind,
            manifest.partial,
            rows.digest,
            manifest.clock,
            manifest.complete_to,
            counts,
        )
    )


class Place:
    """What the warehouse's server has: the stars, and who holds their locks.

    least_held, share: of how many rows, and of what part of a table, a sweep is held. committed, published:
    told of what readers see from then on. held: told of batches that wait for a person."""

    def __init__(
        self,
        scheduler: Scheduler,
        committed: Committed,
        published: Callable[[SimulatedWarehouse], None],
        held: Callable[[list[int]], None] = lambda _: None,
    ) -> None:
        self.scheduler = scheduler
        self.committed, self.published, self.held = committed, published, held
        self.stars: dict[str, Star] = {"live": Star()}
        self.locks: dict[str, Lock] = {"live": Lock(), "build": Lock()}
        self.quirks = WarehouseQuirks()
        self.least_held, self.share = 100, 0.5
        self.lingers = 0

    def is_free(self, name: str) -> bool:
        """Whether nobody holds a star's lock."""
        lock = self.locks[name]
        return lock.holder is None and self.scheduler.steps >= lock.ghost

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a star's lock for a block. Where the process is killed in it, the server notices later."""
        if self.quirks.no_lock:
            yield
            return
        for tries in range(PATIENCE):
            self.scheduler.point(f"{name}: lock", fails=not tries)
            if self.is_free(name):
                break
        else:
            self.scheduler.happened["lock held"] += 1
            raise LostRace(f"another load holds the lock of {name}", "starlift status")
        lock = self.locks[name]
        lock.holder = self.scheduler.current
        try:
            yield
        finally:
            if lock.holder is not None and lock.holder.dead:
                lock.ghost = self.scheduler.steps + self.lingers
            lock.holder = None

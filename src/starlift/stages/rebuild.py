"""Rebuild: the star made again from the ingestion lake, by the models of today.

A new generation of the processed lake is made, and loaded into a build target beside the star. When all of
it holds, a marker makes the generation the current one, and the target is published. Until then the old
generation and the old star are as they were; a rebuild that breaks off anywhere goes on when it is run again.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from typing import Any, Protocol

from starlift.core import paths
from starlift.core.holding import Hold, too_many
from starlift.core.manifest import Column, Manifest, ModelRef
from starlift.core.models import REBUILD, Model, changes
from starlift.core.padding import Shape, Shapes, padded, shapes_of
from starlift.errors import ConfigurationError, HeldError, LostRace, TooManyRejected
from starlift.ports import Applied, BuildTarget, Engine, Lake, LiveWarehouse, Loaded
from starlift.stages import chain, generations, log
from starlift.stages.beginning import History, first_batch, first_of
from starlift.stages.generations import Generations
from starlift.stages.load import fill
from starlift.stages.transform import Transformed, transform
from starlift.stages.watch import UNWATCHED, Watch


class Rebuildable(LiveWarehouse, History, Protocol):
    """A warehouse that readers see, and what its star has of the past."""


@dataclass(frozen=True)
class Parts:
    """What a rebuild works with. processed: the root of the processed lake. models:
    those of today. share: of a table's rows of a batch that may go into quarantine unasked. first: the
    checkpoint with which a person wants the star's history to begin; None: nothing of it may be lost."""

    ingestion: Lake
    processed: Lake
    warehouse: Rebuildable
    models: Sequence[Model]
    engine: Engine
    code_version: str
    share: float
    watch: Watch = UNWATCHED
    first: int | None = None

    @property
    def refs(self) -> list[ModelRef]:
        """What a manifest records of the models."""
        return [model.ref for model in self.models]


@dataclass
class Rebuilt:
    """What a rebuild did. changes: how models differ from those before, by name. transformed, loaded: the
    batches that this run made and loaded. first, seq: the first and the last batch of the star. published:
    tables that changed. held: why a batch that the star did not have before is not in it either."""

    generation: int
    changes: Mapping[str, str]
    transformed: list[Transformed] = field(default_factory=list)
    loaded: list[Loaded] = field(default_factory=list)
    first: int = 1
    seq: int = 0
    published: list[str] = field(default_factory=list)
    held: HeldError | None = None


def rebuild(parts: Parts, named: Sequence[str] = ()) -> Rebuilt:
    """Rebuild the star, and return when it is published.

    named: the models that may differ from those before; where some are named, no other may. Raises
    ConfigurationError where another differs, where there is nothing to rebuild from, or where the models,
    the DDL and the batches do not fit each other; HeldError where the lake has not all of the star's history
    and nobody said that it may be lost, where rows break a law or a key, or more rows of
    a batch would go into quarantine than may; LostRace where another rebuild is at it. Nothing of the star
    has changed then.
    """
    if log.head(parts.ingestion)[1] is None:
        raise ConfigurationError(f"there is no batch in the lake {parts.ingestion.root}", "starlift run")
    found = generations.find(parts.processed)
    before = _models(found.lake)
    differing = changes(parts.models, before) if before else {}
    _check_named(parts.models, named, differing)
    applied = parts.warehouse.applied()
    _check_origin(parts, found, applied)
    gone = [ref.name for ref in _models_of(found, applied) if ref.name not in {m.name for m in parts.models}]
    number = _number(parts, found, applied, differing)
    rebuilt = Rebuilt(number, differing, first=first_of(found.making(number)))
    with parts.warehouse.build as target:
        while not _publish(parts, found, target, rebuilt, gone):
            pass
    return rebuilt


def _publish(
    parts: Parts, found: Generations, target: BuildTarget, rebuilt: Rebuilt, gone: Sequence[str]
) -> bool:
    """Bring generation and target up to the newest batch and publish. Return False where the star came
    further meanwhile, by a run that began before the models changed.

    What the star has had is a part of the history, and is not held for what it takes away, nor for the rows
    that were let into quarantine before. A later batch that would be held is left to the next run.
    """
    lake = found.of(rebuilt.generation)
    live = parts.warehouse.applied()
    reached = live.seq if live else 0
    known = _LetThrough(parts, found, live)
    rebuilt.held = None
    try:
        rebuilt.transformed += _transform(parts, found, rebuilt.generation, known)
    except HeldError as error:
        rebuilt.held = _passed(error, log.head(lake)[0], reached)
    target.prepare(parts.refs)
    _require_own(parts, lake, target)
    try:
        past = range(reached + 1)
        rebuilt.loaded += fill(lake, target, parts.watch, past, known, parts.ingestion, reached)
    except HeldError as error:
        rebuilt.held = _passed(error, _seq(target), reached)
    target.check(parts.refs)
    parts.warehouse.rehearse(parts.refs)
    last = target.applied()
    if last is not None and not chain.has(lake, last):
        raise LostRace("another rebuild has begun anew", "nothing is lost; see: starlift status")
    rebuilt.seq = last.seq if last else 0
    generations.commit(parts.processed, rebuilt.generation, rebuilt.seq)
    digest = last.manifest_sha256 if last else None
    published = parts.warehouse.publish(parts.refs, gone, last=digest)
    rebuilt.published = published or []
    return published is not None


def _passed(error: HeldError, come: int, reached: int) -> HeldError:
    """Return the error if what the star has had is behind; else raise it. come: the batch that came last."""
    if reached and come >= reached:
        return error
    if isinstance(error, TooManyRejected):
        hint = f"correct the model or the star's DDL, then: {REBUILD}; or let them pass: {REBUILD} --release"
        raise TooManyRejected(error.message, hint) from error
    raise error


def _transform(parts: Parts, found: Generations, number: int, known: Container[int]) -> list[Transformed]:
    making = found.making(number) or {}
    adapt = partial(padded, shapes=_shapes(making))
    version = str(making.get("code_version", parts.code_version))
    lakes = parts.ingestion, found.of(number)
    hold = Hold(parts.share, known)
    first = first_of(making)
    return transform(*lakes, parts.models, parts.engine, version, parts.watch, hold, adapt, first)


def _require_own(parts: Parts, lake: Lake, target: BuildTarget) -> None:
    """Begin anew where what the target has is of another generation."""
    last = target.applied()
    if last is not None and not chain.has(lake, last):
        target.discard()
        target.prepare(parts.refs)


def _seq(target: BuildTarget) -> int:
    last = target.applied()
    return last.seq if last else 0


class _LetThrough:
    """The batches of which too many rows went into quarantine before, so that a person let them through."""

    def __init__(self, parts: Parts, found: Generations, live: Applied | None) -> None:
        self._share = parts.share
        self._live = live
        maker = found.maker(live) if live else None
        self._lake = found.of(maker) if maker is not None else None
        self._loads = cache(lambda: {load.seq: load.counts for load in parts.warehouse.loads(0)})

    def __contains__(self, seq: object) -> bool:
        if self._share >= 1:  # whatever it is
            return True
        if self._lake is None or self._live is None or not isinstance(seq, int) or seq > self._live.seq:
            return False
        data = self._lake.get(paths.manifest(seq))
        if data is None:  # expired
            return False
        counts = chain.processed(self._lake, seq, data).counts
        of = {table: count.read for table, count in counts.items()}
        made = {table: count.rejected for table, count in counts.items()}
        loaded = dict(self._loads().get(seq, {}).get("rejected", {}))
        return any(
            too_many({table: (bad, of.get(table, 0)) for table, bad in rejected.items()}, self._share)
            for rejected in (made, loaded)
        )


def _number(parts: Parts, found: Generations, applied: Applied | None, differing: Mapping[str, str]) -> int:
    """Return the generation to make: the current one where only publishing it is left."""
    left = found.current and not differing and applied and not chain.has(found.lake, applied)
    if left and parts.first in (None, first_of(found.making(found.current))):
        return found.current
    first = first_batch(parts.ingestion, parts.warehouse, parts.first)
    shapes = shapes_of(_landed(parts.ingestion, first))
    making = {
        "format": 1,
        **({"first": first} if first > 1 else {}),
        "code_version": parts.code_version,
        "models": generations.refs_document(parts.models),
        "shapes": {table: asdict(shape) for table, shape in shapes.items()},
    }
    return generations.begin(found, making)


def _landed(ingestion: Lake, first: int) -> Iterator[Manifest]:
    for seq, data in log.following(ingestion, first - 1):
        yield chain.landed(ingestion, seq, data)


def _shapes(making: Mapping[str, Any]) -> Shapes:
    return {
        table: Shape(tuple(Column(**column) for column in shape["columns"]), tuple(shape["key"]))
        for table, shape in making.get("shapes", {}).items()
    }


def _models(lake: Lake) -> tuple[ModelRef, ...]:
    seq, stored = log.head(lake)
    return chain.processed(lake, seq, stored).models if stored else ()


def _models_of(found: Generations, applied: Applied | None) -> tuple[ModelRef, ...]:
    """The models that made what the warehouse has."""
    maker = found.maker(applied) if applied else None
    if applied is None or maker is None:
        return ()
    lake = found.of(maker)
    return chain.processed(lake, applied.seq, log.read(lake, applied.seq)).models


def _check_origin(parts: Parts, found: Generations, applied: Applied | None) -> None:
    """A wrong address must not replace another pipeline's star. A processed lake that is empty was lost, and
    is made again."""
    if applied is None:
        return
    known = not log.head(found.lake)[0] or found.maker(applied) is not None
    if known and log.head(parts.ingestion)[0] >= applied.seq:
        return
    other = parts.ingestion if known else found.processed
    raise HeldError(
        f"batch {applied.seq} of the warehouse did not come from the lake {other.root}",
        "correct STARLIFT_INGESTION, STARLIFT_PROCESSED or STARLIFT_WAREHOUSE_URL, then: starlift rebuild",
    )


def _check_named(models: Sequence[Model], named: Sequence[str], differing: Mapping[str, str]) -> None:
    known = {model.name for model in models} | differing.keys()
    if unknown := [name for name in named if name not in known]:
        raise ConfigurationError(
            f"there is no model {', '.join(unknown)}; there are: {', '.join(sorted(known))}", REBUILD
        )
    if named and (others := [name for name in differing if name not in named]):
        told = "; ".join(f"model {name} {differing[name]}" for name in others)
        raise ConfigurationError(
            f"{told}, and is not among those named: a rebuild takes all models as they are",
            f"put it back, or name it too: {REBUILD} {' '.join([*named, *others])}",
        )

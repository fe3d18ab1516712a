"""The generations of the processed lake: each is the whole lake, made of the ingestion lake by other models.

Generation 0 is the lake's root; generation n has the same layout under `generations/<n>/`. A rebuild makes
the next one and commits it by a marker, put if absent; the committed one of the highest number is the
current one, which every stage reads and writes. Older ones, and those that were never committed, are of no
more use; of them only `begun.json` and `committed.json` have to stay, by which the current one is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from starlift.core import paths
from starlift.core.manifest import canonical
from starlift.core.models import Model
from starlift.errors import HeldError, LostRace
from starlift.ports import Applied, Lake
from starlift.stages import chain, log


@dataclass(frozen=True)
class Within:
    """The part of a lake under a prefix, as a lake."""

    whole: Lake
    prefix: str

    @property
    def root(self) -> str:
        """The address of the part."""
        return f"{self.whole.root.rstrip('/')}/{self.prefix.rstrip('/')}"

    def get(self, key: str) -> bytes | None:
        """As `Lake.get`."""
        return self.whole.get(self.prefix + key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """As `Lake.put_if_absent`."""
        return self.whole.put_if_absent(self.prefix + key, data)

    def put(self, key: str, data: bytes) -> None:
        """As `Lake.put`."""
        self.whole.put(self.prefix + key, data)

    def keys(self, prefix: str) -> Iterator[str]:
        """As `Lake.keys`."""
        return (key.removeprefix(self.prefix) for key in self.whole.keys(self.prefix + prefix))

    def delete(self, key: str) -> None:
        """As `Lake.delete`."""
        self.whole.delete(self.prefix + key)


@dataclass(frozen=True)
class Generations:
    """What generations a processed lake has.

    current: the number of the one in use. begun: the highest number that was begun; above `current` it is
    that of a rebuild that is under way or was interrupted.
    """

    processed: Lake
    current: int
    begun: int

    @property
    def lake(self) -> Lake:
        """The current generation."""
        return self.of(self.current)

    def of(self, number: int) -> Lake:
        """Return a generation as a lake."""
        return Within(self.processed, paths.generation(number)) if number else self.processed

    def making(self, number: int) -> dict[str, Any] | None:
        """Return what a generation was begun with, None where it was not. Raises HeldError."""
        data = self.processed.get(paths.begun(number))
        if data is None:
            return None
        try:
            document: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise HeldError(
                f"{paths.begun(number)} in the lake {self.processed.root} cannot be read: {error}",
                "restore it (an earlier version, a backup), then: starlift run",
            ) from error
        return document

    def loaded(self, applied: Applied | None) -> Lake:
        """Return the generation that the warehouse has, the current one where it has nothing of any."""
        maker = self.maker(applied) if applied else None
        return self.lake if maker is None else self.of(maker)

    def maker(self, applied: Applied) -> int | None:
        """Return the newest generation, the current or an older one, that the last batch of a warehouse is
        of; None where it is of none."""
        for number in range(self.current, -1, -1):
            if chain.has(self.of(number), applied):
                return number
        return None


class Current:
    """The current generation of a processed lake, as a lake. Which one it is is found when it is first used,
    and does not change then: a process sees one generation."""

    def __init__(self, processed: Lake) -> None:
        """processed: the root of the lake."""
        self.whole = processed

    @cached_property
    def generations(self) -> Generations:
        """What generations there are. Raises UnavailableError."""
        return find(self.whole)

    @property
    def root(self) -> str:
        """The address of the processed lake as configured."""
        return self.whole.root

    def get(self, key: str) -> bytes | None:
        """As `Lake.get`."""
        return self.generations.lake.get(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """As `Lake.put_if_absent`."""
        return self.generations.lake.put_if_absent(key, data)

    def put(self, key: str, data: bytes) -> None:
        """As `Lake.put`."""
        self.generations.lake.put(key, data)

    def keys(self, prefix: str) -> Iterator[str]:
        """As `Lake.keys`."""
        return self.generations.lake.keys(prefix)

    def delete(self, key: str) -> None:
        """As `Lake.delete`."""
        self.generations.lake.delete(key)


def refs_document(models: Sequence[Model]) -> list[dict[str, Any]]:
    """Return how a generation's `begun.json` names the models that make it."""
    refs = (asdict(model.ref) for model in sorted(models, key=lambda model: model.name))
    return [{**ref, "key": list(ref["key"])} for ref in refs]


def find(processed: Lake) -> Generations:
    """Return what generations there are: two GETs for a lake that was never rebuilt. processed: its root."""
    current = log.hinted(processed, paths.GENERATION)
    if current and processed.get(paths.committed(current)) is None:
        current = 0
    begun = current
    while _is_begun(processed, begun + 1):
        begun += 1
        if processed.get(paths.committed(begun)) is not None:
            current = begun
    return Generations(processed, current, begun)


def _is_begun(processed: Lake, number: int) -> bool:
    """Ask by GET, and only what is there by a listing too: a server that is no lake's answers the one with a
    page, whatever it is asked, and fails the other."""
    key = paths.begun(number)
    return processed.get(key) is not None and key in processed.keys(key)


def begin(generations: Generations, making: Mapping[str, Any]) -> int:
    """Return the number of a generation to make: the one begun with the same, else a new one.

    making: everything but the ingestion lake that it depends on. Raises LostRace where another rebuild
    takes the number.
    """
    found, number = generations.processed, generations.begun
    document = canonical(dict(making))
    if number > generations.current and found.get(paths.begun(number)) == document:
        return number
    number += 1
    if not found.put_if_absent(paths.begun(number), document) and found.get(paths.begun(number)) != document:
        raise LostRace(
            f"another rebuild has begun generation {number} of the lake {found.root}",
            "nothing is lost; see: starlift status",
        )
    return number


def commit(processed: Lake, number: int, seq: int) -> None:
    """Make a generation the current one, for good. seq: the last batch that it has."""
    processed.put_if_absent(paths.committed(number), canonical({"format": 1, "seq": seq}))
    processed.put(paths.GENERATION, f"{number}\n".encode())

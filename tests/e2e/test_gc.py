"""Garbage collection: it removes what can be shown to be of no use, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from starlift.adapters.folder import FolderLake
from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.manifest import sha256
from starlift.errors import ConfigurationError, HeldError
from starlift.ports import Applied
from starlift.stages.collect import Found, Wish, find, remove
from tests.e2e.project import Project

EVER = Wish(math.inf)
"""However young."""

DEAD = "20241120T120000Z-dead"
DIGEST = "0123456789abcdef"


class Place:
    """Both lakes of a pipeline with a history of three batches, in memory, to be littered."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.ingestion, self.processed = MemoryLake("ingestion"), MemoryLake("processed")
        for lake, folder in zip((self.ingestion, self.processed), folders.values(), strict=True):
            for key in (source := FolderLake(folder)).keys(""):
                lake.put(key, source.get(key) or b"")

    @property
    def applied(self) -> Applied:
        """What the warehouse has: the third batch of the first generation."""
        newest = self.processed.get(paths.manifest(3)) or b""
        return Applied(3, "incremental", sha256(newest), None, "")

    def find(self, wish: Wish = EVER, applied: Applied | None = None) -> Found:
        """Return what may go."""
        return find(self.ingestion, self.processed, applied or self.applied, wish)

    def copy_to_generation(self, number: int) -> None:
        """Give the processed lake a generation with the same batches."""
        for key in [key for key in self.processed.keys("") if not key.startswith("generations/")]:
            self.processed.put(paths.generation(number) + key, self.processed.get(key) or b"")
        self.processed.put(paths.begun(number), b"{}")


@pytest.fixture
def place(eventful: Project) -> Place:
    """Both lakes as they were written."""
    return Place(eventful.lakes)


def keys(found: Found) -> dict[str, list[str]]:
    """Return the keys of what goes, by the reason."""
    by_why: dict[str, list[str]] = {}
    for doomed in found.doomed:
        by_why.setdefault(doomed.why, []).append(doomed.stored.key)
    return by_why


def test_of_lakes_without_litter_nothing_goes(place: Place) -> None:
    found = place.find()
    assert (found.doomed, found.stays) == ([], {})


def test_what_the_manifest_of_its_batch_does_not_name_goes_once_it_is_old(place: Place) -> None:
    orphans = [
        paths.data("staff", 2, DEAD, 0),
        paths.inventory("staff", 3, DEAD, 0),
        paths.star("dim_staff", 1, DIGEST),
        paths.snapshot("staff", 2, DIGEST),
    ]
    for lake, key in zip((place.ingestion,) * 2 + (place.processed,) * 2, orphans, strict=True):
        lake.put(key, b"rows")
    found = place.find()
    assert sorted(keys(found)["orphan"]) == sorted(orphans)
    assert {key.rpartition("/")[0] for key in found.stays} == set()
    assert len(place.find(Wish(0)).stays["young"]) == len(orphans)
    before = [*place.ingestion.keys(""), *place.processed.keys("")]
    remove(found)
    left = [*place.ingestion.keys(""), *place.processed.keys("")]
    assert left == [key for key in before if key not in orphans]


def test_what_a_run_may_be_about_to_commit_stays_however_old(place: Place) -> None:
    for seq in (4, 9):
        place.ingestion.put(paths.data("staff", seq, DEAD, 0), b"rows")
        place.processed.put(paths.star("dim_staff", seq, DIGEST), b"rows")
    found = place.find()
    assert (found.doomed, len(found.stays["waiting"])) == ([], 4)


def test_what_cannot_be_explained_stays(place: Place) -> None:
    place.ingestion.put("data/readme.txt", b"mine")
    place.processed.put(f"ledger/staff/seq={2:020d}/mine.parquet", b"mine")
    place.ingestion.delete(paths.manifest(2))
    found = place.find()
    assert (found.doomed, len(found.stays["unknown"])) == ([], 2)
    assert {f"seq={2:020d}" in key for key in found.stays["unexplained"]} == {True}
    place.ingestion.put(paths.manifest(3), b"{}")
    with pytest.raises(HeldError, match=paths.manifest(3)):
        place.find()


def test_of_a_generation_that_is_replaced_all_goes_but_how_the_current_one_is_found(place: Place) -> None:
    first = list(place.processed.keys(""))
    for number in (1, 2, 3):
        place.copy_to_generation(number)
    place.processed.put("notes.txt", b"mine")
    place.processed.put(paths.committed(1), b"{}")
    unpublished = place.find(applied=replace(place.applied, manifest_sha256="of another"))
    # the second was abandoned, the third may be under way
    second = [paths.generation(2) + key for key in first]
    assert sorted(keys(unpublished)["generation"]) == sorted(second)
    assert sorted(unpublished.stays["unpublished"]) == sorted(f"memory://processed/{key}" for key in first)
    assert place.find(Wish(0)).doomed == []
    found = place.find()
    assert sorted(keys(found)["generation"]) == sorted([*first, *second])
    assert found.stays["unknown"] == ["memory://processed/notes.txt"]
    remove(found)
    left = set(place.processed.keys(""))
    assert {paths.begun(1), paths.committed(1), paths.begun(2), paths.begun(3), "notes.txt"} <= left
    assert {key for key in left if key.startswith(paths.generation(3))} == {
        paths.begun(3), *(paths.generation(3) + key for key in first),
    }  # fmt: skip
    assert keys(place.find()) == {}


def test_batches_go_only_before_a_checkpoint(place: Place) -> None:
    for seq in (1, 2, 4):
        with pytest.raises(ConfigurationError, match=f"batch {seq} of the lake .* is no checkpoint"):
            place.find(Wish(math.inf, before=seq))

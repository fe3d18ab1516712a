"""The log of both lakes: whatever object is missing, edited or exchanged is found, and by name."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from starlift.adapters.folder import FolderLake
from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.manifest import Manifest
from starlift.stages.walking import Walked, walk
from tests.e2e.project import Project

Lakes = dict[str, dict[str, bytes]]
"""What each lake holds, by key."""

BATCH = re.compile(r"seq=(\d{20})/|manifests/(\d{20})\.json")


@pytest.fixture(scope="session")
def written(eventful: Project) -> Lakes:
    """Both lakes of a pipeline with a history, but for what no manifest names."""
    found: Lakes = {}
    for name, folder in eventful.lakes.items():
        lake = FolderLake(folder)
        found[name] = {key: lake.get(key) or b"" for key in lake.keys("") if BATCH.search(key)}
    return found


@pytest.fixture(scope="session")
def digests(eventful: Project) -> dict[int, str]:
    """What the warehouse knows of the manifests."""
    rows = eventful.query("SELECT seq, manifest_sha256 FROM starlift.applied")
    return {int(seq): str(digest) for seq, digest in rows}


def lake_of(name: str, objects: dict[str, bytes]) -> MemoryLake:
    """Return a lake that holds some objects."""
    lake = MemoryLake(name)
    for key, data in objects.items():
        lake.put(key, data)
    return lake


def walked(lakes: Lakes, digests: dict[int, str]) -> Walked:
    """Walk lakes that hold some objects."""
    ingestion, processed = (lake_of(name, lakes[name]) for name in ("ingestion", "processed"))
    return walk(ingestion, processed, digests)


def fault(lakes: Lakes, digests: dict[int, str]) -> str:
    """Walk lakes that are not as they were written; return what is said."""
    error = walked(lakes, digests).fault
    assert error
    assert (error.exit_code, error.hint.endswith("starlift verify-log")) == (4, True)
    return error.message


def with_object(lakes: Lakes, lake: str, key: str, data: bytes | None) -> Lakes:
    """Return the lakes with one object replaced, or taken away."""
    others = {name: value for name, value in lakes[lake].items() if name != key}
    return {**lakes, lake: others if data is None else {**others, key: data}}


def every(lakes: Lakes) -> list[tuple[str, str]]:
    """Return lake and key of every object."""
    return [(lake, key) for lake, objects in lakes.items() for key in objects]


def test_lakes_that_are_as_they_were_written_are_walked_from_end_to_end(
    written: Lakes, digests: dict[int, str]
) -> None:
    told = walked(written, digests)
    assert told.fault is None
    assert (told.first, told.landed, told.transformed, told.applied) == (1, 3, 3, 3)
    assert told.objects == len(every(written))
    assert told.bytes == sum(len(data) for objects in written.values() for data in objects.values())


CHANGES: dict[str, Callable[[bytes], bytes | None]] = {
    "deleted": lambda _: None,
    "cut": lambda data: data[:-1],
    "edited": lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_object_is_changed_it_is_the_one_that_is_named(
    written: Lakes, digests: dict[int, str], change: str
) -> None:
    for lake, key in every(written):
        changed = with_object(written, lake, key, CHANGES[change](written[lake][key]))
        message = fault(changed, digests)
        assert key in message, message
        assert f"memory://{lake}" in message, message


def test_a_manifest_that_was_edited_well_is_the_one_that_is_named(
    written: Lakes, digests: dict[int, str]
) -> None:
    for lake, key in every(written):
        if key.startswith("manifests/"):
            edited = written[lake][key].replace(b'"code_version":"', b'"code_version":"9')
            message = fault(with_object(written, lake, key, edited), digests)
            assert message.startswith(f"manifest {key} in the lake memory://{lake} is not as it was written")


def test_two_manifests_that_were_exchanged_are_found(written: Lakes, digests: dict[int, str]) -> None:
    second, third = paths.manifest(2), paths.manifest(3)
    for lake, objects in written.items():
        exchanged = {**objects, second: objects[third], third: objects[second]}
        message = fault({**written, lake: exchanged}, digests)
        assert message == f"manifest {second} in the lake memory://{lake} is that of batch 3"


def test_two_objects_of_rows_that_were_exchanged_are_found(written: Lakes, digests: dict[int, str]) -> None:
    objects = written["ingestion"]
    first, other = (file.key for file in Manifest.decode(objects[paths.manifest(1)]).files[:2])
    exchanged = {**objects, first: objects[other], other: objects[first]}
    assert f"object {first} of table " in fault({**written, "ingestion": exchanged}, digests)


def test_of_several_the_first_is_named(written: Lakes, digests: dict[int, str]) -> None:
    lakes = written
    for number in (3, 2):
        lakes = with_object(lakes, "processed", paths.manifest(number), None)
    assert paths.manifest(2) in fault(lakes, digests)


def test_what_the_warehouse_has_applied_must_be_what_the_lake_has(
    written: Lakes, digests: dict[int, str]
) -> None:
    for seq in digests:
        message = fault(written, {**digests, seq: "0" * 64})
        assert f"row {seq} of starlift.applied in the warehouse" in message
    more = {**digests, 4: "0" * 64}
    assert f"manifest {paths.manifest(4)} in the lake memory://ingestion is missing" == fault(written, more)


def test_a_newest_manifest_that_is_gone_is_told_by_what_came_of_it_or_by_the_hint(
    written: Lakes, digests: dict[int, str]
) -> None:
    key = paths.manifest(3)
    gone = with_object(written, "ingestion", key, None)
    assert f"manifest {key} in the lake memory://ingestion is missing" == fault(gone, digests)
    gone = with_object(with_object(gone, "processed", key, None), "ingestion", paths.HEAD, b"3\n")
    digests = {seq: digest for seq, digest in digests.items() if seq < 3}
    assert f"manifest {key} in the lake memory://ingestion is missing" == fault(gone, digests)


def test_lakes_without_a_batch_have_nothing_to_verify() -> None:
    assert walked({"ingestion": {}, "processed": {}}, {}) == Walked()


def test_batches_that_wait_are_walked_as_far_as_they_came(written: Lakes, digests: dict[int, str]) -> None:
    waiting = with_object(written, "processed", paths.manifest(3), None)
    told = walked(waiting, {seq: digest for seq, digest in digests.items() if seq < 2})
    assert (told.landed, told.transformed, told.applied, told.fault) == (3, 2, 1, None)


def test_the_command_names_the_object_and_ends_with_4(lived: Project) -> None:
    ran = lived.starlift("verify-log")
    assert (ran.code, ran.document["landed"], ran.stderr) == (0, 3, "")
    file = next(lived.lakes["processed"].glob("fact_sales_order/*/*.parquet"))
    file.unlink()
    ran = lived.starlift("verify-log")
    assert ran.code == 4
    assert str(file.relative_to(lived.lakes["processed"])) in ran.document["error"]["message"]

"""A manifest is used only if it is whole, of its number and next in its chain; whatever else lies there is
named and holds the pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core.manifest import Identity, Manifest, ModelRef, Processed, sha256
from starlift.errors import HeldError
from starlift.ports import Lake
from starlift.stages import chain

NOW = "2024-11-15 12:00:00+00:00"
LAKE = MemoryLake("ingestion")

FIRST = Manifest(
    "totesys", 1, "bootstrap", "run", "1", None, NOW, NOW, Identity("1", 1, "0/1"), "1:1:", {}, {}, {}, {}
)
SECOND = replace(FIRST, seq=2, kind="incremental", previous_sha256=sha256(FIRST.encode()))
MODEL = ModelRef("dim_staff", "dimension", ("staff_id",), "staff", "digest")
MADE = Processed("totesys", 1, "bootstrap", "1", None, sha256(FIRST.encode()), NOW, NOW, (MODEL,), {}, {})


def without(data: bytes, field: str) -> bytes:
    document = json.loads(data)
    del document[field]
    return json.dumps(document).encode()


def test_a_manifest_that_is_as_it_was_written_is_read() -> None:
    assert chain.landed(LAKE, 1, FIRST.encode()) == FIRST
    assert chain.landed(LAKE, 2, SECOND.encode(), sha256(FIRST.encode())) == SECOND
    assert chain.processed(LAKE, 1, MADE.encode()) == MADE


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: data[:0],
    "cut": lambda data: data[: len(data) // 2],
    "no text": lambda data: data[:-3] + b"\xff\xff}",
    "a page": lambda data: b"<p>Your proxy denies access" + data[:0],
    "a list": lambda data: b"[" + data + b"]",
    "a text": lambda data: json.dumps(data.decode()).encode(),
    "no number": lambda data: without(data, "seq"),
    "a field gone": lambda data: without(data, "fingerprints"),
    "a field more": lambda data: data.replace(b'"clock"', b'"clack"'),
    "another kind of field": lambda data: data.replace(b'"counts":{}', b'"counts":{"staff":[1]}'),
    "another format": lambda data: data.replace(b'"format":1', b'"format":2'),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("read", "manifest"), [(chain.landed, FIRST), (chain.processed, MADE)])
def test_a_damaged_manifest_is_named_and_holds_the_pipeline(
    read: Callable[[Lake, int, bytes], object], manifest: Manifest | Processed, damage: str
) -> None:
    damaged = DAMAGES[damage](manifest.encode())
    assert damaged != manifest.encode()
    with pytest.raises(HeldError) as held:
        read(LAKE, 1, damaged)
    name = "manifest manifests/00000000000000000001.json in the lake memory://ingestion"
    assert held.value.message.startswith(f"{name} cannot be read: ")
    assert held.value.hint.endswith("then: starlift run")


def test_a_manifest_under_another_number_is_none() -> None:
    with pytest.raises(HeldError, match=r"00002\.json in the lake .* is that of batch 1"):
        chain.landed(LAKE, 2, FIRST.encode())


def test_a_manifest_that_does_not_follow_the_one_before_is_none() -> None:
    altered = replace(FIRST, run_id="another").encode()
    with pytest.raises(HeldError, match=r"00002\.json in the lake .* does not follow the one before it"):
        chain.landed(LAKE, 2, SECOND.encode(), sha256(altered))


def test_a_batch_that_was_made_of_other_bytes_is_told() -> None:
    lakes = LAKE, MemoryLake("processed")
    chain.check_origin(lakes, MADE, FIRST.encode())
    with pytest.raises(HeldError, match="batch 1 of the lake memory://processed was not made of that of"):
        chain.check_origin(lakes, MADE, SECOND.encode())

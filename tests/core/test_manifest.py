"""Manifests: what is written is read back, and equal content has equal bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from starlift.core import paths
from starlift.core.manifest import (
    Chunk,
    Column,
    Counts,
    File,
    Identity,
    Inventory,
    Manifest,
    ModelRef,
    Processed,
    Snapshot,
    TableState,
    canonical,
)

FILE = File("item", "data/item/seq=1/x.jsonl.zst", 10, "ab" * 32, 2)
INVENTORY = Inventory("buckets", ((7, 2, "-12"),), (7,), ("(1)",), (FILE,))
CHUNK = Chunk(("5", "é"), whole=True, rows=3, W=None, px="9", px_at="2024-01-01 00:00:00.000000+00:00")
MANIFEST = Manifest(
    source="shop",
    seq=2,
    kind="incremental",
    run_id="r",
    code_version="0",
    previous_sha256="cd" * 32,
    clock="2024-01-01 00:00:00.000000+00:00",
    complete_to=None,
    identity=Identity("7", 1, "0/1"),
    snapshot="10:10:",
    tables={
        "item": TableState("xid", ("id", "é"), (16384,), px="10", overlap={"xid": (3, "-5")}),
        "part": TableState("xid", ("id",), (16385,), chunk=CHUNK),
        "new": TableState("xid", ("id",), (16386,), chunk=Chunk(None, whole=False, rows=0)),
    },
    schema={"item": (Column("id", "integer"),)},
    fingerprints={"item": "ef"},
    keys={"item": ("id",)},
    files=(FILE,),
    counts={"item": Counts(2, 2, 0)},
    passes={"item": "xid"},
    watermark_holder={"pid": 5, "user": "x", "since": "2024-01-01 00:00:00+00:00"},
    inventory={"item": INVENTORY},
    served=("a",),
    dropped={"item": {"(1)": "a test order"}},
    held={"part": "column part.id is gone"},
    partial=True,
    unnamed={"item": ("later", "é")},
    added={"item": ("é",)},
    rekeyed=("item",),
)
PROCESSED = Processed(
    source="shop",
    seq=2,
    kind="incremental",
    code_version="0",
    previous_sha256=None,
    ingestion_sha256="ab" * 32,
    clock="2024-01-01 00:00:00.000000+00:00",
    complete_to=None,
    models=(ModelRef("dim_item", "dimension", ("id",), "item", "ff"),),
    snapshots={"item": Snapshot(1, (FILE,))},
    fingerprints={"item": "ef"},
    star=(FILE,),
    filled=(FILE,),
    counts={"item": Counts(2, 1, 1)},
    inventory={"item": INVENTORY},
    source_rows={"item": 3},
    dropped={"item": {"(1)": "a test order"}},
    partial=True,
    rekeyed=("item",),
)


def test_an_ingestion_manifest_is_read_back_as_it_was_written() -> None:
    assert Manifest.decode(MANIFEST.encode()) == MANIFEST


def test_a_processed_manifest_is_read_back_as_it_was_written() -> None:
    assert Processed.decode(PROCESSED.encode()) == PROCESSED


EARLIER = {"inventory", "served", "dropped", "held", "partial", "filled", "added", "rekeyed"}


def test_a_batch_of_an_earlier_version_is_read_as_one_without_what_is_new() -> None:
    for manifest in (MANIFEST, PROCESSED):
        earlier = {
            name: value for name, value in json.loads(manifest.encode()).items() if name not in EARLIER
        }
        if "served" in vars(manifest):
            earlier |= {"inventory": None, "served": []}
            for state in earlier["tables"].values():
                del state["chunk"]
        read = type(manifest).decode(canonical(earlier))
        assert (read.inventory, read.dropped, read.partial) == ({}, {}, False)


def test_equal_content_has_equal_bytes_whatever_the_order_of_keys() -> None:
    assert canonical({"a": 1, "b": {"c": 2, "d": 3}}) == canonical({"b": {"d": 3, "c": 2}, "a": 1})


@pytest.mark.parametrize("kind", [Manifest, Processed])
def test_another_format_version_is_refused(kind: type[Manifest] | type[Processed]) -> None:
    later = replace(MANIFEST if kind is Manifest else PROCESSED, format=99)
    with pytest.raises(ValueError, match="format 99, this version reads 1"):
        kind.decode(later.encode())


def test_names_of_objects_sort_as_their_sequence_numbers_do() -> None:
    names = [paths.manifest(seq) for seq in (1, 2, 10, 99, 100, 10**19)]
    assert names == sorted(names)


def test_every_kind_of_object_has_a_place_of_its_own() -> None:
    digest = "0123456789abcdef" * 4
    places = [
        make("t", 1, digest)
        for make in (paths.star, paths.filled, paths.ledger, paths.snapshot, paths.quarantine)
    ]
    places += [paths.data("t", 1, "r", 0), paths.inventory("t", 1, "r", 0)]
    places += [paths.request("01H"), paths.manifest(1), paths.begun(1)]
    assert len({place.rsplit("/", 1)[0] for place in places}) == len(places)
    assert {place.split("/")[0] for place in places} - {"t"} == paths.RESERVED
    assert {paths.HEAD.split("/")[0], paths.GENERATION.split("/")[0]} <= paths.RESERVED
    assert paths.generation(0) == ""
    assert paths.committed(2).startswith(paths.generation(2))

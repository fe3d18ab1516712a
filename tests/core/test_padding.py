"""Batches of before a table or a column was taken can be read as if it had been."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlift.core.manifest import Column, Counts, File, Identity, Manifest
from starlift.core.padding import Shape, padded, shapes_of

NOW = "2024-11-15 12:00:00+00:00"
ID, NAME, WIDE, AGE = (
    Column("id", "integer"),
    Column("n", "text"),
    Column("id", "bigint"),
    Column("age", "integer"),
)


def manifest(**schema: tuple[Column, ...]) -> Manifest:
    """A batch that takes tables with some columns, and has a file of each."""
    parts: dict[str, Any] = {
        "schema": schema,
        "keys": dict.fromkeys(schema, ("id",)),
        "fingerprints": dict.fromkeys(schema, "f"),
        "counts": dict.fromkeys(schema, Counts(1, 1, 0)),
        "passes": dict.fromkeys(schema, "whole"),
        "files": tuple(File(table, f"data/{table}", 1, "0", 1) for table in schema),
    }
    identity = Identity("1", 1, "0/1")
    return Manifest("s", 1, "incremental", "run", "test", None, NOW, NOW, identity, "1:1:", {}, **parts)


def test_of_no_batch_there_are_no_shapes() -> None:
    assert shapes_of([]) == {}


def test_a_shape_has_the_columns_of_the_newest_batch_with_the_types_with_which_they_came() -> None:
    shapes = shapes_of(
        [manifest(a=(ID,), gone=(ID,)), manifest(a=(AGE, WIDE, NAME)), manifest(a=(NAME, WIDE, AGE), b=(ID,))]
    )
    assert shapes == {"a": Shape((NAME, ID, AGE), ("id",)), "b": Shape((ID,), ("id",))}


def test_a_batch_is_padded_with_what_it_was_taken_without() -> None:
    shapes = {"a": Shape((NAME, ID, AGE), ("id",)), "b": Shape((ID,), ("other",))}
    assert padded(manifest(), shapes).schema == {"a": (NAME, ID, AGE), "b": (ID,)}
    made = padded(manifest(a=(WIDE, Column("own", "text"))), shapes)
    assert made.schema == {"a": (NAME, WIDE, AGE, Column("own", "text")), "b": (ID,)}
    assert made.keys == {"a": ("id",), "b": ("other",)}
    assert [file.table for file in made.files] == ["a"]
    assert list(made.counts) == ["a"]


def test_what_is_taken_no_more_is_left_out_of_a_batch() -> None:
    made = padded(manifest(a=(ID,), gone=(ID,)), {"a": Shape((ID,), ("id",))})
    assert made == manifest(a=(ID,))


def test_what_a_table_had_under_another_key_is_left_out() -> None:
    batch = replace(manifest(a=(WIDE, NAME), b=(ID,)), rekeyed=("a", "b"))
    made = padded(batch, {"a": Shape((ID, NAME), ("n",)), "b": Shape((ID,), ("id",))})
    assert made.schema == {"a": (ID, NAME), "b": (ID,)}
    assert made.keys == {"a": ("n",), "b": ("id",)}
    assert ([file.table for file in made.files], list(made.counts), made.rekeyed) == (["b"], ["b"], ("b",))


def test_a_batch_that_lacks_nothing_stays_as_it_is() -> None:
    batch = manifest(a=(NAME, WIDE), b=(ID,))
    assert padded(batch, shapes_of([batch])) == batch

"""Batches of before a table or a column was taken, as the models of today read them.

A table that a batch was taken without is empty in it; a column is NULL, of the type with which it came.
What is taken no more is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlift.core.manifest import Column, Manifest


@dataclass(frozen=True)
class Shape:
    """A source table as it is taken. columns: in hash order, each with the type with which it came."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]


Shapes = Mapping[str, Shape]
"""Shapes by table: those of the newest batch."""

_BY_TABLE = ("tables", "fingerprints", "counts", "passes", "inventory", "dropped", "held", "unnamed", "added")
"""Parts of a manifest that are by table, beside its schema and keys."""


def shapes_of(manifests: Iterable[Manifest]) -> dict[str, Shape]:
    """Return the shapes of the tables that the last of the manifests takes. manifests: all, oldest first."""
    first: dict[tuple[str, str], Column] = {}
    newest = None
    for newest in manifests:
        for table, columns in newest.schema.items():
            for column in columns:
                first.setdefault((table, column.name), column)
    if newest is None:
        return {}
    return {
        table: Shape(tuple(first[table, column.name] for column in columns), newest.keys[table])
        for table, columns in newest.schema.items()
    }


def padded(manifest: Manifest, shapes: Shapes) -> Manifest:
    """Return a manifest as if the tables and columns of the shapes, and no other table, had been taken.

    A column that the batch has keeps its own type; one that only the batch has stays, after the others. What
    a table had under another key is left out: it was read whole when it got the one of today.
    """
    kept = {table for table in shapes if manifest.keys.get(table, shapes[table].key) == shapes[table].key}
    of_today: dict[str, Any] = {
        part: {table: value for table, value in getattr(manifest, part).items() if table in kept}
        for part in _BY_TABLE
    }
    return replace(
        manifest,
        **of_today,
        schema={
            table: _columns(manifest.schema.get(table, ()) if table in kept else (), shape)
            for table, shape in shapes.items()
        },
        keys={table: shape.key for table, shape in shapes.items()},
        files=tuple(file for file in manifest.files if file.table in kept),
        rekeyed=tuple(table for table in manifest.rekeyed if table in kept),
    )


def _columns(own: Iterable[Column], shape: Shape) -> tuple[Column, ...]:
    left = {column.name: column for column in own}
    return (*(left.pop(column.name, column) for column in shape.columns), *left.values())

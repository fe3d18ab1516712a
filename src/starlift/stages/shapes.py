"""The shapes in which a poll finds the tables: which of them it reads, and which it holds.

A table that drifted is held for itself: it keeps the state, the schema and the key of the last batch, and
the others go on. What the models cannot be made of is asked before a batch has it for ever: where it is
the source that changed a table so, that table is held too; where it is the configuration, nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from starlift.core.config import PipelineConfig
from starlift.core.drift import Taken, known, take
from starlift.core.manifest import Column, Manifest
from starlift.core.source_check import seen_as
from starlift.errors import ConfigurationError, DriftError
from starlift.ports import Preflight

Schema = Mapping[str, tuple[Column, ...]]
Keys = Mapping[str, tuple[str, ...]]

Approve = Callable[[Schema, Keys, Collection[str]], None]
"""Asked of schemas and keys by table before a batch is the first to have them, and of the tables whose key
is declared otherwise than in the last; raises to refuse them."""


@dataclass
class Shapes:
    """What a poll makes of the tables. schema, keys: of all tables, of a held one as the last batch had
    them. taken: those that are read. held: why the others are not."""

    schema: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    held: dict[str, DriftError] = field(default_factory=dict)

    @property
    def rekeyed(self) -> tuple[str, ...]:
        """Tables whose rows may have other key texts than before."""
        return tuple(name for name, taken in self.taken.items() if taken.rekeyed)


def find_shapes(
    config: PipelineConfig,
    previous: Manifest | None,
    preflight: Preflight,
    approve: Approve,
    accept: Collection[str] = (),
) -> Shapes:
    """Return the shapes of all tables. accept: tables that a person takes as they are.

    Raises ConfigurationError for a table that was never there, for what cannot be accepted, and what
    `approve` raises of a shape that the configuration asks for.
    """
    shapes = Shapes()
    for name, spec in config.tables.items():
        before, found = known(previous, name), preflight.tables.get(name)
        if before:
            shapes.schema[name], shapes.keys[name] = before.columns, before.key
        try:
            taken = take(spec, found, before, preflight.hmac_key, accepted=name in accept)
        except DriftError as error:
            shapes.held[name] = error
        else:
            shapes.taken[name] = taken
            if not taken.by_source:
                shapes.schema[name], shapes.keys[name] = taken.columns, taken.spec.key
    _ask(shapes, previous, approve)
    return shapes


def require_same(tables: Mapping[str, Taken], before: Preflight, after: Preflight) -> None:
    """Raise DriftError where a table that was read is not what it was when the poll began.

    before, after: what the catalogue showed before the snapshot and when all was read. A change in between
    may be in the rows but not in the schema under which they would be landed; and a table that was written
    anew by ALTER TABLE looks empty to a snapshot of before.
    """
    for name, taken in tables.items():
        if seen_as(taken.spec, before.tables.get(name)) != seen_as(taken.spec, after.tables.get(name)):
            raise DriftError(f"table {name} changed its shape while it was being read", "starlift run")


def _ask(shapes: Shapes, previous: Manifest | None, approve: Approve) -> None:
    """Ask for all that changed; where that is refused, for what the configuration changed, and then for each
    table that the source changed, which is held if it is at fault."""
    changed = {name: taken.columns for name, taken in shapes.taken.items() if taken.by_source}
    others = _redeclared(shapes, previous)
    together = {**shapes.schema, **changed}
    if previous is not None and (previous.schema, previous.keys) == (together, shapes.keys):
        return
    try:
        approve(together, shapes.keys, others)
    except ConfigurationError:
        if not changed:
            raise
    else:
        shapes.schema.update(changed)
        return
    approve(shapes.schema, shapes.keys, others)
    for name, columns in changed.items():
        try:
            approve({**shapes.schema, name: columns}, shapes.keys, others)
        except ConfigurationError as error:
            shapes.held[name] = DriftError(error.message, error.hint)
            del shapes.taken[name]
        else:
            shapes.schema[name] = columns


def _redeclared(shapes: Shapes, previous: Manifest | None) -> list[str]:
    """Tables whose key is declared otherwise than in the last batch."""
    before = previous.keys if previous else {}
    return [name for name, key in shapes.keys.items() if before.get(name, key) != key]

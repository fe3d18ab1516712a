"""What became of a table's shape since the last batch, and whether the table goes on or is held.

| in the source | the table |
|---|---|
| a column that nothing names | ignored and reported; or taken, where `new_columns = "add"` |
| a type widened (`starlift.core.widening`) | goes on, read whole |
| a column dropped, renamed, narrowed, retyped | held |
| the key no longer unique, or declared otherwise | held |
| the table gone, or a view in its place | held |

A held table is not read and keeps its state, so once its shape is put back the next poll misses nothing.
A changed type and another key can also be accepted by a person; then the table is read whole as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlift.core.config import TableSpec
from starlift.core.manifest import Column, Manifest, TableState
from starlift.core.source_check import (
    HMAC,
    SourceTable,
    check_table,
    is_time,
    kind_of,
    shape_of,
    takeable,
    unnamed_columns,
)
from starlift.core.widening import widening
from starlift.errors import ConfigurationError, DriftError


@dataclass(frozen=True)
class Known:
    """A table as the last batch left it: taken columns in hash order, key, and where the next poll starts."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    state: TableState

    @property
    def types(self) -> dict[str, str]:
        """Type by name of the taken columns."""
        return {column.name: column.type for column in self.columns}


@dataclass(frozen=True)
class Taken:
    """A table as it is taken now. spec: the declaration, with the columns that its policy adds. columns:
    all of them with their types. added: those that the last batch had not. by_source: the source, not
    the configuration, is why the columns are others than the last batch's. rekeyed: its rows may have
    other key texts than in the batches before, which a person has accepted."""

    spec: TableSpec
    columns: tuple[Column, ...]
    added: tuple[str, ...] = ()
    by_source: bool = False
    rekeyed: bool = False


def known(previous: Manifest | None, table: str) -> Known | None:
    """Return what the last batch knew of a table, None where it did not know it."""
    if previous is None or table not in previous.tables:
        return None
    state = previous.tables[table]
    # of a poll that broke off between two of its batches the schema is of now and the state of before
    columns = tuple(column for column in previous.schema[table] if column.name in state.columns)
    return Known(columns, previous.keys[table], state)


def take(
    spec: TableSpec,
    found: SourceTable | None,
    before: Known | None,
    hmac_key: str | None = None,
    *,
    accepted: bool = False,
) -> Taken:
    """Return a table as it is to be taken, or raise DriftError where it is to be held, with the reason.

    found: what the catalogue shows. before: what the last batch knew. accepted: a person takes changed
    types and another key as they are. What was never right, or cannot be accepted, is a ConfigurationError.
    """
    if before is not None:
        try:
            _check(spec, found, before, accepted=accepted)
        except DriftError as error:
            if accepted:
                raise ConfigurationError(f"{error.message}; that cannot be accepted", error.hint) from error
            raise
    extended = _extended(spec, found, before)
    columns = check_table(extended, found, hmac_key)
    if before is None:
        return Taken(extended, columns)
    added = tuple(name for name in extended.taken if name not in before.types)
    widened = any(before.types.get(column.name, column.type) != column.type for column in columns)
    by_policy = bool(set(added) - set(spec.taken))
    by_source = not accepted and (widened or by_policy)
    return Taken(extended, columns, added, by_source, rekeyed=_rekeyed(spec, columns, before))


def _rekeyed(spec: TableSpec, columns: tuple[Column, ...], before: Known) -> bool:
    new = {column.name: column.type for column in columns}
    types = [(old, new[name]) for name, old in before.types.items() if name in before.key and name in new]
    return before.key != spec.key or any(a != b and widening(a, b) != "the same" for a, b in types)


def _extended(spec: TableSpec, found: SourceTable | None, before: Known | None) -> TableSpec:
    """Add what the policy takes: first what it has taken before, so that the order of the hash stays.

    A dropped column that is not there may be one of the new ones under another name, and stay secret.
    """
    if spec.new_columns == "ignore" or found is None:
        return spec
    there = unnamed_columns(spec, found)
    earlier = [name for name in (before.types if before else ()) if name in there]
    safe = all(found.type_of(name) for name in spec.drop)
    for name in dict.fromkeys([*earlier, *there]) if safe else earlier:
        if takeable(spec, found, name):
            spec = replace(spec, columns=(*spec.columns, name))
    return spec


def _check(spec: TableSpec, found: SourceTable | None, before: Known, *, accepted: bool) -> None:
    """Raise DriftError for the first change that holds the table."""
    if found is None:
        where = ".".join(spec.address)
        raise _gone(f"table {where} is not in the source, though the last batch read it")
    if found.kind == "m" or (before.state.px is not None and not found.has_xids):
        raise _gone(f"{spec.name} was a table and is now {kind_of(found)}")
    if found.foreign is not None and found.has_xids:
        raise DriftError(
            f"table {spec.name} has got {found.foreign} under it, a foreign table, whose rows carry no "
            "transaction id, so that their changes would not be seen",
            "detach it, then: starlift run",
        )
    _check_columns(spec, found, before, accepted=accepted)
    if not accepted:
        _check_types(spec, found, before)
    _check_key(spec, found, before, accepted=accepted)


def _check_columns(spec: TableSpec, found: SourceTable, before: Known, *, accepted: bool) -> None:
    there = {column.name for column in found.columns}
    wanted = [name for name in spec.taken if name in before.types]
    if spec.new_columns == "add" and not accepted:
        wanted += [name for name in before.types if name not in (*spec.taken, *spec.drop)]
    for name in wanted:
        if name not in there:
            raise _gone(f"column {spec.name}.{name} {_fate(spec, found, before, name)}")
    if spec.cursor is None or spec.cursor != before.state.cursor:
        return
    kind = found.type_of(spec.cursor)
    if kind is None:
        raise _gone(f"column {spec.name}.{spec.cursor}, the cursor, is gone from the source")
    if not is_time(kind):
        raise _gone(f"column {spec.name}.{spec.cursor}, the cursor, is {kind} now, which is no time")


def _fate(spec: TableSpec, found: SourceTable, before: Known, gone: str) -> str:
    """A column under a new name is still in its place, with all that `shape` tells of it."""
    names = replace(spec, columns=tuple(before.types), hmac=())
    for column in found.columns:
        moved = replace(found, shapes={**found.shapes, gone: found.shapes.get(column.name, "")})
        if column.name not in before.types and shape_of(names, moved) == before.state.shape:
            return f"was renamed to {column.name} in the source"
    return "is gone from the source, though the last batch read it"


def _check_types(spec: TableSpec, found: SourceTable, before: Known) -> None:
    for name in spec.taken:
        old, new = before.types.get(name, HMAC), found.type_of(name) or ""
        if old.startswith(HMAC) or name in spec.hmac or old == new:
            continue
        prints = widening(old, new)
        if prints is None or (prints == "more zeros" and name in before.key):
            how = "narrowed" if widening(new, old) else "altered"
            raise DriftError(
                f"column {spec.name}.{name} was {old} and is now {new}: its values may have been {how}",
                f"change it back in the source, or take it as it is: starlift reconcile --accept {spec.name}",
            )


def _check_key(spec: TableSpec, found: SourceTable, before: Known, *, accepted: bool) -> None:
    old, new = ", ".join(before.key), ", ".join(spec.key)
    if spec.key == before.key:
        if found.has_xids and frozenset(spec.key) not in found.unique_keys:
            raise DriftError(
                f"table {spec.name}: its key ({old}) is no longer unique and NOT NULL in the source, so two "
                "rows could be taken for one",
                "make it so again, then: starlift run",
            )
    elif not accepted:
        raise DriftError(
            f"table {spec.name}: its key was ({old}) and is now declared as ({new}), under which every row "
            "is another",
            f"write the old one again in sql/pipeline.toml, or: starlift reconcile --accept {spec.name}",
        )


def _gone(what: str) -> DriftError:
    return DriftError(
        what, "put it back in the source, or take it out of sql/pipeline.toml, then: starlift run"
    )

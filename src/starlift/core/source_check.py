"""Holds what a table is declared to be against what the source's catalogue shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlift.core.config import RESERVED_COLUMNS, Limits, TableSpec
from starlift.core.manifest import Column, Mode
from starlift.core.types import refusal
from starlift.errors import ConfigurationError

HMAC = "hmac-sha256"
"""Type of a column that is taken as a keyed hash; the name of the key follows a colon."""

_VIEWS = {"v": "a view", "f": "a foreign table"}
"""pg_class.relkind of what has rows, but none that carry a transaction id."""


@dataclass(frozen=True)
class SourceTable:
    """A source table as its catalogue shows it.

    name: the pipeline's. kind: pg_class.relkind. columns: every column in physical order. unique_keys:
    column sets of valid unique indexes whose columns are all NOT NULL. relations: oids of the table and
    its leaves: partitions, and children by inheritance. bytes: size on disk of the main fork, leaves
    included. shapes: per column what its content depends on beside the rows (position, labels of an enum,
    expression of a generated column). foreign: a leaf that is a foreign table, None where there is none.
    """

    name: str
    kind: str
    columns: tuple[Column, ...]
    unique_keys: frozenset[frozenset[str]]
    relations: tuple[int, ...]
    bytes: int
    shapes: Mapping[str, str] = field(default_factory=dict)
    foreign: str | None = None

    @property
    def has_children(self) -> bool:
        """Whether other tables inherit from it: a query of it returns their rows too, whose keys its own
        index does not hold apart."""
        return self.kind == "r" and len(self.relations) > 1

    @property
    def has_xids(self) -> bool:
        """Whether its rows carry the xid that created them."""
        return self.kind not in _VIEWS

    def type_of(self, column: str | None) -> str | None:
        """Return a column's type as PostgreSQL's `format_type` prints it, None where there is none."""
        return next((found.type for found in self.columns if found.name == column), None)


def check_table(
    spec: TableSpec, found: SourceTable | None, hmac_key: str | None = None
) -> tuple[Column, ...]:
    """Return the taken columns with their types, in hash order.

    hmac_key: the name of the key under which columns are hashed, None where there is no key. Raises
    ConfigurationError for what is not there or cannot be taken as it is declared.
    """
    if found is None:
        raise _missing(f"table {'.'.join(spec.address)} is not in the source", f"[tables.{spec.name}]")
    _check_kind(spec, found)
    types = {column.name: column.type for column in found.columns}
    for name in (*spec.taken, *((spec.cursor,) if spec.cursor else ())):
        if name not in types:
            raise _missing(f"column {spec.name}.{name} is not in the source", name)
        if name in spec.hmac:
            types[name] = _hashed(spec, name, hmac_key)
        elif name in spec.taken and (why := refusal(types[name])):
            raise _refused(spec, name, types[name], why)
    _check_key(spec, found)
    _check_cursor(spec, found)
    return tuple(Column(name, types[name]) for name in spec.taken)


def _hashed(spec: TableSpec, column: str, hmac_key: str | None) -> str:
    if hmac_key is None:
        raise ConfigurationError(
            f"column {spec.name}.{column} is to be hashed, but STARLIFT_HMAC_KEY is not set, nor is "
            "STARLIFT_HMAC_SECRET",
            "set STARLIFT_HMAC_KEY to the output of `openssl rand -hex 32`, keep it, then: starlift run",
        )
    return f"{HMAC}:{hmac_key}"


def _refused(spec: TableSpec, column: str, kind: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"column {spec.name}.{column} is {kind}, which is refused: {why}; take it through a view that casts "
        "it to text, or leave it out of columns",
        "edit sql/pipeline.toml, then: starlift run",
    )


def _check_kind(spec: TableSpec, found: SourceTable) -> None:
    if found.kind == "m":
        raise ConfigurationError(
            f"{spec.name} is a materialized view: a refresh writes every row anew; take the tables under it",
            "edit sql/pipeline.toml, then: starlift run",
        )
    if found.foreign is not None and found.has_xids:
        raise ConfigurationError(
            f"{spec.name}: {found.foreign} under it is a foreign table, whose rows carry no transaction id, "
            f"so their changes would not be seen; take both through a view with a cursor, or {found.foreign} "
            "by itself once it inherits no more",
            "edit sql/pipeline.toml, then: starlift run",
        )
    if not found.has_xids and (spec.cursor is None or spec.mode == "xid"):
        raise ConfigurationError(
            f"{spec.name} is {_VIEWS[found.kind]}: its rows carry no transaction id, so changes are found by "
            f'a cursor only; write cursor = "..." under [tables.{spec.name}], or take the tables under it',
            "edit sql/pipeline.toml, then: starlift run",
        )


def _missing(what: str, where: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what} (is {where} in sql/pipeline.toml spelled right, and granted to this role?)",
        "edit sql/pipeline.toml, then: starlift run",
    )


def _check_key(spec: TableSpec, found: SourceTable) -> None:
    if frozenset(spec.key) in found.unique_keys or not found.has_xids:
        # a view has no unique index to show; its rows are looked at before they are taken
        return
    choices = sorted(", ".join(sorted(key)) for key in found.unique_keys)
    remedy = (
        f"declare one of: {'; '.join(choices)}"
        if choices
        else (f"add one: ALTER TABLE {'.'.join(spec.address)} ADD PRIMARY KEY ({', '.join(spec.key)})")
    )
    raise ConfigurationError(
        f"table {spec.name}: ({', '.join(spec.key)}) is not a unique key of NOT NULL columns, so two rows "
        f"could be taken for one; {remedy}",
        "edit sql/pipeline.toml, then: starlift run",
    )


def _check_cursor(spec: TableSpec, found: SourceTable) -> None:
    kind = found.type_of(spec.cursor)
    if kind is not None and not is_time(kind):
        raise ConfigurationError(
            f"column {spec.name}.{spec.cursor} is {kind}, and a cursor is a date or a timestamp; take the "
            f'line cursor = "{spec.cursor}" out of [tables.{spec.name}], and the table is read by xid',
            "edit sql/pipeline.toml, then: starlift run",
        )


def is_time(pg_type: str) -> bool:
    """Whether a column of the type can be a cursor."""
    return pg_type == "date" or pg_type.startswith("timestamp")


def kind_of(found: SourceTable) -> str:
    """Return what kind of relation is read, for messages."""
    return {**_VIEWS, "m": "a materialized view"}.get(found.kind, "a table")


def takeable(spec: TableSpec, found: SourceTable, column: str) -> bool:
    """Whether a column of the source could be taken beside those that the declaration takes."""
    folded = {name.casefold() for name in spec.taken}
    unusable = column in RESERVED_COLUMNS or column.casefold() in folded
    return not unusable and not refusal(found.type_of(column) or "")


def unnamed_columns(spec: TableSpec, found: SourceTable) -> tuple[str, ...]:
    """Return the source's columns that the configuration neither takes nor drops."""
    named = {*spec.taken, *spec.drop, spec.cursor}
    return tuple(column.name for column in found.columns if column.name not in named)


def choose_mode(spec: TableSpec, found: SourceTable, sees_all: bool, limits: Limits) -> Mode:
    """Return how a table is read. Raises ConfigurationError where the declared mode would lose rows."""
    if spec.mode == "xid":
        return "xid"
    if spec.mode == "timestamp" or not found.has_xids:
        _check_timestamp(spec, found, sees_all)
        return "timestamp"
    small = found.bytes <= limits.scan_budget
    if small or spec.cursor is None or not sees_all or found.kind == "p":
        return "xid"
    return "timestamp"


def _check_timestamp(spec: TableSpec, found: SourceTable, sees_all: bool) -> None:
    if not sees_all:
        raise ConfigurationError(
            f"table {spec.name}: mode timestamp needs to see every open transaction, and this role may not; "
            f'GRANT pg_read_all_stats to it, or write mode = "auto" under [tables.{spec.name}]',
            "psql -f sql/roles/source.sql, then: starlift run",
        )
    if found.kind == "p":
        raise ConfigurationError(
            f"table {spec.name} is partitioned: an attached partition brings rows with old stamps; "
            f'write mode = "xid" under [tables.{spec.name}]',
            "edit sql/pipeline.toml, then: starlift run",
        )


def shape_of(spec: TableSpec, found: SourceTable) -> str:
    """Return a short digest of what the taken columns' content depends on beside the rows themselves.

    Where it differs from the last batch's, rows may read otherwise though none was written: a column was
    replaced by another of its name, an enum's label renamed. Then the table is read whole.
    """
    text = "\n".join(f"{name} {found.shapes.get(name, '')}" for name in spec.taken)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seen_as(spec: TableSpec, found: SourceTable | None) -> object:
    """Return all that a poll of the table relies on in its catalogue entry, to be compared."""
    if found is None:
        return None
    used = (*spec.taken, spec.cursor)
    types = {column.name: column.type for column in found.columns if column.name in used}
    return found.kind, types, shape_of(spec, found), frozenset(spec.key) in found.unique_keys


def fingerprint(columns: tuple[Column, ...]) -> str:
    """Return a short digest of a taken column set: names, types and order."""
    text = "\n".join(f"{column.name} {column.type}" for column in columns)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

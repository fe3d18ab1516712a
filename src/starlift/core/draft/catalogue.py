"""A source's catalogue as values, and what it says about whether and how a relation can be taken."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from starlift.core.config import RESERVED_COLUMNS, PipelineConfig, TableSpec
from starlift.core.source_check import SourceTable
from starlift.core.types import refusal

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
"""What pg_class.relkind says, in words."""

_CHANGED = re.compile(r"updat|modif|chang|edit|last_?(seen|write)|written|touch", re.IGNORECASE)
_PERSONAL = re.compile(
    r"e_?mail|phone|mobile|fax|birth|^dob$|iban|\bbic\b|account|(^|_)ac_number|card|passw|secret|token|passport"
    r"|social_?sec|ssn|tax_?(id|no)|ip_?addr|street|address_line|salary",
    re.IGNORECASE,
)
_MAYBE_PERSONAL = re.compile(r"name$|address|contact|comment|note$|gender|user", re.IGNORECASE)


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key: the two lists of columns correspond."""

    columns: tuple[str, ...]
    schema: str
    table: str
    referred: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """A relation that a source offers: not a partition, not a part of an extension.

    found: its columns, unique keys and size. primary_key: in its order, empty where there is none.
    required: columns that are NOT NULL. readable: this role may read it. hidden: row-level security
    applies to this role. parents: schema and name of the tables it inherits from. decided: what a
    configuration that is there already says of it.
    """

    schema: str
    name: str
    found: SourceTable
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    required: frozenset[str] = frozenset()
    readable: bool = True
    hidden: bool = False
    parents: tuple[tuple[str, str], ...] = ()
    decided: TableSpec | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, in physical order."""
        return tuple(column.name for column in self.found.columns)

    @property
    def key(self) -> tuple[str, ...]:
        """What was decided, else the primary key, else the shortest unique key without NULL, else nothing."""
        if self.decided is not None:
            return self.decided.key
        if self.primary_key:
            return self.primary_key
        unique = [tuple(name for name in self.columns if name in key) for key in self.found.unique_keys]
        return min(unique, key=lambda key: (len(key), key), default=())

    @property
    def referring(self) -> frozenset[str]:
        """The columns by which rows are found: those of the key, and of references to other tables."""
        return frozenset(self.key).union(*(foreign.columns for foreign in self.foreign_keys))

    @property
    def moments(self) -> tuple[str, ...]:
        """The columns that could be a cursor, those named like the time of a change first."""
        found = [
            column.name
            for column in self.found.columns
            if column.type == "date" or column.type.startswith("timestamp")
            if not column.type.endswith("]")
        ]
        return tuple(sorted(found, key=lambda name: not _CHANGED.search(name)))

    @property
    def cursor(self) -> str | None:
        """The column that is named like the time of a row's last change."""
        return next((name for name in self.moments if _CHANGED.search(name)), None)

    def is_zoned(self, column: str) -> bool:
        """Whether the column's values name a moment whatever the zone."""
        return "with time zone" in str(self.found.type_of(column))

    @property
    def personal(self) -> tuple[str, ...]:
        """Columns whose names say that they hold personal data or a secret; never those of the key, and none
        once that is decided."""
        if self.decided is not None:
            return ()
        return tuple(name for name in self.columns if name not in self.key and _PERSONAL.search(name))

    @property
    def maybe_personal(self) -> tuple[str, ...]:
        """Columns whose names leave it open."""
        return tuple(
            name for name in self.columns if name not in self.personal and _MAYBE_PERSONAL.search(name)
        )

    @property
    def taken(self) -> tuple[str, ...]:
        """The columns that the configuration takes, or a first one would."""
        if self.decided is not None:
            return self.decided.taken
        left = {*self.personal, *self.confusable, *self.refused}
        return tuple(name for name in self.columns if name not in left)

    @property
    def refused(self) -> tuple[str, ...]:
        """Columns of a type that is refused."""
        return tuple(column.name for column in self.found.columns if refusal(column.type))

    def type_of(self, column: str) -> str:
        """Return the type in which a taken column arrives."""
        if self.decided is not None and column in self.decided.hmac:
            return "text"
        return str(self.found.type_of(column))

    @property
    def confusable(self) -> tuple[str, ...]:
        """Columns that differ from starlift's own, or from another, in upper and lower case alone: a model
        would read one for the other. Of two the one in the key stays."""
        seen = set(RESERVED_COLUMNS)
        found = []
        for name in sorted(self.columns, key=lambda name: name not in self.key):
            if name.casefold() in seen:
                found.append(name)
            seen.add(name.casefold())
        return tuple(found)


@dataclass(frozen=True)
class Catalogue:
    """What a source offers. database: its name. schemas: those that were asked for, in that order.
    configured: the names that a configuration has given to tables, None where there is none yet."""

    database: str
    schemas: tuple[str, ...]
    relations: tuple[Relation, ...]
    configured: Collection[str] | None = None

    def under(self, config: PipelineConfig) -> Catalogue:
        """Return the same as a configuration that is there already takes it."""
        specs = {spec.address: spec for spec in config.tables.values()}
        relations = tuple(
            replace(relation, decided=specs.get((relation.schema, relation.name)))
            for relation in self.relations
        )
        return replace(self, relations=relations, configured=tuple(config.tables))

    def bringing(self, relation: Relation) -> Relation | None:
        """Return the table that can be taken and has, by inheritance, this one's rows among its own."""
        by_place = {(found.schema, found.name): found for found in self.relations}
        for parent in (by_place[place] for place in relation.parents if place in by_place):
            if found := self.bringing(parent) or (parent if obstacle(parent) is None else None):
                return found
        return None


_AGAIN = "write its [tables.NAME] here, as init would in an empty folder"


def obstacle(relation: Relation) -> tuple[str, str] | None:
    """Return why a relation cannot be taken as it is, and what would help; None where it can."""
    where = f'"{relation.schema}"."{relation.name}"'
    if not relation.readable:
        return (
            "this role may not read it",
            f"GRANT SELECT ON {where} (and USAGE on its schema), then {_AGAIN}",
        )
    if relation.hidden:
        return (
            "row-level security hides rows from this role, and a hidden row would be a lost one",
            f"GRANT a role with BYPASSRLS, or ALTER TABLE {where} DISABLE ROW LEVEL SECURITY",
        )
    return _no_changes_seen(relation) or _no_key(relation, where)


def _no_changes_seen(relation: Relation) -> tuple[str, str] | None:
    if relation.found.foreign is not None and relation.found.has_xids:
        return (
            f"{relation.found.foreign} under it is a foreign table, whose changes would not be seen",
            "take both through a view with a cursor",
        )
    if relation.found.kind == "m":
        return "a refresh writes every row anew", "take the tables under it"
    if not relation.found.has_xids and not relation.moments:
        return "it has no transaction ids, and no date or timestamp for a cursor", "take the tables under it"
    return None


def _no_key(relation: Relation, where: str) -> tuple[str, str] | None:
    if relation.found.has_xids and not relation.key:
        return (
            "it has no unique key of NOT NULL columns, so two rows could be taken for one",
            f"ALTER TABLE {where} ADD PRIMARY KEY (...), then {_AGAIN}",
        )
    if refused := [name for name in relation.key if name in relation.refused]:
        kind = relation.type_of(refused[0])
        return (
            f"its key column {refused[0]} is {kind}: {refusal(kind)}",
            "take it through a view that casts it",
        )
    if confusable := [name for name in relation.key if name in relation.confusable]:
        return (
            f"its key column {confusable[0]} differs from another, or from {' and '.join(RESERVED_COLUMNS)}, "
            "in upper and lower case at most",
            "take it through a view with other names",
        )
    return None

"""Keys and indexes that are taken away for a while and made again as they were, comments included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.connection import identifier


@dataclass(frozen=True)
class Constraint:
    """A constraint. table: its table, quoted for SQL. definition: what ADD CONSTRAINT is to be told."""

    table: str
    name: str
    definition: str
    comment: str | None


@dataclass(frozen=True)
class Index:
    """An index that is no constraint's. name: quoted for SQL. definition: the statement that makes it.
    may_refuse: whether there may be a row that it cannot take: an expression may fail, a text be too long, a
    value be there twice."""

    name: str
    definition: str
    comment: str | None
    may_refuse: bool


# What another table refers to has to stay, and so has what a view builds on (GROUP BY a primary key).
_KEYS = """
SELECT k.conrelid::regclass::text, conname::text, pg_get_constraintdef(oid),
       obj_description(oid, 'pg_constraint')
FROM pg_constraint k
WHERE conrelid = to_regclass(:table) AND contype IN ('p', 'u', 'f')
  AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.confrelid = k.conrelid AND f.conindid = k.conindid
                  AND f.contype = 'f')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_constraint'::regclass
                  AND d.refobjid = k.oid AND d.deptype = 'n')
ORDER BY conname
"""

_FOREIGN_KEYS = """
SELECT k.conrelid::regclass::text, conname::text, pg_get_constraintdef(oid),
       obj_description(oid, 'pg_constraint')
FROM pg_constraint k
WHERE contype = 'f' AND conparentid = 0
  AND (conrelid = to_regclass(:table) OR confrelid = to_regclass(:table))
ORDER BY 1, conname
"""

# An index over partitions is not made again by its definition, and one by which rows are replicated or
# clustered is more than that.
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid),
       obj_description(i.indexrelid, 'pg_class'),
       i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
       OR i.indisunique
       OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attlen < 0)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass(:table)
  AND c.relkind = 'i' AND NOT (i.indisreplident OR i.indisclustered)
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY 1
"""


def keys_of(connection: pg8000.native.Connection, table: str) -> list[Constraint]:
    """Return a table's keys, foreign ones too, but for those on which others build."""
    return [Constraint(*row) for row in connection.run(_KEYS, table=table)]


def foreign_keys_around(connection: pg8000.native.Connection, tables: Sequence[str]) -> list[Constraint]:
    """Return the foreign keys of the tables, and those of any table that refer to them."""
    found = [Constraint(*row) for table in tables for row in connection.run(_FOREIGN_KEYS, table=table)]
    return list(dict.fromkeys(found))


def indexes_of(connection: pg8000.native.Connection, table: str) -> list[Index]:
    """Return a table's indexes that are no constraint's."""
    return [Index(*row) for row in connection.run(_INDEXES, table=table)]


def drop(connection: pg8000.native.Connection, parts: Sequence[Constraint | Index]) -> None:
    """Take keys and indexes away."""
    for part in parts:
        if isinstance(part, Constraint):
            connection.run(f"ALTER TABLE {part.table} DROP CONSTRAINT {identifier(part.name)}")
        else:
            connection.run(f"DROP INDEX {part.name}")


def make(connection: pg8000.native.Connection, parts: Sequence[Constraint | Index]) -> None:
    """Make keys and indexes again as they were; what breaks a key fails."""
    for part in parts:
        if isinstance(part, Constraint):
            named = f"CONSTRAINT {identifier(part.name)}"
            connection.run(f"ALTER TABLE {part.table} ADD {named} {part.definition}")
            subject = f"{named} ON {part.table}"
        else:
            connection.run(part.definition)
            subject = f"INDEX {part.name}"
        if part.comment is not None:
            literal = connection.run("SELECT quote_literal(:text)", text=part.comment)[0][0]
            connection.run(f"COMMENT ON {subject} IS {literal}")

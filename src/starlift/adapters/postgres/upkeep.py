"""What people made of a view: its owner, who may read it, its comments and options. Where a migration has to
make a view again, it gets them back."""

from __future__ import annotations

from dataclasses import dataclass

import pg8000.native
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import sqlstate

_OTHER_COLUMNS = "42P16"
"""SQLSTATE of a view that cannot be replaced: a column of it would go, or have another name or type."""

# The owner comes last: it may be a role that this one can give the view to, and no more do anything with it.
_STATE = """
WITH v AS (SELECT c.oid, relowner, relacl, reloptions, format('%I.%I', n.nspname, relname) AS name
           FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = to_regclass(:view)),
granted AS (
    SELECT 1 AS place, '' AS attname, x.* FROM v, aclexplode(coalesce(relacl, acldefault('r', relowner))) x
    UNION ALL
    SELECT 2, a.attname, x.* FROM v JOIN pg_attribute a ON a.attrelid = v.oid, aclexplode(a.attacl) x
), told AS (
    SELECT coalesce(a.attname, '') AS attname, description,
           coalesce('COLUMN ' || name || '.' || quote_ident(a.attname), 'VIEW ' || name) AS what
    FROM v JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = v.oid
    LEFT JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum = d.objsubid AND d.objsubid > 0
)
SELECT place, g.attname::text,
       format('GRANT %s%s ON %s TO %s%s', privilege_type, listed, name, who,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END),
       format('REVOKE %s%s ON %s FROM %s', privilege_type, listed, name, who)
FROM v, granted g,
     LATERAL (SELECT CASE WHEN g.attname <> '' THEN format(' (%I)', g.attname) END AS listed,
                     CASE grantee WHEN 0 THEN 'PUBLIC'
                     ELSE quote_ident(pg_get_userbyid(grantee)) END AS who) w
UNION ALL
SELECT 3, attname, format('COMMENT ON %s IS %L', what, description), format('COMMENT ON %s IS NULL', what)
FROM told
UNION ALL
SELECT 4, '', format('ALTER VIEW %s SET (%I = %L)', name, option_name, option_value),
       format('ALTER VIEW %s RESET (%I)', name, option_name)
FROM v, pg_options_to_table(reloptions)
UNION ALL
SELECT 5, '', format('ALTER VIEW %s OWNER TO %I', name, pg_get_userbyid(relowner)), '' FROM v
ORDER BY 1, 2, 3
"""

_COLUMNS = """
SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(:view) AND attnum > 0 AND NOT attisdropped
"""


@dataclass(frozen=True)
class _Part:
    """One thing that was made of a view. column: the one it is about, if it is about one. make, unmake: the
    statements; empty where there is nothing to undo."""

    place: int
    column: str
    make: str
    unmake: str


@dataclass(frozen=True)
class Kept:
    """What people made of a view."""

    view: str
    columns: frozenset[str]
    parts: tuple[_Part, ...]


def keep(connection: pg8000.native.Connection, view: str) -> Kept:
    """Return what was made of a view; nothing where there is no such view. view: quoted, with its schema."""
    columns = frozenset(name for (name,) in connection.run(_COLUMNS, view=view))
    return Kept(view, columns, tuple(_Part(*row) for row in connection.run(_STATE, view=view)))


def restore(connection: pg8000.native.Connection, kept: Kept) -> None:
    """Make of a view that is there what was made of it before; columns that are new stay as they are."""
    now = keep(connection, kept.view)
    for part in now.parts:
        if part not in kept.parts and part.unmake and part.column in {"", *kept.columns}:
            connection.run(part.unmake)
    for part in kept.parts:
        if part not in now.parts and part.column in {"", *now.columns}:
            connection.run(part.make)


def replace(connection: pg8000.native.Connection, text: str) -> bool:
    """Run CREATE OR REPLACE VIEW; return False, with nothing done, where only another view can have these
    columns."""
    connection.run("SAVEPOINT replacing")
    try:
        connection.run(text)
    except DatabaseError as error:
        if sqlstate(error) != _OTHER_COLUMNS:
            raise
        connection.run("ROLLBACK TO SAVEPOINT replacing")
        return False
    return True

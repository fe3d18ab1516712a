"""What stands in the way of a change to the star: views upon what is changed, ours and other people's."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pg8000.native
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.schemas import tables_of
from starlift.errors import ConfigurationError

TRIAL = "starlift_trial"
"""A schema in which DDL is tried on empty copies; no other session ever sees it."""


@dataclass(frozen=True)
class Dependent:
    """Something that is built on a table or view. kind: `view`, `function` ... identity: its name, for SQL.
    ours: whether starlift made it."""

    kind: str
    identity: str
    ours: bool


# A view reads others by its rule, and the type of its rows, on which a function may build, is a part of it.
_UPON = """
WITH RECURSIVE upon (classid, objid, depth) AS (
    SELECT CAST('pg_class'::regclass AS oid), CAST(to_regclass(view) AS oid), 0
    FROM json_array_elements_text(CAST(:views AS json)) AS view WHERE to_regclass(view) IS NOT NULL
    UNION
    SELECT CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END,
           coalesce(r.ev_class, d.objid), upon.depth + 1
    FROM upon
    JOIN pg_depend d ON d.refclassid = upon.classid AND d.refobjid = upon.objid
    LEFT JOIN pg_rewrite r
    ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN'
    WHERE (coalesce(r.ev_class, d.objid), d.refclassid) <> (d.refobjid, 'pg_class'::regclass)
)
SELECT i.type, i.identity,
       bool_or(classid = 'pg_class'::regclass AND objid IN (
           SELECT to_regclass(view) FROM json_array_elements_text(CAST(:ours AS json)) AS view))
FROM upon, LATERAL pg_identify_object(classid, objid, 0) AS i
WHERE classid <> 'pg_type'::regclass
  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = objid AND classid = 'pg_class'::regclass
                  AND c.relkind IN ('i', 't'))
GROUP BY 1, 2 ORDER BY max(depth) DESC, 1, 2
"""

_READING = """
SELECT DISTINCT format('%I.%I', n.nspname, v.relname)
FROM json_to_recordset(CAST(:columns AS json)) AS changed (name text, attribute text)
JOIN pg_class c ON c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relname = changed.name
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = changed.attribute
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace n ON n.oid = v.relnamespace
"""

_SHAPE = """
SELECT c.relname::text, a.attname::text, a.atttypid, a.atttypmod, a.attcollation
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relkind IN ('r', 'p')
"""


def built_upon(
    connection: pg8000.native.Connection, views: Collection[str], ours: Collection[str]
) -> list[Dependent]:
    """Return those of the views that are there and all that builds on them, what has to go first before what
    it builds on. views, ours: names quoted for SQL, with their schemas.
    """
    listed = {
        "views": json.dumps(list(views), ensure_ascii=False),
        "ours": json.dumps(list(ours), ensure_ascii=False),
    }
    return [Dependent(*row) for row in connection.run(_UPON, **listed)]


def views_in_the_way(connection: pg8000.native.Connection, schema: str, text: str) -> list[str] | None:
    """Return the views, quoted for SQL, that read a column which some DDL of the star drops or gives another
    type; None where that cannot be told.

    schema: the star's. The DDL is run on empty copies of the tables, and everything taken back.
    """
    connection.run("SAVEPOINT trial")
    try:
        changed = _changed(connection, schema, text)
    except DatabaseError:
        return None
    finally:
        connection.run("ROLLBACK TO SAVEPOINT trial")
    named = [{"name": table, "attribute": column} for table, column in changed]
    listed = json.dumps(named, ensure_ascii=False)
    return [view for (view,) in connection.run(_READING, columns=listed, schema=schema)]


def _changed(connection: pg8000.native.Connection, schema: str, text: str) -> list[tuple[str, str]]:
    connection.run(f"CREATE SCHEMA {TRIAL}")
    for table in tables_of(connection, schema):
        origin = f"{identifier(schema)}.{identifier(table)}"
        connection.run(f"CREATE TABLE {TRIAL}.{identifier(table)} (LIKE {origin} INCLUDING ALL)")
    connection.run(f"SET LOCAL search_path = {TRIAL}, {identifier(schema)}")
    before = connection.run(_SHAPE, schema=TRIAL)
    connection.run(text)
    after = [tuple(row) for row in connection.run(_SHAPE, schema=TRIAL)]
    return [(row[0], row[1]) for row in before if tuple(row) not in after]


def refusal(what: str, others: Sequence[Dependent], command: str) -> ConfigurationError:
    """Return the error that names what other people built on something that would have to go.

    what: the subject, such as the file. command: what to type in the end.
    """
    named = ", ".join(f"{other.kind} {other.identity}" for other in others)
    tables = "".join(f" -t {other.identity}" for other in others if other.kind.endswith("view"))
    drops = "; ".join(f"DROP {other.kind.upper()} {other.identity}" for other in others)
    return ConfigurationError(
        f"{what} changes columns on which others build, and nothing was changed: {named}",
        f"keep how they are made (pg_dump -s{tables} > mine.sql), then take them away ({drops}), and make "
        f"them again (psql -f mine.sql) after: {command}",
    )

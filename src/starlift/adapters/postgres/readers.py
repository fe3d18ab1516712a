"""Keeps readers out while tables change, without ending what they ask.

A change locks table after table. A reader who holds one of them and comes to another that is locked already
would wait for the change, and the change for him: a deadlock, which the server ends by ending either.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle

import pg8000.native
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import sqlstate

PATIENCE = 30.0
"""Seconds in which all have to be free at once; then they are locked one after the other."""

PAUSE = 0.01
"""Seconds between two tries."""

_HELD = "55P03"

_OWNED = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relkind IN ('r', 'p', 'v')
  AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
  AND (c.relkind <> 'v' OR c.relname = ANY(:views))
ORDER BY 1
"""

_AROUND = """
SELECT DISTINCT CAST(CAST(unnest(ARRAY[conrelid, confrelid]) AS regclass) AS text)
FROM pg_constraint WHERE contype = 'f' AND (conrelid = to_regclass(:table) OR confrelid = to_regclass(:table))
"""


def owned(connection: pg8000.native.Connection, schema: str, views: Sequence[str]) -> list[str]:
    """Return the tables of a schema, and those of the named views, that are ours to lock, quoted for SQL."""
    return [name for (name,) in connection.run(_OWNED, schema=schema, views=list(views))]


def around(connection: pg8000.native.Connection, tables: Sequence[str]) -> list[str]:
    """Return the tables and all that foreign keys tie to them, quoted for SQL."""
    tied = [name for table in tables for (name,) in connection.run(_AROUND, table=table)]
    return list(dict.fromkeys([*tables, *tied]))


def keep_out(connection: pg8000.native.Connection, relations: Sequence[str]) -> None:
    """Lock tables and views, quoted for SQL, until the transaction ends.

    It waits for one of them at a time and holds none of the others meanwhile.
    """
    deadline = time.monotonic() + PATIENCE
    for first in cycle(relations):
        if time.monotonic() > deadline:
            _lock(connection, relations)
            return
        connection.run("SAVEPOINT keeping_out")
        try:
            _lock(connection, [first])
            _lock(connection, relations, " NOWAIT")
            return
        except DatabaseError as error:
            if sqlstate(error) != _HELD:
                raise
            connection.run("ROLLBACK TO SAVEPOINT keeping_out")
            time.sleep(PAUSE)


def _lock(connection: pg8000.native.Connection, relations: Sequence[str], waiting: str = "") -> None:
    connection.run(f"LOCK TABLE {', '.join(relations)} IN ACCESS EXCLUSIVE MODE{waiting}")

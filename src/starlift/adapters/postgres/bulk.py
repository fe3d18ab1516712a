"""A table that a batch fills is filled without indexes and keys, which are made again afterwards.

Nine foreign keys checked row by row cost ten times the load of a million rows; checked at once, by one
anti-join each, they cost a tenth of it. An index built from sorted rows costs a third of one that grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pg8000.native

from starlift.adapters.postgres.aside import drop, indexes_of, keys_of, make
from starlift.adapters.postgres.connection import identifier

MANY_TO_KNOW = 5_000
"""Rows from which on a plan that takes them for one costs more than ANALYZE."""

MANY_ROWS = 50_000
"""Below this, checking row by row is quick enough to spare readers the lock."""


@contextmanager
def without_constraints(
    connection: pg8000.native.Connection, schema: str, table: str, rows: int
) -> Iterator[None]:
    """Take a table's indexes and keys away for the block, if it adds many rows and at least doubles it.

    Readers of the table wait until the transaction ends, and see it with all its keys validated. A row
    that breaks a key fails as it would have, at the end of the block.
    """
    quoted = f"{identifier(schema)}.{identifier(table)}"
    if rows < MANY_ROWS or rows < _count(connection, quoted, rows):
        yield
        return
    keys, indexes = keys_of(connection, quoted), indexes_of(connection, quoted)
    drop(connection, [*keys, *indexes])
    yield
    make(connection, [*keys, *indexes])
    connection.run(f"ANALYZE {quoted}")


_IS_KNOWN = """
SELECT EXISTS (
    SELECT FROM pg_stats WHERE schemaname = :schema AND tablename = :table AND attname = :column
    AND CAST(CAST(most_common_vals AS text) AS text[]) @> ARRAY[CAST(:value AS text)])
"""


def make_known(
    connection: pg8000.native.Connection, place: tuple[str, str, str], value: str, rows: int
) -> None:
    """Have the planner know that a column has a value, if many rows with it have just come.

    What its statistics lack it takes for rare: it would go through all of these rows once for each row that
    it joins them to. place: schema, table and column.
    """
    schema, table, column = place
    if rows < MANY_TO_KNOW:
        return
    if not connection.run(_IS_KNOWN, schema=schema, table=table, column=column, value=value)[0][0]:
        connection.run(f"ANALYZE {identifier(schema)}.{identifier(table)}")


def _count(connection: pg8000.native.Connection, quoted: str, enough: int) -> int:
    """Count a table's rows, up to one more than is of interest."""
    found = connection.run(
        f"SELECT count(*) FROM (SELECT FROM {quoted} LIMIT :enough) AS found",  # noqa: S608 identifiers only
        enough=enough + 1,
    )
    return int(found[0][0])

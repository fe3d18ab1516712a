"""Columns that a batch adds are filled into the current versions of a fact, and make no new ones.

A row of the batch comes as it is and as it would be without those columns. Where the second is what the
star has, nothing but the columns is new; else something changed, and the row is an ordinary version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pg8000.native
import pyarrow as pa
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.fitting import KEY_COLUMN
from starlift.adapters.postgres.refusals import is_of_rows
from starlift.adapters.postgres.row_hash import fact_hash
from starlift.adapters.postgres.staging import ANALYZE_ROWS, Staged, copy

_KEY = identifier(KEY_COLUMN)

_READ = """
CREATE TEMPORARY TABLE _before ON COMMIT DROP AS
SELECT {columns}, b.{key} FROM pg_temp._before_text b JOIN {stage} s ON s.{key} = b.{key}
"""

# A version that the batch has just begun has the columns already, and is equal.
_FILL = """
WITH filled AS (
    UPDATE {star} f SET {changes}
    FROM {stage} s JOIN pg_temp._before b ON b.{key} = s.{key}
    JOIN fact_version v ON v.fact = CAST(:fact AS text) AND v.key = s.{key} AND v.current
    WHERE f.{surrogate} = v.record_id AND {differs}
    RETURNING v.record_id, v.op, {hash} AS row_hash
)
UPDATE fact_version v SET row_hash = filled.row_hash
FROM filled WHERE v.fact = CAST(:fact AS text) AND v.record_id = filled.record_id AND v.op = filled.op
"""


@dataclass(frozen=True)
class Before:
    """The rows without the added columns, in `pg_temp._before`. types: of their columns, by name."""

    types: dict[str, str]

    @property
    def join(self) -> str:
        """What joins them to the staged rows s."""
        return f"LEFT JOIN pg_temp._before b ON b.{_KEY} = s.{_KEY}"

    def differs(self, otherwise: str) -> str:
        """Return the condition that the star's row f is another than it would be. otherwise: the condition
        for a staged row that has no such row."""
        # the types of a domain and of its base are not compared
        old = ", ".join(f"CAST(f.{identifier(name)} AS {kind})" for name, kind in self.types.items())
        new = ", ".join(f"b.{identifier(name)}" for name in self.types)
        same = f"CAST(ROW({old}) AS record) *<> CAST(ROW({new}) AS record)"
        return f"CASE WHEN b.{_KEY} IS NULL THEN {otherwise} ELSE {same} END"


@contextmanager
def stage_before(
    connection: pg8000.native.Connection, rows: Staged, files: Iterable[pa.Table] | None
) -> Iterator[Before | None]:
    """Stage for a block the rows of a fact as they would be without the columns that the batch adds.

    files: None where it adds none. Gives None also where the star cannot read such a row, of which there
    is nothing to be said but that: its rows then are ordinary versions.
    """
    before = _stage(connection, rows, files) if files is not None else None
    yield before
    connection.run("DROP TABLE IF EXISTS pg_temp._before, pg_temp._before_text")


def _stage(connection: pg8000.native.Connection, rows: Staged, files: Iterable[pa.Table]) -> Before | None:
    """As text first: rows that are rejected as they are need not be readable without the columns."""
    names: Sequence[str] = ()
    count = 0
    for file in files:
        if not names:
            names = file.schema.names
            columns = ", ".join(f"{identifier(name)} text" for name in names)
            connection.run(f"CREATE TEMPORARY TABLE _before_text ({columns}) ON COMMIT DROP")
        count += copy(connection, "pg_temp._before_text", file)
    types = {name: rows.table.columns[name].type for name in names if name != KEY_COLUMN}
    read = ", ".join(
        f"CAST(b.{identifier(name)} AS {kind}) AS {identifier(name)}" for name, kind in types.items()
    )
    connection.run("SAVEPOINT before")
    try:
        connection.run(_READ.format(columns=read, key=_KEY, stage=rows.stage))
    except DatabaseError as error:
        if not is_of_rows(error):
            raise
        connection.run("ROLLBACK TO SAVEPOINT before")
        return None
    connection.run("RELEASE SAVEPOINT before")
    if count >= ANALYZE_ROWS:
        connection.run("ANALYZE pg_temp._before")
    return Before(types)


def fill(connection: pg8000.native.Connection, rows: Staged, differs: str) -> int:
    """Overwrite the current versions whose row without the added columns is the star's. Return how many.

    differs: the condition that the star's row f is not the staged row s.
    """
    columns = [identifier(name) for name in rows.columns]
    statement = _FILL.format(
        star=rows.star,
        changes=", ".join(f"{name} = s.{name}" for name in columns),
        stage=rows.stage,
        key=_KEY,
        surrogate=rows.surrogate,
        differs=differs,
        hash=fact_hash(rows.table, "f", ("v.record_id", "v.key", "v.seq", "v.op")),
    )
    connection.run(statement, fact=rows.table.name)
    return int(connection.row_count)

"""The batch's rows in temporary tables, one per star table, under the star table's name.

They look like the star's tables without their constraints: what breaks a constraint is found here, and
put into quarantine, instead of failing the batch. All of them go when the transaction ends, or when the next
batch of the same transaction begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pg8000.native
import pyarrow as pa

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.copy_csv import chunks
from starlift.adapters.postgres.fitting import (
    KEY_COLUMN,
    check_fit,
    made_columns,
    require_table,
    surrogate,
)
from starlift.adapters.postgres.star_catalogue import StarColumn, StarTable
from starlift.core.manifest import ModelRef
from starlift.errors import HeldError

ANALYZE_ROWS = 5_000
"""From this many rows on, the planner's guesses cost more than ANALYZE."""


@dataclass(frozen=True)
class Staged:
    """A star table with its staged rows. columns: those its model makes."""

    model: ModelRef
    table: StarTable
    schema: str
    columns: tuple[str, ...]

    @property
    def star(self) -> str:
        """The star's table, quoted for SQL."""
        return f"{identifier(self.schema)}.{identifier(self.table.name)}"

    @property
    def stage(self) -> str:
        """The temporary table, quoted for SQL."""
        return stage_name(self.table.name)

    @property
    def surrogate(self) -> str:
        """A fact's surrogate key column, quoted for SQL."""
        return identifier(surrogate(self.table, self.model) or "")


Put = Callable[[pg8000.native.Connection, Staged, pa.Table], int]
"""Puts the rows of a file into a staged table; returns how many it has."""


def stage_name(table: str) -> str:
    """Return the temporary table of a star table, quoted for SQL."""
    return f"pg_temp.{identifier(table)}"


def stage(  # noqa: PLR0913 - what goes where, and how
    connection: pg8000.native.Connection,
    schema: str,
    table: StarTable | None,
    model: ModelRef,
    files: Iterable[pa.Table],
    put: Put,
    *,
    analyze: bool = True,
) -> Staged:
    """Put the rows of a star table into its temporary table, file by file.

    analyze: have the planner know many rows, which what looks for each of them elsewhere needs.
    Raises ConfigurationError where the star has no such table or the rows do not fit it.
    """
    table = require_table(schema, table, model)
    columns = made_columns(table, model)
    made = ", ".join(_unbound(table.columns[name]) for name in columns)
    connection.run(
        f"CREATE TEMPORARY TABLE {identifier(table.name)} ON COMMIT DROP AS "  # noqa: S608 identifiers only
        f'SELECT {made}, CAST(NULL AS text) COLLATE "C" AS {identifier(KEY_COLUMN)} '
        f"FROM {identifier(schema)}.{identifier(table.name)} WITH NO DATA"
    )
    staged = Staged(model, table, schema, columns)
    rows = 0
    for file in files:
        check_fit(file.schema, table, model)
        # one that the batch does not bring is left to its default
        staged = replace(staged, columns=tuple(name for name in columns if name in file.schema.names))
        rows += put(connection, staged, file)
    if analyze and rows >= ANALYZE_ROWS:
        # of the other columns no statistics are asked
        keys = ", ".join(map(identifier, (KEY_COLUMN, *model.key)))
        connection.run(f"ANALYZE {stage_name(table.name)} ({keys})")
    return staged


def put_all(connection: pg8000.native.Connection, staged: Staged, file: pa.Table) -> int:
    """Copy the rows of a file; one that a column cannot read fails them all. Return how many."""
    return copy(connection, staged.stage, file)


_OURS = """
SELECT relname::text, relname = ANY (CAST(:kept AS text[])) FROM pg_class
WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' ORDER BY relname
"""

KEPT = ("_asked", "_change", "_entry", "_gone", "_known", "_rejected")
"""Temporary tables that every batch needs. A transaction of many batches makes them once: a table's lock is
held to the end even if the table is dropped, and a server has room for some thousands."""


def clear(connection: pg8000.native.Connection) -> None:
    """Make room for the next batch of the same transaction."""
    for name, kept in connection.run(_OURS, kept=list(KEPT)):
        if kept:
            truncate(connection, name)
        else:
            connection.run(f"DROP TABLE {stage_name(name)}")


def truncate(connection: pg8000.native.Connection, name: str) -> None:
    """Empty a temporary table; one that is empty is left alone, since a new file costs milliseconds."""
    if connection.run(f"SELECT FROM {stage_name(name)} LIMIT 1"):
        connection.run(f"TRUNCATE {stage_name(name)}")


def require_written(connection: pg8000.native.Connection, what: str, rows: int) -> None:
    """Raise HeldError unless the last statement wrote so many rows, found by their places before. It may not
    where somebody writes the pipeline's tables beside the load, which their lock does not keep out."""
    if connection.row_count != rows:
        raise HeldError(
            f"of {rows:,} {what} {rows - connection.row_count:,} were changed by somebody else meanwhile",
            "nothing was written; see who writes to the schema starlift, then: starlift load",
        )


def _unbound(column: StarColumn) -> str:
    """A limited column is staged without its limit, one of a domain as the type under it: what the star
    would refuse, round or cut is for quarantine."""
    name = identifier(column.name)
    if column.staged == column.type and not column.domain:
        return name
    return f"CAST({name} AS {column.staged}) AS {name}"


def bind(connection: pg8000.native.Connection, rows: Staged) -> None:
    """Give the staged columns that were without it the precision and the domain of the star's: else an
    equal row would look different. To be run once no row is left that this would bend."""
    columns = (rows.table.columns[name] for name in rows.columns)
    changes = [
        f"ALTER COLUMN {identifier(column.name)} TYPE {column.domain or column.type}"
        for column in columns
        if column.bends or column.domain
    ]
    if changes:
        connection.run(f"ALTER TABLE {rows.stage} {', '.join(changes)}")


def copy(connection: pg8000.native.Connection, target: str, rows: pa.Table) -> int:
    """Append rows to a table, given quoted for SQL, by column name, in bounded memory. Return how many."""
    names = ", ".join(identifier(name) for name in rows.schema.names)
    connection.run(f"COPY {target} ({names}) FROM STDIN WITH (FORMAT csv)", stream=chunks([rows]))
    return int(rows.num_rows)

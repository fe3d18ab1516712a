"""Publishing: what was built beside the star becomes the star, in one transaction.

Rows are moved, not tables: so grants, comments, owners and whatever builds on the star's tables stay. And
only rows that differ: a reader whose snapshot is older still sees all of the old ones, as it would not
after a TRUNCATE or a swap of tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres import aside
from starlift.adapters.postgres.build import discard_build
from starlift.adapters.postgres.bulk import without_constraints
from starlift.adapters.postgres.connection import identifier, sqlstate
from starlift.adapters.postgres.migrate import Step, migrate
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, read_star
from starlift.core.manifest import ModelRef
from starlift.errors import ConfigurationError

OWN = ("migration", "reference")
"""Tables of a pipeline schema that say how it was made; they are not moved."""

_PIPELINE_TABLES = """
SELECT c.relname::text FROM pg_class c
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relkind IN ('r', 'p')
  AND NOT c.relname = ANY(:own)
ORDER BY c.relname
"""

# A type that the star's own DDL makes is there twice; as text its values move between the two.
_COLUMNS = """
SELECT a.attname::text, t.typname::text, a.atttypmod, a.attgenerated <> '', format_type(t.oid, a.atttypmod),
       t.typnamespace = c.relnamespace,
       EXISTS (SELECT FROM pg_constraint k
               WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attnum = ANY(k.conkey))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.oid = to_regclass(:table)
ORDER BY a.attname
"""


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    modifier: int
    generated: bool
    written: str
    own_type: bool
    in_key: bool

    @property
    def shape(self) -> tuple[str, str, int, bool]:
        return self.name, self.type, self.modifier, self.generated


@dataclass(frozen=True)
class _Move:
    """One table's move. columns: those of the live table that the database does not compute. arriving:
    rows that the live table has not, or has otherwise. leaving: rows of it that are not to stay."""

    schema: str
    table: str
    built: str
    columns: tuple[_Column, ...]
    arriving: int = 0
    leaving: int = 0

    @property
    def live(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.table)}"

    def row(self, side: str, columns: Sequence[_Column] | None = None) -> str:
        chosen = self.columns if columns is None else columns
        return ", ".join(_value(side, column) for column in chosen)

    @property
    def equal(self) -> str:
        return f"{self.same} AND CAST(ROW({self.row('l')}) AS record) *= CAST(ROW({self.row('b')}) AS record)"

    @property
    def same(self) -> str:
        """Whether two rows have one key; without a primary key, whether they are equal."""
        key = [column for column in self.columns if column.in_key]
        if not key:
            return f"CAST(ROW({self.row('l')}) AS record) *= CAST(ROW({self.row('b')}) AS record)"
        return " AND ".join(f"{_value('l', column)} = {_value('b', column)}" for column in key)


def _value(side: str, column: _Column) -> str:
    value = f"{side}.{identifier(column.name)}"
    return f"CAST(CAST({value} AS text) AS {column.written})" if column.own_type and side == "b" else value


def publish(
    connection: pg8000.native.Connection, build: Schemas, live: Schemas, tables: Sequence[str]
) -> list[str]:
    """Make the live star and its ledger what a build target holds, and take the target away.

    tables: the star tables to move beside the date dimension; one that the build target has not is left
    as it is. In the transaction that the caller has begun and in which it holds the load's lock. Readers
    of what changes wait until it ends, and find every key and index as it was, validated. Returns the
    names of the tables that changed. Raises ConfigurationError where a live table has columns that the
    files of sql/warehouse do not make, or lacks some, and pg8000's DatabaseError where a row breaks a key.
    """
    moves = [
        counted
        for move in _moves(connection, build, live, tables)
        if (counted := _counted(connection, move)).arriving or counted.leaving
    ]
    with _without_foreign_keys(connection, [move.live for move in moves]):
        for move in moves:
            _carry_out(connection, move)
    discard_build(connection, build)
    return [move.table for move in moves]


def bring_up(
    connection: pg8000.native.Connection, live: Schemas, steps: Sequence[Step], models: Sequence[ModelRef]
) -> None:
    """Migrate the live star, before rows are moved into it, to the files that made the build target.

    What cannot be done over the rows that are there, such as a new column that may not be NULL, is done
    without them: they are about to be replaced.
    """
    connection.run("SAVEPOINT before_migration")
    try:
        migrate(connection, live, steps, models)
    except ConfigurationError as error:
        if not (error.__cause__ and sqlstate(error.__cause__).startswith("23")):
            raise
        connection.run("ROLLBACK TO before_migration")
        _empty(connection, live, [model.name for model in models])
        migrate(connection, live, steps, models)


def _empty(connection: pg8000.native.Connection, live: Schemas, tables: Sequence[str]) -> None:
    there = read_star(connection, live.star, tables)
    quoted = [f"{identifier(live.star)}.{identifier(name)}" for name in there]
    with _without_foreign_keys(connection, quoted):
        for table in quoted:
            connection.run(f"DELETE FROM {table}")  # noqa: S608 identifiers only


def _moves(
    connection: pg8000.native.Connection, build: Schemas, live: Schemas, tables: Sequence[str]
) -> Iterator[_Move]:
    for name in dict.fromkeys((*tables, DATE_DIMENSION)):
        yield from _move(connection, build.star, live.star, name)
    for (name,) in connection.run(_PIPELINE_TABLES, schema=build.pipeline, own=list(OWN)):
        yield from _move(connection, build.pipeline, live.pipeline, name)


def _move(connection: pg8000.native.Connection, build: str, live: str, table: str) -> Iterator[_Move]:
    built, target = (f"{identifier(schema)}.{identifier(table)}" for schema in (build, live))
    given, taken = (
        [_Column(*row) for row in connection.run(_COLUMNS, table=name)] for name in (built, target)
    )
    if not given:
        return
    shapes = [{column.shape for column in columns} for columns in (given, taken)]
    if differing := sorted({shape[0] for shape in shapes[0] ^ shapes[1]}):
        raise ConfigurationError(
            f"table {live}.{table} is not as sql/warehouse makes it: column {', '.join(differing)}",
            "put what was altered by hand into a new file of sql/warehouse, or undo it, then: starlift run",
        )
    yield _Move(live, table, built, tuple(column for column in taken if not column.generated))


def _counted(connection: pg8000.native.Connection, move: _Move) -> _Move:
    arriving, built, live = connection.run(
        f"SELECT (SELECT count(*) FROM {move.built} b "  # noqa: S608 identifiers only
        f"WHERE NOT EXISTS (SELECT FROM {move.live} l WHERE {move.equal})), "
        f"(SELECT count(*) FROM {move.built}), (SELECT count(*) FROM {move.live})"
    )[0]
    return _Move(move.schema, move.table, move.built, move.columns, arriving, live - (built - arriving))


def _carry_out(connection: pg8000.native.Connection, move: _Move) -> None:
    with without_constraints(connection, move.schema, move.table, move.arriving):
        if move.leaving:
            connection.run(
                f"DELETE FROM {move.live} l "  # noqa: S608 identifiers only
                f"WHERE NOT EXISTS (SELECT FROM {move.built} b WHERE {move.equal})"
            )
        if move.arriving:
            columns = ", ".join(identifier(column.name) for column in move.columns)
            connection.run(
                f"INSERT INTO {move.live} ({columns}) OVERRIDING SYSTEM VALUE "  # noqa: S608 identifiers
                f"SELECT {move.row('b')} FROM {move.built} b "
                f"WHERE NOT EXISTS (SELECT FROM {move.live} l WHERE {move.same})"
            )
    connection.run(f"ANALYZE {move.live}")


@contextmanager
def _without_foreign_keys(connection: pg8000.native.Connection, tables: Sequence[str]) -> Iterator[None]:
    """Take away the foreign keys of some tables and those that refer to them; make them again, and with
    that validate them at once, when the block ends."""
    keys = aside.foreign_keys_around(connection, tables)
    aside.drop(connection, keys)
    yield
    aside.make(connection, keys)

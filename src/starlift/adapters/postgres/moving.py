"""Makes a table hold what another of its shape holds, by touching only the rows that differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.bulk import without_constraints
from starlift.adapters.postgres.connection import identifier
from starlift.errors import ConfigurationError

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
    """written: its type, for SQL. own_type: one of the table's own schema. in_key: of the primary key."""

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

    def value(self, side: str) -> str:
        """Its value of a row of the target (t) or of the origin (o), as the target's type."""
        value = f"{side}.{identifier(self.name)}"
        return f"CAST(CAST({value} AS text) AS {self.written})" if self.own_type and side == "o" else value


@dataclass(frozen=True)
class Move:
    """What one table needs to become what another is.

    schema, table: the target's. origin: the other, quoted for SQL. columns: those that the database does
    not compute. arriving: rows of the origin that the target has not, or has otherwise. leaving: rows of the
    target that are not to stay.
    """

    schema: str
    table: str
    origin: str
    columns: tuple[_Column, ...]
    arriving: int = 0
    leaving: int = 0

    @property
    def target(self) -> str:
        """The target, quoted for SQL."""
        return f"{identifier(self.schema)}.{identifier(self.table)}"

    @property
    def differs(self) -> bool:
        """Whether there is anything to move."""
        return bool(self.arriving or self.leaving)

    def row(self, side: str) -> str:
        """The values of a row, listed."""
        return ", ".join(column.value(side) for column in self.columns)

    @property
    def equal(self) -> str:
        """Whether two rows are equal in every bit: *= knows every type, also those without an equality."""
        return f"CAST(ROW({self.row('t')}) AS record) *= CAST(ROW({self.row('o')}) AS record)"

    @property
    def same(self) -> str:
        """Whether two rows have one key; without a primary key, whether they are equal."""
        key = [column for column in self.columns if column.in_key]
        return " AND ".join(f"{column.value('t')} = {column.value('o')}" for column in key) or self.equal


def plan_move(connection: pg8000.native.Connection, origin: str, schema: str, table: str) -> Move | None:
    """Return what moves from a table to the one of its name in another schema, None where the origin's schema
    has no such table. origin, schema: names of the schemas.

    Raises ConfigurationError, naming the columns, where the two are not of one shape.
    """
    move = _shaped(connection, origin, schema, table)
    return move and _counted(connection, move)


def require_shapes(
    connection: pg8000.native.Connection, origin: str, schema: str, tables: Sequence[str]
) -> None:
    """Raise ConfigurationError, naming table and columns, where `plan_move` would."""
    for table in tables:
        _shaped(connection, origin, schema, table)


def _shaped(connection: pg8000.native.Connection, origin: str, schema: str, table: str) -> Move | None:
    quoted = [f"{identifier(name)}.{identifier(table)}" for name in (origin, schema)]
    given, taken = ([_Column(*row) for row in connection.run(_COLUMNS, table=name)] for name in quoted)
    if not given:
        return None
    shapes = [{column.shape for column in columns} for columns in (given, taken)]
    if differing := sorted({shape[0] for shape in shapes[0] ^ shapes[1]}):
        raise ConfigurationError(
            f"table {schema}.{table} is not as sql/warehouse makes it: column {', '.join(differing)}",
            "put what was altered by hand into a new file of sql/warehouse, or undo it, then: starlift run",
        )
    return Move(schema, table, quoted[0], tuple(column for column in taken if not column.generated))


def _counted(connection: pg8000.native.Connection, move: Move) -> Move:
    arriving, there, here = connection.run(
        f"SELECT (SELECT count(*) FROM {move.origin} o "  # noqa: S608 identifiers only
        f"WHERE NOT EXISTS (SELECT FROM {move.target} t WHERE {move.same} AND {move.equal})), "
        f"(SELECT count(*) FROM {move.origin}), (SELECT count(*) FROM {move.target})"
    )[0]
    return Move(move.schema, move.table, move.origin, move.columns, arriving, here - (there - arriving))


def carry_out(connection: pg8000.native.Connection, moves: Iterable[Move]) -> None:
    """Move the rows."""
    for move in moves:
        with without_constraints(connection, move.schema, move.table, move.arriving):
            if move.leaving:
                connection.run(
                    f"DELETE FROM {move.target} t WHERE NOT EXISTS "  # noqa: S608 identifiers only
                    f"(SELECT FROM {move.origin} o WHERE {move.same} AND {move.equal})"
                )
            if move.arriving:
                columns = ", ".join(identifier(column.name) for column in move.columns)
                connection.run(
                    f"INSERT INTO {move.target} ({columns}) OVERRIDING SYSTEM VALUE "  # noqa: S608 identifiers
                    f"SELECT {move.row('o')} FROM {move.origin} o "
                    f"WHERE NOT EXISTS (SELECT FROM {move.target} t WHERE {move.same})"
                )
        connection.run(f"ANALYZE {move.target}")


def plan_moves(
    connection: pg8000.native.Connection, origin: str, schema: str, tables: Sequence[str]
) -> list[Move]:
    """Return the moves of those of the named tables that are there and differ."""
    planned = (plan_move(connection, origin, schema, name) for name in dict.fromkeys(tables))
    return [move for move in planned if move is not None and move.differs]

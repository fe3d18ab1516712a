"""Puts rows into a Totesys database by COPY."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import pg8000.native

from starlift.adapters.postgres.connection import identifier

Value = int | str | bool | None
Row = dict[str, Value]
"""One source row by column. Numerics, timestamps and enums are text, as PostgreSQL prints them."""

TABLES = (
    "address",
    "department",
    "currency",
    "payment_type",
    "design",
    "staff",
    "counterparty",
    "sales_order",
    "purchase_order",
    "transaction",
    "payment",
)
"""Totesys's tables, each after those it refers to."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def key(table: str) -> str:
    """Return the key column of a Totesys table."""
    return f"{table}_id"


@contextmanager
def transaction(connection: pg8000.native.Connection) -> Iterator[None]:
    """Commit what the block did, or, where it raises, nothing of it."""
    connection.run("BEGIN")
    try:
        yield
    except BaseException:
        connection.run("ROLLBACK")
        raise
    connection.run("COMMIT")


def load(connection: pg8000.native.Connection, rows: Mapping[str, Iterable[Row]]) -> None:
    """Insert the rows of some tables in one transaction, and move the sequences behind them.

    Raises pg8000's DatabaseError, with nothing inserted, where a row breaks a constraint.
    """
    with transaction(connection):
        insert(connection, rows)
        for table in rows:
            _advance_sequence(connection, table)


def insert(connection: pg8000.native.Connection, rows: Mapping[str, Iterable[Row]]) -> None:
    """Insert the rows of some tables, those referred to first; the caller commits."""
    for table in TABLES:
        copy(connection, table, rows.get(table, ()))


def copy(connection: pg8000.native.Connection, table: str, rows: Iterable[Row]) -> None:
    """Insert rows that all have the columns of the first, by one COPY."""
    listed = list(rows)
    if listed:
        columns = ", ".join(identifier(name) for name in listed[0])
        stream = io.BytesIO(copy_text(listed))
        connection.run(f"COPY {identifier(table)} ({columns}) FROM STDIN", stream=stream)


def copy_text(rows: Iterable[Row]) -> bytes:
    r"""Return rows in COPY's text format.

    >>> copy_text([{"id": 1, "paid": True, "note": "a\tb", "district": None}])
    b'1\tt\ta\\tb\t\\N\n'
    """
    return "".join("\t".join(map(_field, row.values())) + "\n" for row in rows).encode()


def _field(value: Value) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def _advance_sequence(connection: pg8000.native.Connection, table: str) -> None:
    column = key(table)
    command = (
        "SELECT setval(pg_get_serial_sequence(:name, :column), greatest(id, 1), id > 0) FROM "  # noqa: S608 # nosec B608
        f"(SELECT coalesce(max({identifier(column)}), 0) AS id FROM {identifier(table)}) AS highest"
    )
    connection.run(command, name=table, column=column)

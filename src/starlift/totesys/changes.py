"""What happens to a live Totesys: each function applies one kind of change, as its application would.

Each takes a connection that may write, commits (but for `late_commit`), and returns what it changed:
the keys by table. Draws come from the caller's generator, moments (naive, UTC) from the caller's clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.totesys import vocabulary
from starlift.totesys.generator import CHOSEN, paid_stamp
from starlift.totesys.loading import Value, insert, key, transaction
from starlift.totesys.orders import Desk, Event, Rows, item_code, plan, stamp, write_up
from starlift.totesys.reference import phone, street

Changed = dict[str, list[int]]
"""Keys of changed rows by table, ascending; tables without a change are left out."""

_SILENT = {
    ("design", "file_location"): 162,
    ("sales_order", "agreed_delivery_date"): 33,
    ("sales_order", "staff_id"): 33,
    ("sales_order", "agreed_delivery_location_id"): 30,
    ("sales_order", "design_id"): 29,
    ("purchase_order", "agreed_delivery_date"): 12,
    ("purchase_order", "item_code"): 12,
    ("purchase_order", "staff_id"): 12,
    ("purchase_order", "agreed_delivery_location_id"): 9,
}
"""Columns that Totesys edits without moving last_updated, and how many such edits were once counted."""

_REFERS_TO = {"staff_id": "staff", "design_id": "design", "agreed_delivery_location_id": "address"}


def working_day(
    connection: pg8000.native.Connection, rng: random.Random, day: date, pace: float = 1.0
) -> Changed:
    """Enter a day's orders and designs, stamped between 08:00 and 18:59: some 31 times `pace`."""
    with transaction(connection):
        return _enter(connection, rng, plan(rng, day, pace))


def place_orders(
    connection: pg8000.native.Connection, rng: random.Random, at: datetime, sales: int = 1, purchases: int = 0
) -> Changed:
    """Enter some orders at one moment."""
    with transaction(connection):
        return _enter(connection, rng, [Event(at, "sale")] * sales + [Event(at, "purchase")] * purchases)


def add_design(connection: pg8000.native.Connection, rng: random.Random, at: datetime) -> Changed:
    """Enter a new design."""
    with transaction(connection):
        return _enter(connection, rng, [Event(at, "design")])


@contextmanager
def late_commit(connection: pg8000.native.Connection, rng: random.Random, at: datetime) -> Iterator[Changed]:
    """Enter a sale stamped `at`, and commit it only when the block ends; if it raises, never.

    A poll within the block cannot see the sale; a watermark past `at` then misses it for good.
    """
    with transaction(connection):
        yield _enter(connection, rng, [Event(at, "sale")])


def pay_morning(connection: pg8000.native.Connection, rng: random.Random, day: date) -> Changed:
    """Mark the payments dated `day` as paid, by one statement and with one stamp, 07:55:11 of that day.

    On a weekend nothing happens: payments dated then are never paid.
    """
    if day.weekday() >= 5:
        return {}
    at = stamp(paid_stamp(rng, day))
    paid = connection.run(
        "UPDATE payment SET paid = true, last_updated = CAST(:at AS timestamp) "
        "WHERE NOT paid AND payment_date = :day AND created_at < CAST(:at AS timestamp) "
        "RETURNING payment_id",
        at=at,
        day=day.isoformat(),
    )
    return _changed({"payment": [row[0] for row in paid or ()]})


def edit_silently(connection: pg8000.native.Connection, rng: random.Random, rows: int) -> Changed:
    """Change one column of some distinct rows, old ones too, and leave last_updated as it was.

    Raises ValueError where there are fewer rows than that to choose from.
    """
    edited: dict[str, set[int]] = {"sales_order": set(), "purchase_order": set(), "design": set()}
    with transaction(connection):
        desk = _desk(connection)
        keys = {table: _keys(connection, table) for table in edited}
        if sum(map(len, keys.values())) < rows:
            raise ValueError(f"no {rows} rows to edit: enter orders first")
        while sum(map(len, edited.values())) < rows:
            table, column = rng.choices(list(_SILENT), list(_SILENT.values()))[0]
            row = rng.choice(keys[table] or [0])
            if row and row not in edited[table]:
                _edit(connection, (table, column, row), rng, desk)
                edited[table].add(row)
    return _changed({table: list(found) for table, found in edited.items()})


def rename_department(
    connection: pg8000.native.Connection, department_id: int, name: str, at: datetime
) -> Changed:
    """Give a department another name, and stamp it."""
    renamed = connection.run(
        "UPDATE department SET department_name = :name, last_updated = CAST(:at AS timestamp) "
        "WHERE department_id = :id RETURNING department_id",
        name=name,
        at=stamp(at),
        id=department_id,
    )
    return _changed({"department": [row[0] for row in renamed or ()]})


def move_address(
    connection: pg8000.native.Connection, rng: random.Random, address_id: int, at: datetime
) -> Changed:
    """Give an address another street and telephone, and stamp it."""
    moved = connection.run(
        "UPDATE address SET address_line_1 = :line, phone = :phone, "
        "last_updated = CAST(:at AS timestamp) WHERE address_id = :id RETURNING address_id",
        line=street(rng),
        phone=phone(rng),
        at=stamp(at),
        id=address_id,
    )
    return _changed({"address": [row[0] for row in moved or ()]})


def _enter(connection: pg8000.native.Connection, rng: random.Random, events: list[Event]) -> Changed:
    rows: Rows = write_up(rng, _desk(connection), events)
    insert(connection, rows)
    return _changed({table: [int(row[key(table)] or 0) for row in new] for table, new in rows.items()})


def _desk(connection: pg8000.native.Connection) -> Desk:
    return Desk(partial(_next_keys, connection), {table: _keys(connection, table) for table in CHOSEN})


def _next_keys(connection: pg8000.native.Connection, table: str, number: int) -> list[int]:
    """From the sequence, as concurrent writers must."""
    taken = connection.run(
        "SELECT nextval(pg_get_serial_sequence(:table, :key)) FROM generate_series(1, :number)",
        table=table,
        key=key(table),
        number=number,
    )
    return [row[0] for row in taken or ()]


def _keys(connection: pg8000.native.Connection, table: str) -> list[int]:
    column = identifier(key(table))
    found = connection.run(f"SELECT {column} FROM {identifier(table)} ORDER BY 1")  # noqa: S608 # nosec B608
    return [row[0] for row in found or ()]


def _edit(
    connection: pg8000.native.Connection, cell: tuple[str, str, int], rng: random.Random, desk: Desk
) -> None:
    table, column, row = cell
    where = f"WHERE {identifier(key(table))} = :key"
    reading = f"SELECT {identifier(column)} FROM {identifier(table)} {where}"  # noqa: S608 # nosec B608
    ((old,),) = connection.run(reading, key=row) or ((None,),)
    writing = f"UPDATE {identifier(table)} SET {identifier(column)} = :new {where}"  # noqa: S608 # nosec B608
    connection.run(writing, new=_another(rng, desk, column, old), key=row)


def _another(rng: random.Random, desk: Desk, column: str, old: Value) -> Value:
    """Draw a value for a column that is not the one it has."""
    if column == "agreed_delivery_date":
        return (date.fromisoformat(str(old)) + timedelta(days=rng.randint(1, 60))).isoformat()
    if column == "item_code":
        return item_code(rng)
    if column == "file_location":
        return rng.choice([place for place in vocabulary.FILE_LOCATIONS if place != old])
    return rng.choice([other for other in desk.choices[_REFERS_TO[column]] if other != old])


def _changed(keys: Changed) -> Changed:
    return {table: sorted(found) for table, found in keys.items() if found}

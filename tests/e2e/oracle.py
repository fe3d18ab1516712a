"""What the star must hold, worked out from the source's rows in plain Python.

It shares nothing with the models, the typing or the load: columns and rules are the star's definition.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any

import pg8000.native

from starlift.totesys.loading import TABLES
from tests.postgres import connected

Row = dict[str, Any]
Tables = dict[str, dict[int, Row]]
"""Source rows by table and key."""
Star = dict[str, dict[Any, tuple[Any, ...]]]
"""Star rows by table and key, without surrogate; of a fact the current ones."""

COLUMNS = {
    "fact_sales_order": "sales_order_id created_date created_time last_updated_date last_updated_time "
    "sales_staff_id counterparty_id units_sold unit_price currency_id design_id agreed_payment_date "
    "agreed_delivery_date agreed_delivery_location_id",
    "fact_purchase_order": "purchase_order_id created_date created_time last_updated_date last_updated_time "
    "staff_id counterparty_id item_code item_quantity item_unit_price currency_id agreed_delivery_date "
    "agreed_payment_date agreed_delivery_location_id",
    "fact_payment": "payment_id created_date created_time last_updated_date last_updated_time "
    "transaction_id counterparty_id payment_amount currency_id payment_type_id paid payment_date",
    "dim_date": "date_id year month day day_of_week day_name month_name quarter",
    "dim_staff": "staff_id first_name last_name department_name location email_address",
    "dim_location": "location_id address_line_1 address_line_2 district city postal_code country phone",
    "dim_currency": "currency_id currency_code currency_name",
    "dim_design": "design_id design_name file_location file_name",
    "dim_counterparty": "counterparty_id counterparty_legal_name counterparty_legal_address_line_1 "
    "counterparty_legal_address_line_2 counterparty_legal_district counterparty_legal_city "
    "counterparty_legal_postal_code counterparty_legal_country counterparty_legal_phone_number",
    "dim_payment_type": "payment_type_id payment_type_name",
    "dim_transaction": "transaction_id transaction_type sales_order_id purchase_order_id",
}
"""The star's tables, each with its columns in order; the first is the key."""

SURROGATES = {
    "fact_sales_order": "sales_record_id",
    "fact_purchase_order": "purchase_record_id",
    "fact_payment": "payment_record_id",
}
DRIVEN_BY = {
    **{f"dim_{name}": name for name in ("staff", "currency", "design", "counterparty", "payment_type")},
    **{name: name.removeprefix("fact_") for name in SURROGATES},
    "dim_transaction": "transaction",
    "dim_location": "address",
}
"""The source table each star table has one row of."""

_FROM_TEXT = {1082: date.fromisoformat, 1083: time.fromisoformat, 1114: datetime.fromisoformat}
"""How PostgreSQL's types date, time and timestamp are read, by oid."""

CURRENCIES = {"GBP": "Pound Sterling", "USD": "US Dollar", "EUR": "Euro"}


@contextmanager
def reading(url: str, snapshot: str | None = None) -> Iterator[pg8000.native.Connection]:
    """A connection that sees one moment of a database, for a block: that of an exported snapshot, or now."""
    with connected(url) as connection:
        # the driver's own way of reading dates takes ten times as long
        for oid, read in _FROM_TEXT.items():
            connection.register_in_adapter(oid, read)
        connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot is not None:
            connection.run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        yield connection


def read_source(url: str, snapshot: str | None = None) -> Tables:
    """Return all rows of a Totesys, as of one moment."""
    with reading(url, snapshot) as connection:
        return {name: {row[f"{name}_id"]: row for row in _rows(connection, name)} for name in TABLES}


def read_star(url: str) -> Star:
    """Return the star as of one moment, of the facts what current_fact_* shows."""
    with reading(url) as connection:
        return _star(connection)


def read_batch(url: str) -> tuple[int, Star]:
    """Return the number of the last batch that is applied, and the star with it, as of one moment.

    url: of somebody who may see the pipeline's tables."""
    with reading(url) as connection:
        ((seq,),) = connection.run("SELECT coalesce(max(seq), 0) FROM starlift.applied")
        return seq, _star(connection)


def _star(connection: pg8000.native.Connection) -> Star:
    return {
        name: {row[0]: tuple(row) for row in connection.run(f"SELECT {_listed(name)} FROM {_shown(name)}")}
        for name in COLUMNS
    }


def expected_star(source: Tables, used: Iterable[date] = ()) -> Star:
    """Return what the star must be; `used` are dates that it refers to besides the source's own."""
    star: Star = {
        name: {key: _star_row(name, row, source) for key, row in source[table].items()}
        for name, table in DRIVEN_BY.items()
    }
    dates = [*used, *(value for name in SURROGATES for value in _dates(name, star[name].values()))]
    return {**star, "dim_date": calendar_of(dates)}


def dates_of_versions(url: str) -> list[date]:
    """Return the dates that the versions in the star refer to, old ones too."""
    with reading(url) as connection:
        found = (
            connection.run(f"SELECT DISTINCT {column} FROM {name}") or ()
            for name in SURROGATES
            for column in COLUMNS[name].split()
            if column.endswith("_date")
        )
        return [row[0] for rows in found for row in rows]


def differences(expected: Star, found: Star) -> dict[str, Any]:
    """Return, per table that differs, some rows as they must be and as they are."""
    wrong: dict[str, Any] = {}
    for name in COLUMNS:
        keys = [
            key for key in {*expected[name], *found[name]} if expected[name].get(key) != found[name].get(key)
        ]
        if keys:
            some = {key: (expected[name].get(key), found[name].get(key)) for key in keys[:5]}
            wrong[name] = {"rows that differ": len(keys), "must be, is": some}
    return wrong


def calendar_of(dates: Iterable[date]) -> dict[Any, tuple[Any, ...]]:
    """Return every day of the years from the first to the last of some dates."""
    years = {day.year for day in dates}
    day, end = date(min(years), 1, 1), date(max(years), 12, 31)
    days = {}
    while day <= end:
        names = calendar.day_name[day.weekday()], calendar.month_name[day.month]
        quarter = (day.month + 2) // 3
        days[day] = (day, day.year, day.month, day.day, day.isoweekday(), *names, quarter)
        day += timedelta(days=1)
    return days


def _rows(connection: pg8000.native.Connection, table: str) -> list[Row]:
    rows = connection.run(f'SELECT * FROM "{table}"') or []
    names = [column["name"] for column in connection.columns or []]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _listed(name: str) -> str:
    return COLUMNS[name].replace(" ", ", ")


def _shown(name: str) -> str:
    return f"current_{name}" if name in SURROGATES else name


def _dates(name: str, rows: Iterable[Iterable[Any]]) -> list[date]:
    places = [number for number, column in enumerate(COLUMNS[name].split()) if column.endswith("_date")]
    return [list(row)[place] for row in rows for place in places]


def _star_row(name: str, row: Row, source: Tables) -> tuple[Any, ...]:
    wide = {**row, **_joined(name, row, source)}
    return tuple(_value(wide, column) for column in COLUMNS[name].split())


def _value(row: Row, column: str) -> Any:
    for part in ("created", "last_updated"):
        moment = row["created_at" if part == "created" else part]
        if column == f"{part}_date":
            return moment.date()
        if column == f"{part}_time":
            return moment.time()
    return date.fromisoformat(row[column]) if column.endswith("_date") else row[column]


def _joined(name: str, row: Row, source: Tables) -> Row:
    if name == "fact_sales_order":
        return {"sales_staff_id": row["staff_id"]}
    if name == "dim_location":
        return {"location_id": row["address_id"]}
    if name == "dim_currency":
        return {"currency_name": CURRENCIES[row["currency_code"]]}
    if name == "dim_staff":
        department = source["department"][row["department_id"]]
        return {column: department[column] for column in ("department_name", "location")}
    if name == "dim_counterparty":
        address = {**source["address"][row["legal_address_id"]]}
        address["phone_number"] = address["phone"]
        return {f"counterparty_legal_{column}": value for column, value in address.items()}
    return {}

"""Whether a copy is right: every table's rows are counted, and the sales orders are added up whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from tests.postgres import connected

from starlift.totesys.loading import TABLES

_KINDS = {
    "sales_order_id": "bigint",
    "created_at": "timestamp(3)",
    "last_updated": "timestamp(3)",
    "design_id": "bigint",
    "staff_id": "bigint",
    "counterparty_id": "bigint",
    "units_sold": "bigint",
    "unit_price": "numeric(10,2)",
    "currency_id": "bigint",
    "agreed_delivery_date": "date",
    "agreed_payment_date": "date",
    "agreed_delivery_location_id": "bigint",
}
"""Columns of a sales order, and one type for each: a tool may choose wider ones."""

STAR = {
    "created_at": "created_date + created_time",
    "last_updated": "last_updated_date + last_updated_time",
    "staff_id": "sales_staff_id",
}
"""Where the star has a column that is called otherwise in the source."""

STAR_TABLES = {
    "address": "dim_location",
    "counterparty": "dim_counterparty",
    "currency": "dim_currency",
    "payment_type": "dim_payment_type",
    "design": "dim_design",
    "staff": "dim_staff",
    "sales_order": "current_fact_sales_order",
    "purchase_order": "current_fact_purchase_order",
    "transaction": "dim_transaction",
    "payment": "current_fact_payment",
}
"""Relations of the star that have one row for each of a source's; of `department` it has none."""


def star_relation(table: str) -> str | None:
    """Return what has a row of the star for each row of a source table."""
    return STAR_TABLES.get(table)


def content(
    url: str, relation: Callable[[str], str | None] = str, columns: Mapping[str, str] | None = None
) -> dict[str, Decimal]:
    """Return what a copy holds: rows of each table, and the sum of a hash of each sales order.

    relation: what a table is called there, None where it has no counterpart. columns: SQL of those columns of
    a sales order that are not called the same.
    """
    known = columns or {}
    row = ", ".join(f"CAST({known.get(name, name)} AS {kind})" for name, kind in _KINDS.items())
    with connected(url) as reader:
        found = {
            table: reader.run(f"SELECT CAST(count(*) AS numeric) FROM {name}")[0][0]
            for table in TABLES
            if (name := relation(table)) is not None
        }
        hashed = f"coalesce(sum(hashtextextended(CAST(ROW({row}) AS text), 0)), 0)"
        return {
            **found,
            "sum of sales_order": reader.run(f"SELECT {hashed} FROM {relation('sales_order')}")[0][0],
        }


def wrong(there: Mapping[str, Decimal], here: Mapping[str, Decimal]) -> str:
    """Return in what a copy is not as its source, in a line; nothing where it is."""
    return ", ".join(
        f"{name} is {here[name]:,}, not {there[name]:,}" for name in here if here[name] != there[name]
    )

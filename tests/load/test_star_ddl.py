"""The star is the published one, column by column."""

from __future__ import annotations

import pytest

from tests.load.conftest import Star, migrated
from tests.postgres import WarehouseDatabase

DATE, TIME, INT, TEXT = "date NN", "time NN", "int NN", "varchar NN"
MONEY = "numeric(10,2) NN"
STAR = {
    "dim_date": [("date_id", DATE), ("year", INT), ("month", INT), ("day", INT), ("day_of_week", INT),
                 ("day_name", TEXT), ("month_name", TEXT), ("quarter", INT)],
    "dim_staff": [("staff_id", INT), ("first_name", TEXT), ("last_name", TEXT), ("department_name", TEXT),
                  ("location", "varchar"), ("email_address", TEXT)],
    "dim_location": [("location_id", INT), ("address_line_1", TEXT), ("address_line_2", "varchar"),
                     ("district", "varchar"), ("city", TEXT), ("postal_code", TEXT), ("country", TEXT),
                     ("phone", TEXT)],
    "dim_currency": [("currency_id", INT), ("currency_code", TEXT), ("currency_name", TEXT)],
    "dim_design": [("design_id", INT), ("design_name", TEXT), ("file_location", TEXT), ("file_name", TEXT)],
    "dim_counterparty": [
        ("counterparty_id", INT), ("counterparty_legal_name", TEXT),
        ("counterparty_legal_address_line_1", TEXT), ("counterparty_legal_address_line_2", "varchar"),
        ("counterparty_legal_district", "varchar"), ("counterparty_legal_city", TEXT),
        ("counterparty_legal_postal_code", TEXT), ("counterparty_legal_country", TEXT),
        ("counterparty_legal_phone_number", TEXT)],
    "dim_payment_type": [("payment_type_id", INT), ("payment_type_name", TEXT)],
    "dim_transaction": [("transaction_id", INT), ("transaction_type", TEXT), ("sales_order_id", "int"),
                        ("purchase_order_id", "int")],
    "fact_sales_order": [
        ("sales_record_id", "serial"), ("sales_order_id", INT), ("created_date", DATE),
        ("created_time", TIME), ("last_updated_date", DATE), ("last_updated_time", TIME),
        ("sales_staff_id", INT), ("counterparty_id", INT), ("units_sold", INT), ("unit_price", MONEY),
        ("currency_id", INT),
        ("design_id", INT), ("agreed_payment_date", DATE), ("agreed_delivery_date", DATE),
        ("agreed_delivery_location_id", INT)],
    "fact_purchase_order": [
        ("purchase_record_id", "serial"), ("purchase_order_id", INT), ("created_date", DATE),
        ("created_time", TIME), ("last_updated_date", DATE), ("last_updated_time", TIME), ("staff_id", INT),
        ("counterparty_id", INT), ("item_code", TEXT), ("item_quantity", INT), ("item_unit_price", MONEY),
        ("currency_id", INT), ("agreed_delivery_date", DATE), ("agreed_payment_date", DATE),
        ("agreed_delivery_location_id", INT)],
    "fact_payment": [
        ("payment_record_id", "serial"), ("payment_id", INT), ("created_date", DATE), ("created_time", TIME),
        ("last_updated_date", DATE), ("last_updated_time", TIME), ("transaction_id", INT),
        ("counterparty_id", INT), ("payment_amount", MONEY), ("currency_id", INT), ("payment_type_id", INT),
        ("paid", "boolean NN"), ("payment_date", DATE)],
}  # fmt: skip
"""The published star. NN: NOT NULL."""

ORDER_DATES = ["created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date"]
REFERENCES = {
    "fact_sales_order": {
        **dict.fromkeys(ORDER_DATES, "dim_date"),
        "sales_staff_id": "dim_staff",
        "counterparty_id": "dim_counterparty",
        "currency_id": "dim_currency",
        "design_id": "dim_design",
        "agreed_delivery_location_id": "dim_location",
    },
    "fact_purchase_order": {
        **dict.fromkeys(ORDER_DATES, "dim_date"),
        "staff_id": "dim_staff",
        "counterparty_id": "dim_counterparty",
        "currency_id": "dim_currency",
        "agreed_delivery_location_id": "dim_location",
    },
    "fact_payment": {
        **dict.fromkeys(["created_date", "last_updated_date", "payment_date"], "dim_date"),
        "transaction_id": "dim_transaction",
        "counterparty_id": "dim_counterparty",
        "currency_id": "dim_currency",
        "payment_type_id": "dim_payment_type",
    },
}
"""Foreign keys: per column the dimension it refers to."""

_TYPES = {"integer": "int", "character varying": "varchar", "time without time zone": "time"}


@pytest.fixture(scope="module")
def made(one_warehouse: WarehouseDatabase) -> Star:
    """The star as `starlift migrate` makes it; the tests of this module only look at it."""
    return migrated(one_warehouse)


def described(star: Star, table: str) -> list[tuple[str, str]]:
    """The columns of a table in the words of STAR."""
    rows = star.rows(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, "
        "pg_get_serial_sequence(attrelid::regclass::text, attname) IS NOT NULL "
        "FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0 ORDER BY attnum",
        table=table,
    )
    return [
        (name, "serial" if serial else _TYPES.get(kind, kind) + (" NN" if not_null else ""))
        for name, kind, not_null, serial in rows
    ]


@pytest.mark.parametrize("table", STAR)
def test_a_table_has_the_published_columns_in_the_published_order(made: Star, table: str) -> None:
    assert described(made, table) == STAR[table]


@pytest.mark.parametrize("table", STAR)
def test_the_first_column_is_the_primary_key(made: Star, table: str) -> None:
    rows = made.rows(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass(:table) "
        "AND contype = 'p'",
        table=table,
    )
    assert rows == [[f"PRIMARY KEY ({STAR[table][0][0]})"]]


@pytest.mark.parametrize("table", STAR)
def test_every_reference_is_declared(made: Star, table: str) -> None:
    rows = made.rows(
        "SELECT a.attname, k.confrelid::regclass::text FROM pg_constraint k JOIN pg_attribute a "
        "ON a.attrelid = k.conrelid AND a.attnum = ALL(k.conkey) "
        "WHERE k.conrelid = to_regclass(:table) AND k.contype = 'f' AND k.convalidated",
        table=table,
    )
    assert dict(rows) == REFERENCES.get(table, {})


def test_the_star_has_no_other_tables(made: Star) -> None:
    rows = made.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    assert {name for (name,) in rows} == set(STAR)


@pytest.mark.parametrize("fact", REFERENCES)
def test_each_fact_has_its_two_views(made: Star, fact: str) -> None:
    own = [name for name, _ in STAR[fact]]
    assert [name for name, _ in described(made, f"current_{fact}")] == own
    assert [name for name, _ in described(made, f"history_{fact}")] == [
        "valid_from", "valid_to", "op", "seq", *own,
    ]  # fmt: skip

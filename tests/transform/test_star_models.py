"""Every model of sql/models: given rows of the source, expected rows of the star."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core.manifest import Column
from starlift.core.typing import schema_of
from starlift.ports import RowError
from tests.transform.lakes import STAMP, totesys_models

MODELS = {model.name: model for model in totesys_models()}

CREATED, UPDATED = datetime(2024, 11, 22, 9, 30, 15, 123000), datetime(2024, 11, 22, 23, 59, 59, 999000)
STAMPS = {"created_at": (STAMP, CREATED), "last_updated": (STAMP, UPDATED)}

Cells = dict[str, tuple[str, Any]]
"""A source row: PostgreSQL type and value by column."""


def row(**cells: tuple[str, Any]) -> Cells:
    return {**cells, **STAMPS}


def made(engine: DuckDBEngine, name: str, **tables: list[Cells]) -> list[dict[str, Any]]:
    inputs = {}
    for table, rows in tables.items():
        schema = schema_of([Column(column, type_) for column, (type_, _) in rows[0].items()])
        values = [{column: value for column, (_, value) in cells.items()} for cells in rows]
        inputs[table] = pa.Table.from_pylist(values, schema=schema)
    return list(engine.run(MODELS[name], inputs).to_pylist())


def text(value: str | None) -> tuple[str, str | None]:
    return "text", value


def number(value: int | None) -> tuple[str, int | None]:
    return "integer", value


def money(value: str) -> tuple[str, Decimal]:
    return "numeric(10,2)", Decimal(value)


STAFF = row(
    staff_id=number(7),
    first_name=text("Pat"),
    last_name=text("O'Keefe"),
    department_id=number(4),
    email_address=text("pat.okeefe@terrifictotes.com"),
)


def department(location: str | None) -> Cells:
    return row(department_id=number(4), department_name=text("Facilities"), location=text(location))


@pytest.mark.parametrize("location", ["Leds", None])
def test_dim_staff_has_department_and_location_of_each_member_of_staff(
    engine: DuckDBEngine, location: str | None
) -> None:
    assert made(engine, "dim_staff", staff=[STAFF], department=[department(location)]) == [
        {
            "staff_id": 7,
            "first_name": "Pat",
            "last_name": "O'Keefe",
            "department_name": "Facilities",
            "location": location,
            "email_address": "pat.okeefe@terrifictotes.com",
        }
    ]


def test_dim_staff_keeps_staff_whose_department_has_not_been_loaded(engine: DuckDBEngine) -> None:
    other = {**department("Leeds"), "department_id": number(5)}
    (member,) = made(engine, "dim_staff", staff=[STAFF], department=[other])
    assert (member["staff_id"], member["department_name"], member["location"]) == (7, "(not loaded)", None)


ADDRESS = row(
    address_id=number(15),
    address_line_1=text("605 Haskell Trafficway"),
    address_line_2=text(None),
    district=text(None),
    city=text("East Bobbie"),
    postal_code=text("08253-4257"),
    country=text("Democratic People's Republic of Korea"),
    phone=text("9687 937447"),
)


def test_dim_location_is_the_address_with_its_leading_zeros(engine: DuckDBEngine) -> None:
    assert made(engine, "dim_location", address=[ADDRESS]) == [
        {
            "location_id": 15,
            "address_line_1": "605 Haskell Trafficway",
            "address_line_2": None,
            "district": None,
            "city": "East Bobbie",
            "postal_code": "08253-4257",
            "country": "Democratic People's Republic of Korea",
            "phone": "9687 937447",
        }
    ]


def counterparty(number_: int, address: int) -> Cells:
    return row(
        counterparty_id=number(number_),
        counterparty_legal_name=text(f"Fahey and Sons {number_}"),
        legal_address_id=number(address),
    )


def test_dim_counterparty_has_the_legal_address_also_where_several_share_one(engine: DuckDBEngine) -> None:
    given = [counterparty(2, 15), counterparty(1, 15)]
    rows = made(engine, "dim_counterparty", counterparty=given, address=[ADDRESS])
    assert [row["counterparty_id"] for row in rows] == [1, 2]
    assert rows[0] == {
        "counterparty_id": 1,
        "counterparty_legal_name": "Fahey and Sons 1",
        "counterparty_legal_address_line_1": "605 Haskell Trafficway",
        "counterparty_legal_address_line_2": None,
        "counterparty_legal_district": None,
        "counterparty_legal_city": "East Bobbie",
        "counterparty_legal_postal_code": "08253-4257",
        "counterparty_legal_country": "Democratic People's Republic of Korea",
        "counterparty_legal_phone_number": "9687 937447",
    }


def test_dim_counterparty_keeps_one_whose_address_has_not_been_loaded(engine: DuckDBEngine) -> None:
    (row,) = made(engine, "dim_counterparty", counterparty=[counterparty(1, 99)], address=[ADDRESS])
    assert row["counterparty_legal_city"] == row["counterparty_legal_country"] == "(not loaded)"
    assert row["counterparty_legal_district"] is None


def currency(number_: int, code: str) -> Cells:
    return row(currency_id=number(number_), currency_code=("character varying(3)", code))


def test_dim_currency_has_the_names_that_iso_4217_gives(engine: DuckDBEngine) -> None:
    given = [currency(3, "EUR"), currency(1, "GBP"), currency(2, "USD"), currency(4, "HRK")]
    assert made(engine, "dim_currency", currency=given) == [
        {"currency_id": 1, "currency_code": "GBP", "currency_name": "Pound Sterling"},
        {"currency_id": 2, "currency_code": "USD", "currency_name": "US Dollar"},
        {"currency_id": 3, "currency_code": "EUR", "currency_name": "Euro"},
        {"currency_id": 4, "currency_code": "HRK", "currency_name": "Kuna"},
    ]


def test_dim_currency_refuses_a_code_that_iso_4217_does_not_know(engine: DuckDBEngine) -> None:
    with pytest.raises(RowError, match=r"^no ISO 4217 name for QQQ$"):
        made(engine, "dim_currency", currency=[currency(1, "QQQ")])


def test_dim_design_is_the_design(engine: DuckDBEngine) -> None:
    given = row(
        design_id=number(8),
        design_name=text("Wooden"),
        file_location=text("/usr"),
        file_name=text("wooden-20220717-npgz.json"),
    )
    assert made(engine, "dim_design", design=[given]) == [
        {
            "design_id": 8,
            "design_name": "Wooden",
            "file_location": "/usr",
            "file_name": "wooden-20220717-npgz.json",
        }
    ]


def test_dim_payment_type_has_the_name_of_the_enum(engine: DuckDBEngine) -> None:
    given = row(payment_type_id=number(1), payment_type_name=('"PaymentTypeName"', "SALES_RECEIPT"))
    assert made(engine, "dim_payment_type", payment_type=[given]) == [
        {"payment_type_id": 1, "payment_type_name": "SALES_RECEIPT"}
    ]


def test_dim_transaction_belongs_to_a_sale_or_to_a_purchase(engine: DuckDBEngine) -> None:
    kind = '"TransactionType"'
    given = [
        row(
            transaction_id=number(number_),
            transaction_type=(kind, type_),
            sales_order_id=number(sale),
            purchase_order_id=number(purchase),
        )
        for number_, type_, sale, purchase in ((2, "SALE", 5, None), (1, "PURCHASE", None, 6))
    ]
    assert made(engine, "dim_transaction", transaction=given) == [
        {"transaction_id": 1, "transaction_type": "PURCHASE", "sales_order_id": None, "purchase_order_id": 6},
        {"transaction_id": 2, "transaction_type": "SALE", "sales_order_id": 5, "purchase_order_id": None},
    ]


MOMENTS = {
    "created_date": date(2024, 11, 22),
    "created_time": time(9, 30, 15, 123000),
    "last_updated_date": date(2024, 11, 22),
    "last_updated_time": time(23, 59, 59, 999000),
}


def sales_order(agreed_payment_date: str = "2024-11-30") -> Cells:
    return row(
        sales_order_id=number(11),
        design_id=number(8),
        staff_id=number(7),
        counterparty_id=number(1),
        units_sold=number(99973),
        unit_price=money("2.05"),
        currency_id=number(2),
        agreed_delivery_date=text("2024-12-01"),
        agreed_payment_date=text(agreed_payment_date),
        agreed_delivery_location_id=number(15),
    )


def test_fact_sales_order_splits_moments_and_reads_the_agreed_dates(engine: DuckDBEngine) -> None:
    (fact,) = made(engine, "fact_sales_order", sales_order=[sales_order()])
    assert list(fact.items()) == list(
        {
            "sales_order_id": 11,
            **MOMENTS,
            "sales_staff_id": 7,
            "counterparty_id": 1,
            "units_sold": 99973,
            "unit_price": Decimal("2.05"),
            "currency_id": 2,
            "design_id": 8,
            "agreed_payment_date": date(2024, 11, 30),
            "agreed_delivery_date": date(2024, 12, 1),
            "agreed_delivery_location_id": 15,
        }.items()
    )


def test_fact_sales_order_refuses_a_date_that_is_not_one(engine: DuckDBEngine) -> None:
    with pytest.raises(RowError, match=r"^'31/02/2024' is not a date \(yyyy-mm-dd\)$"):
        made(engine, "fact_sales_order", sales_order=[sales_order("31/02/2024")])


def test_fact_purchase_order_splits_moments_and_reads_the_agreed_dates(engine: DuckDBEngine) -> None:
    given = row(
        purchase_order_id=number(12),
        staff_id=number(7),
        counterparty_id=number(1),
        item_code=text("ZDOI5EA"),
        item_quantity=number(371),
        item_unit_price=money("361.39"),
        currency_id=number(2),
        agreed_delivery_date=text("2024-12-01"),
        agreed_payment_date=text("2024-11-30"),
        agreed_delivery_location_id=number(15),
    )
    (fact,) = made(engine, "fact_purchase_order", purchase_order=[given])
    assert list(fact.items()) == list(
        {
            "purchase_order_id": 12,
            **MOMENTS,
            "staff_id": 7,
            "counterparty_id": 1,
            "item_code": "ZDOI5EA",
            "item_quantity": 371,
            "item_unit_price": Decimal("361.39"),
            "currency_id": 2,
            "agreed_delivery_date": date(2024, 12, 1),
            "agreed_payment_date": date(2024, 11, 30),
            "agreed_delivery_location_id": 15,
        }.items()
    )


def test_fact_payment_has_no_account_numbers_even_where_they_were_taken(engine: DuckDBEngine) -> None:
    given = row(
        payment_id=number(2),
        transaction_id=number(2),
        counterparty_id=number(15),
        payment_amount=money("552548.62"),
        currency_id=number(2),
        payment_type_id=number(3),
        paid=("boolean", False),
        payment_date=text("2022-11-04"),
        company_ac_number=number(67305075),
        counterparty_ac_number=number(31622269),
    )
    (fact,) = made(engine, "fact_payment", payment=[given])
    assert list(fact.items()) == list(
        {
            "payment_id": 2,
            **MOMENTS,
            "transaction_id": 2,
            "counterparty_id": 15,
            "payment_amount": Decimal("552548.62"),
            "currency_id": 2,
            "payment_type_id": 3,
            "paid": False,
            "payment_date": date(2022, 11, 4),
        }.items()
    )


def test_there_is_a_model_for_each_table_of_the_star_but_the_calendar_and_each_has_a_test() -> None:
    assert sorted(MODELS) == [
        "dim_counterparty",
        "dim_currency",
        "dim_design",
        "dim_location",
        "dim_payment_type",
        "dim_staff",
        "dim_transaction",
        "fact_payment",
        "fact_purchase_order",
        "fact_sales_order",
    ]
    tested = " ".join(name for name in globals() if name.startswith("test_"))
    assert all(name in tested for name in MODELS)

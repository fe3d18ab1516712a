"""The real Totesys of November 2024, loaded for the first time: to the row and to the penny."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.e2e import oracle
from tests.e2e.oracle import Star
from tests.e2e.project import moved
from tests.e2e.weeks import Week

ROWS = {
    "dim_currency": 3,
    "dim_payment_type": 4,
    "dim_counterparty": 20,
    "dim_staff": 20,
    "dim_location": 30,
    "dim_design": 473,
    "dim_transaction": 15_836,
    "dim_date": 1_096,
    "fact_sales_order": 11_187,
    "fact_purchase_order": 4_649,
    "fact_payment": 15_836,
}
FOREIGN_KEYS = {"fact_sales_order": 9, "fact_purchase_order": 8, "fact_payment": 7}


def column(star: Star, table: str, name: str) -> list[Decimal]:
    """Return a column of a star table, by ascending key."""
    place = oracle.COLUMNS[table].split().index(name)
    return [Decimal(star[table][key][place]) for key in sorted(star[table])]


def amount(star: Star, table: str, many: str, price: str) -> Decimal:
    """Return the sum of quantity times price."""
    pairs = zip(column(star, table, many), column(star, table, price), strict=True)
    return sum((quantity * each for quantity, each in pairs), Decimal(0))


def test_the_extract_fills_every_star_table_to_the_row(extract_week: Week) -> None:
    print("the first load took", extract_week.first.document["seconds"])  # noqa: T201
    assert extract_week.rows == ROWS


def test_the_first_run_reports_what_the_star_then_has(extract_week: Week) -> None:
    read, star = moved(extract_week.first.document)
    assert sum(read.values()) == 48_066
    assert star == {name: {"inserted": rows} for name, rows in ROWS.items()}


def test_the_sums_of_the_extract_are_right_to_the_penny(extract_week: Week) -> None:
    star = extract_week.first.found
    assert sum(column(star, "fact_payment", "payment_amount")) == Decimal("2866262649.80")
    assert sum(column(star, "fact_sales_order", "units_sold")) == 563_625_106
    assert amount(star, "fact_sales_order", "units_sold", "unit_price") == Decimal("1687031429.75")
    assert amount(star, "fact_purchase_order", "item_quantity", "item_unit_price") == Decimal("1179231220.05")


def test_as_many_payments_are_paid_as_in_the_extract(extract_week: Week) -> None:
    assert sum(column(extract_week.first.found, "fact_payment", "paid")) == 9_648


def test_the_calendar_has_the_whole_years_of_the_extracts_dates(extract_week: Week) -> None:
    days = extract_week.first.found["dim_date"]
    assert (min(days), max(days), len(days)) == (date(2022, 1, 1), date(2024, 12, 31), 1_096)


@pytest.mark.parametrize("fact", FOREIGN_KEYS)
def test_every_foreign_key_is_declared_and_validated(week: Week, fact: str) -> None:
    keys = week.project.query(
        "SELECT conname, convalidated FROM pg_constraint "
        "WHERE contype = 'f' AND conrelid = to_regclass(:fact)",
        fact=f"public.{fact}",
    )
    assert len(keys) == FOREIGN_KEYS[fact]
    assert all(validated for _, validated in keys), keys


def test_the_loaded_star_is_what_the_source_says(week: Week) -> None:
    assert oracle.differences(week.first.after, week.first.found) == {}

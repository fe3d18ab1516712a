"""dim_date covers every date used, in whole years, and never shrinks."""

from __future__ import annotations

from datetime import date

import pytest

from starlift.ports import StarCounts
from tests.load.batches import design, sale
from tests.load.conftest import Star

SPAN = "SELECT min(date_id), max(date_id), count(*) FROM dim_date"


def used(star: Star, *days: date) -> int:
    """Load one sale a day given, and return how many days that added."""
    columns = ("created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date")
    first = star.history.seq * 100
    rows = [sale(first + place, **dict.fromkeys(columns, day)) for place, day in enumerate(days)]
    return star.load({"fact_sales_order": rows}).star.get("dim_date", StarCounts()).inserted


def test_it_grows_by_whole_years_and_never_shrinks(star: Star) -> None:
    assert used(star, date(2022, 11, 8)) == 365
    assert used(star, date(2024, 2, 29)) == 731
    assert used(star, date(2023, 6, 1)) == 0
    assert used(star, date(2021, 1, 1)) == 365
    assert star.rows(SPAN) == [[date(2021, 1, 1), date(2024, 12, 31), 1461]]


def test_it_starts_with_all_years_of_the_dates_that_the_first_batch_uses(star: Star) -> None:
    used(star, date(2020, 12, 31), date(2022, 1, 1))
    assert star.rows(SPAN) == [[date(2020, 1, 1), date(2022, 12, 31), 1096]]


def test_a_rejected_row_does_not_stretch_it(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2, created_date=date(1950, 1, 1), units_sold=None)]})
    assert star.rows(SPAN) == [[date(2022, 1, 1), date(2022, 12, 31), 365]]


def test_a_batch_without_dates_leaves_it_alone(star: Star) -> None:
    assert "dim_date" not in star.load({"dim_design": [design(1)]}).star
    assert star.value("SELECT count(*) FROM dim_date") == 0


@pytest.mark.parametrize(
    ("day", "row"),
    [
        (date(2024, 2, 29), [2024, 2, 29, 4, "Thursday", "February", 1]),
        (date(2024, 9, 30), [2024, 9, 30, 1, "Monday", "September", 3]),
        (date(2024, 12, 29), [2024, 12, 29, 7, "Sunday", "December", 4]),
    ],
)
def test_a_day_is_described_by_the_iso_week_and_in_english(star: Star, day: date, row: list[object]) -> None:
    used(star, day)
    assert star.rows("SELECT * FROM dim_date WHERE date_id = :day", day=day) == [[day, *row]]

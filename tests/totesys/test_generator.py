"""The generated Totesys keeps the laws of the real one; where the real extract is at hand, both do."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

import pytest

from starlift.totesys.generator import generate, working_days
from starlift.totesys.loading import TABLES, Row, copy_text
from starlift.totesys.orders import Rows
from tests import totesys_extract

START, WEEKDAYS = date(2024, 9, 2), 60
LAST = date(2024, 11, 22)

ORDERS = (("sales_order", "SALE", 1), ("purchase_order", "PURCHASE", 3))


@pytest.fixture(scope="module")
def generated() -> Rows:
    return generate(3, START, WEEKDAYS)


@pytest.fixture(scope="module", params=["generated", "extract"])
def rows(request: pytest.FixtureRequest, generated: Rows) -> Rows:
    if request.param == "generated":
        return generated
    if totesys_extract.folder() is None:
        pytest.skip("STARLIFT_TOTESYS_EXTRACT is not set: the real extract is needed")
    return {table: totesys_extract.rows(table) for table in TABLES}


def day(text: object) -> date:
    return date.fromisoformat(str(text)[:10])


def per_day(rows: Rows, table: str) -> list[int]:
    """Counts of a day's rows, the founding day and days without any left out."""
    days = Counter(day(row["created_at"]) for row in rows[table])
    return [count for when, count in days.items() if when != min(days)]


def by_key(rows: Rows, table: str) -> dict[object, Row]:
    return {row[f"{table}_id"]: row for row in rows[table]}


# -- determinism ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def text(seed: int) -> bytes:
        return b"".join(copy_text(rows) for rows in generate(seed, START, 5).values())

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_every_table_is_there_in_foreign_key_order_with_equal_columns(generated: Rows) -> None:
    assert set(generated) == set(TABLES)
    for listed in generated.values():
        assert len({tuple(sorted(row)) for row in listed}) == 1


def test_a_start_on_a_weekend_waits_for_monday() -> None:
    rows = generate(1, date(2024, 11, 2), 1)
    assert {day(row["created_at"]) for row in rows["sales_order"]} == {date(2024, 11, 4)}


def test_pace_multiplies_the_orders_a_day() -> None:
    fast = generate(1, START, 4, pace=60)
    assert median(per_day(fast, "payment")) == pytest.approx(31 * 60, rel=0.05)


# -- laws of both --------------------------------------------------------------------------------


def test_keys_count_from_one_without_gaps(rows: Rows) -> None:
    for table in TABLES:
        assert sorted(by_key(rows, table)) == list(range(1, len(rows[table]) + 1))  # type: ignore[type-var]


def test_the_order_of_keys_is_not_the_order_of_creation(rows: Rows) -> None:
    created = [str(row["created_at"]) for row in rows["payment"]]
    assert created != sorted(created)


def test_every_order_has_one_transaction_and_one_payment_with_its_created_at(rows: Rows) -> None:
    payments = {row["transaction_id"]: row for row in rows["payment"]}
    assert len(payments) == len(rows["payment"]) == len(rows["transaction"])
    for table, kind, payment_type in ORDERS:
        key = f"{table}_id"
        transactions = {row[key]: row for row in rows["transaction"] if row["transaction_type"] == kind}
        assert len(transactions) == len(rows[table])
        for order in rows[table]:
            transaction = transactions[order[key]]
            payment = payments[transaction["transaction_id"]]
            assert order["created_at"] == transaction["created_at"] == payment["created_at"]
            assert payment["payment_type_id"] == payment_type
            assert payment["payment_date"] == order["agreed_payment_date"]
            for column in ("counterparty_id", "currency_id"):
                assert payment[column] == order[column]
            count, price = (
                ("units_sold", "unit_price") if kind == "SALE" else ("item_quantity", "item_unit_price")
            )
            product = int(order[count] or 0) * Decimal(str(order[price]))
            assert Decimal(str(payment["payment_amount"])) == product


def test_a_transaction_is_of_a_sale_or_of_a_purchase(rows: Rows) -> None:
    for row in rows["transaction"]:
        assert (row["sales_order_id"] is None) != (row["purchase_order_id"] is None)
        assert (row["purchase_order_id"] is None) == (row["transaction_type"] == "SALE")


def test_orders_come_on_weekdays_between_eight_and_seven(rows: Rows) -> None:
    for table in ("sales_order", "purchase_order", "design"):
        for row in rows[table]:
            assert day(row["created_at"]).weekday() < 5
            assert "08:00" <= str(row["created_at"])[11:16] <= "18:59"


def test_a_working_day_has_the_median_numbers(rows: Rows) -> None:
    assert median(per_day(rows, "sales_order")) == pytest.approx(22, abs=3)
    assert median(per_day(rows, "purchase_order")) == pytest.approx(9, abs=2)
    assert median(per_day(rows, "payment")) == pytest.approx(31, abs=3)
    designs = len(rows["design"]) / len(per_day(rows, "payment"))
    assert designs == pytest.approx(1, abs=0.35)


def test_a_morning_pays_all_its_payments_with_one_stamp(rows: Rows) -> None:
    stamps: dict[object, set[object]] = {}
    for row in rows["payment"]:
        if row["paid"]:
            stamps.setdefault(row["payment_date"], set()).add(row["last_updated"])
            assert day(row["last_updated"]) == day(row["payment_date"]) > day(row["created_at"])
            assert str(row["last_updated"])[11:18] == "07:55:1"
        else:
            assert row["last_updated"] == row["created_at"]
    assert {len(found) for found in stamps.values()} == {1}
    assert all(day(when).weekday() < 5 for when in stamps)
    mornings = Counter(row["payment_date"] for row in rows["payment"] if row["paid"])
    assert median(mornings.values()) == pytest.approx(19, abs=3)


def test_orders_and_designs_never_move_last_updated(rows: Rows) -> None:
    for table in ("sales_order", "purchase_order", "transaction", "design"):
        assert all(row["last_updated"] == row["created_at"] for row in rows[table])


def test_numbers_are_in_the_known_ranges(rows: Rows) -> None:
    ranges = {
        ("sales_order", "units_sold"): ("1001", "99973"),
        ("sales_order", "unit_price"): ("2.00", "4.00"),
        ("purchase_order", "item_quantity"): ("1", "999"),
        ("purchase_order", "item_unit_price"): ("3.32", "999.07"),
        ("payment", "company_ac_number"): ("10000000", "99999999"),
        ("payment", "counterparty_ac_number"): ("10000000", "99999999"),
    }
    for (table, column), (low, high) in ranges.items():
        values = [Decimal(str(row[column])) for row in rows[table]]
        assert Decimal(low) <= min(values)
        assert max(values) <= Decimal(high)
        assert max(values) - min(values) > (Decimal(high) - Decimal(low)) * Decimal("0.9")


@pytest.mark.parametrize(
    ("table", "column", "pattern"),
    [
        ("purchase_order", "item_code", r"[A-Z0-9]{7}"),
        ("sales_order", "unit_price", r"\d+\.\d\d"),
        ("payment", "payment_amount", r"\d+\.\d\d"),
        ("sales_order", "agreed_delivery_date", r"\d{4}-\d\d-\d\d"),
        ("sales_order", "agreed_payment_date", r"\d{4}-\d\d-\d\d"),
        ("purchase_order", "agreed_delivery_date", r"\d{4}-\d\d-\d\d"),
        ("payment", "created_at", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?"),
        ("design", "file_name", r"[a-z]+-\d{8}-[a-z0-9]{4}\.json"),
        ("address", "phone", r"\d{4} \d{6}"),
        ("address", "postal_code", r"\d{5}(-\d{4})?"),
        ("staff", "email_address", r"[a-z']+\.[a-z']+@terrifictotes\..+"),
    ],
)
def test_texts_have_the_known_forms(rows: Rows, table: str, column: str, pattern: str) -> None:
    for row in rows[table]:
        assert re.fullmatch(pattern, str(row[column])), row


def test_the_constant_tables_have_their_sizes_and_oddities(rows: Rows) -> None:
    sizes = {
        "address": 30,
        "counterparty": 20,
        "staff": 20,
        "department": 8,
        "currency": 3,
        "payment_type": 4,
    }
    assert {table: len(rows[table]) for table in sizes} == sizes
    assert by_key(rows, "department")[4]["location"] == "Leds"
    assert sum(row["address_line_2"] is None for row in rows["address"]) == 20
    assert sum(row["district"] is None for row in rows["address"]) == 14
    assert any(str(row["postal_code"]).startswith("0") for row in rows["address"])
    assert Counter(row["legal_address_id"] for row in rows["counterparty"])[17] == 4
    assert [row["currency_code"] for row in rows["currency"]] == ["GBP", "USD", "EUR"]
    assert len({row["design_name"] for row in rows["design"]}) == 12


def test_names_and_countries_carry_apostrophes(rows: Rows) -> None:
    assert any("'" in str(row["country"]) for row in rows["address"])
    assert any(row["last_name"] == "O'Keefe" for row in rows["staff"])
    assert any("'" in str(row["email_address"]) for row in rows["staff"])


def test_one_order_is_delivered_649_days_after_it_was_made(rows: Rows) -> None:
    days = [
        (day(row["agreed_delivery_date"]) - day(row["created_at"])).days
        for table in ("sales_order", "purchase_order")
        for row in rows[table]
    ]
    assert min(days) == 0
    assert max(days) == 649
    assert median(days) in (3, 4)


def test_a_share_of_sales_have_a_design_that_was_made_after_them(rows: Rows) -> None:
    made = {row["design_id"]: str(row["created_at"]) for row in rows["design"]}
    before = [row for row in rows["sales_order"] if made[row["design_id"]] > str(row["created_at"])]
    assert len(before) == max(1, round(len(rows["sales_order"]) * 21 / 11_187))


@pytest.mark.parametrize(("table", "column"), [("sales_order", "currency_id"), ("payment", "currency_id")])
def test_each_currency_has_a_third(rows: Rows, table: str, column: str) -> None:
    shares = Counter(row[column] for row in rows[table])
    assert set(shares) == {1, 2, 3}
    assert all(share / len(rows[table]) == pytest.approx(1 / 3, abs=0.04) for share in shares.values())


# -- laws of the generated one alone: the real one's first and last mornings are not whole --------


def test_a_payment_is_paid_if_a_morning_of_its_date_came_after_it(generated: Rows) -> None:
    mornings = set(list(_weekdays())[1:])
    for row in generated["payment"]:
        due = day(row["payment_date"]) in mornings and day(row["payment_date"]) > day(row["created_at"])
        assert row["paid"] == due
    assert LAST in mornings


def _weekdays() -> list[date]:
    return [day for day, _ in zip(working_days(START), range(WEEKDAYS), strict=False)]


def test_the_smallest_totesys_has_every_oddity_that_its_size_allows() -> None:
    rows = generate(5, START, 2)
    days = [(day(row["agreed_delivery_date"]) - day(row["created_at"])) for row in rows["purchase_order"]]
    assert max(days) == timedelta(days=649)
    made = {row["design_id"]: str(row["created_at"]) for row in rows["design"]}
    later = [row for row in rows["sales_order"] if made[row["design_id"]] > str(row["created_at"])]
    assert len(later) == (1 if len(rows["design"]) > 10 else 0)


def test_generated_rows_have_the_columns_of_the_real_ones(generated: Rows) -> None:
    if totesys_extract.folder() is None:
        pytest.skip("STARLIFT_TOTESYS_EXTRACT is not set: the real extract is needed")
    for table in TABLES:
        assert set(generated[table][0]) == set(totesys_extract.rows(table)[0])

"""A row the star cannot hold is kept whole, with the reason; the others load."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from starlift.ports import StarCounts
from tests.load.batches import SCHEMAS, design, entries, sale, staff, table
from tests.load.conftest import Star, model, own_sql

QUARANTINE = "SELECT source_table, key, seq, stage, reason FROM starlift.quarantine ORDER BY 1, 2"
STATES = "SELECT key, state FROM starlift.ledger WHERE source_table = :table ORDER BY 1"


def test_a_row_that_breaks_a_not_null_is_quarantined_and_the_others_load(star: Star) -> None:
    loaded = star.load({"dim_design": [design(1, design_name=None), design(2)]})
    assert (loaded.quarantined, loaded.rejected) == (1, {"design": 1})
    assert loaded.star["dim_design"] == StarCounts(inserted=1)
    assert star.rows(QUARANTINE) == [
        ["design", "(1)", 1, "load", "dim_design.design_name is NULL, which the star does not take"]
    ]
    assert star.value('SELECT "row" FROM starlift.quarantine') == design(1, design_name=None)
    assert star.rows(STATES, table="design") == [["(1)", "quarantined"], ["(2)", "live"]]


@pytest.mark.parametrize(
    ("day", "shown"),
    [(date(1899, 12, 31), "1899-12-31"), (date(2101, 1, 1), "2101-01-01"), (date(1, 1, 1), "0001-01-01"),
     (-719163, "0001-12-31 BC"), (2932897, "10000-01-01"), (2**31 - 1, "infinity"), (-(2**31), "-infinity")],
)  # fmt: skip
def test_a_date_outside_the_calendar_quarantines_its_row(star: Star, day: Any, shown: str) -> None:
    column = SCHEMAS["fact_sales_order"].get_field_index("agreed_delivery_date")
    rows = table("fact_sales_order", [sale(1), sale(2)])
    days = [day if isinstance(day, int) else (day - date(1970, 1, 1)).days, 19304]
    rows = rows.set_column(column, "agreed_delivery_date", pa.array(days, pa.int32()).cast(pa.date32()))
    loaded = star.load({"fact_sales_order": rows})
    assert (loaded.quarantined, loaded.star["fact_sales_order"]) == (1, StarCounts(inserted=1))
    assert star.value("SELECT reason FROM starlift.quarantine") == (
        f"fact_sales_order.agreed_delivery_date is outside the calendar 1900 to 2100: {shown}"
    )
    assert star.rows("SELECT min(year), max(year) FROM dim_date") == [[2022, 2022]]


def test_the_first_and_the_last_day_of_the_calendar_are_inside(star: Star) -> None:
    first, last = date(1900, 1, 1), date(2100, 12, 31)
    loaded = star.load({"fact_sales_order": [sale(1, created_date=first, agreed_delivery_date=last)]})
    assert loaded.quarantined == 0


def test_everything_that_is_wrong_with_a_row_is_said(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, units_sold=None, created_date=date(1066, 10, 14))]})
    assert star.value("SELECT reason FROM starlift.quarantine") == (
        "fact_sales_order.created_date is outside the calendar 1900 to 2100: 1066-10-14; "
        "fact_sales_order.units_sold is NULL, which the star does not take"
    )


def test_the_star_keeps_the_previous_version_of_a_quarantined_row(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, units_sold=10)], "dim_design": [design(1)]})
    star.load({"fact_sales_order": [sale(1, units_sold=None)], "dim_design": [design(1, file_name=None)]})
    assert star.rows("SELECT units_sold FROM current_fact_sales_order") == [[10]]
    assert star.rows("SELECT file_name FROM dim_design") == [["wooden-20220717-npgz.json"]]


def test_a_later_good_version_clears_the_quarantine(star: Star) -> None:
    star.load({"dim_design": [design(1, design_name=None)]})
    star.load({"dim_design": [design(1)]})
    assert star.rows(QUARANTINE) == []
    assert star.rows(STATES, table="design") == [["(1)", "live"]]


def test_a_deleted_row_leaves_the_quarantine(star: Star) -> None:
    star.load({"dim_design": [design(1, design_name=None)]})
    star.load(ledger={"design": entries({"(1)": "deleted"})})
    assert star.rows(QUARANTINE) == []


def test_a_row_rejected_again_stands_in_quarantine_once_with_the_newest_reason(star: Star) -> None:
    star.load({"dim_design": [design(1, design_name=None)]})
    star.load({"dim_design": [design(1, file_name=None)]})
    [[_, _, seq, _, reason]] = star.rows(QUARANTINE)
    assert (seq, reason) == (2, "dim_design.file_name is NULL, which the star does not take")


def test_rows_that_transform_rejected_are_kept_with_its_reason(star: Star) -> None:
    row = {"staff_id": "7", "first_name": 'say "x"\n', "last_name": None, "email_address": "é😀\\"}
    held = {"table": "staff", "key": "(7)", "reason": "staff_id: '7x' is no integer", "row": row}
    for content in ("first", "first", "second"):
        ledger = {"staff": entries({"(7)": "quarantined"}, content)}
        loaded = star.load(ledger=ledger, quarantine=[held])
    assert loaded.quarantined == 0
    assert star.rows(QUARANTINE) == [["staff", "(7)", 3, "transform", "staff_id: '7x' is no integer"]]
    assert star.value('SELECT "row" FROM starlift.quarantine') == row


def test_a_row_made_again_because_a_joined_row_changed_is_healed(star: Star) -> None:
    star.load({"dim_staff": [staff(1, department_name=None), staff(2)]})
    star.load({"dim_staff": [staff(1), staff(2)]}, ledger={"department": entries({"(3)": "live"})})
    assert star.rows(QUARANTINE) == []
    assert star.rows(STATES, table="staff") == [["(1)", "live"], ["(2)", "live"]]


def test_a_row_made_again_and_rejected_is_held_back_though_its_source_row_is_the_same(star: Star) -> None:
    ledger = {"staff": entries({"(1)": "live"}, "same")}
    star.load({"dim_staff": [staff(1)]}, ledger=ledger)
    star.load({"dim_staff": [staff(1, department_name=None)]}, ledger=ledger)
    assert star.rows(STATES, table="staff") == [["(1)", "quarantined"]]
    assert [key for _, key, *_ in star.rows(QUARANTINE)] == ["(1)"]


@pytest.fixture
def twins(star: Star, tmp_path: Path) -> Star:
    """Two star tables made from one source table, the second with a short text."""
    ddl = """
        CREATE TABLE dim_a (id integer PRIMARY KEY, name text);
        CREATE TABLE dim_b (id integer PRIMARY KEY, code varchar(3),
                            twice text GENERATED ALWAYS AS (code || code) STORED);
    """
    star.sql = own_sql(tmp_path, ddl)
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    star.migrate(TWINS)
    return star


TWINS = (model("dim_a", "dimension", "id", "t"), model("dim_b", "dimension", "id", "t"))
REFS = tuple(found.ref for found in TWINS)


def twin(name: str, *values: str) -> pa.Table:
    """Rows with ids 1, 2, ... whose other column has the given values."""
    ids = list(range(1, len(values) + 1))
    columns = {"id": pa.array(ids, pa.int32()), name: list(values), "_key": [f"({number})" for number in ids]}
    return pa.table(columns)


def test_a_value_too_long_for_its_column_is_quarantined_and_not_cut(twins: Star) -> None:
    loaded = twins.load({"dim_b": twin("code", "abc", "abcd")}, models=REFS)
    assert loaded.quarantined == 1
    assert twins.rows("SELECT id, code, twice FROM mine.dim_b") == [[1, "abc", "abcabc"]]
    assert twins.value("SELECT reason FROM mine_starlift.quarantine") == (
        "dim_b.code is longer than 3 characters: abcd"
    )


def test_a_source_row_rejected_by_one_star_table_is_kept_out_of_all(twins: Star) -> None:
    rows = {"dim_a": twin("name", "x", "y"), "dim_b": twin("code", "abc", "abcd")}
    twins.load(rows, models=REFS)
    assert twins.rows("SELECT id FROM mine.dim_a") == [[1]]
    assert twins.rows("SELECT key, state FROM mine_starlift.ledger ORDER BY 1") == [
        ["(1)", "live"], ["(2)", "quarantined"],
    ]  # fmt: skip


def test_a_column_may_have_any_name_also_that_of_an_alias(star: Star, tmp_path: Path) -> None:
    star.sql = own_sql(tmp_path, "CREATE TABLE d (id integer PRIMARY KEY, s text NOT NULL, r text, q text)")
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    made = model("d", "dimension", "id", "t")
    star.migrate([made])
    columns = {name: [None, "x"] for name in "srq"}
    rows = pa.table({"id": pa.array([1, 2], pa.int32()), **columns, "_key": ["(1)", "(2)"]})
    assert star.load({"d": rows}, models=(made.ref,)).quarantined == 1
    assert star.value('SELECT "row" FROM mine_starlift.quarantine') == {"id": 1, **dict.fromkeys("srq")}

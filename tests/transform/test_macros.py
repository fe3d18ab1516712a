"""The strict macros: the casts a model may use."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.adapters.sql_files import load_macros
from starlift.ports import RowError
from tests.transform.lakes import model


def value(engine: DuckDBEngine, expression: str, given: Any, type_: pa.DataType | None = None) -> Any:
    """Return what an expression over the column x makes of one value."""
    one = model("dim_x", f"SELECT id, {expression} AS y FROM t", driving="t", key="id")
    rows = pa.table({"id": [1], "x": pa.array([given], type_ or pa.string())})
    return engine.run(one, {"t": rows})["y"][0].as_py()


GOOD = [
    ("strict_date", "2024-02-29", date(2024, 2, 29)),
    ("strict_date", "0001-01-01", date.min),
    ("strict_date", "9999-12-31", date.max),
    ("strict_time", "00:00:00", time()),
    ("strict_time", "23:59:59.999999", time.max),
    ("strict_time", "10:00:00.5", time(10, 0, 0, 500_000)),
    ("strict_timestamp", "2024-01-31 10:20:30", datetime(2024, 1, 31, 10, 20, 30)),
    ("strict_timestamp", "1969-12-31 23:59:59.000001", datetime(1969, 12, 31, 23, 59, 59, 1)),
    ("strict_int", "-2147483648", -(2**31)),
    ("strict_int", "0", 0),
    ("strict_bigint", "9223372036854775807", 2**63 - 1),
    ("strict_decimal2", "-0.05", Decimal("-0.05")),
    ("strict_decimal2", "999999999999999999999999999999999999.99", Decimal("9" * 36 + ".99")),
    ("strict_decimal4", "1.0050", Decimal("1.0050")),
    ("strict_boolean", "true", True),
    ("strict_boolean", "false", False),
]


@pytest.mark.parametrize(("macro", "text", "expected"), GOOD)
def test_a_strict_macro_reads_what_prints_back(
    engine: DuckDBEngine, macro: str, text: str, expected: Any
) -> None:
    found = value(engine, f"{macro}(x)", text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("macro", sorted({macro for macro, _, _ in GOOD}))
def test_a_strict_macro_makes_null_of_null(engine: DuckDBEngine, macro: str) -> None:
    assert value(engine, f"{macro}(x)", None) is None


BAD = [
    ("strict_date", "a date (yyyy-mm-dd)", ["31/02/2024", "2024-02-30", "2024-1-1", "20240101", "", " "]),
    ("strict_date", "a date (yyyy-mm-dd)", ["2024-01-01 10:00:00", " 2024-01-1", "infinity", "epoch"]),
    ("strict_date", "a date (yyyy-mm-dd)", ["0044-03-15 (BC)", "10000-01-01", "2024-01-0é"]),
    ("strict_time", "a time (hh:mm:ss)", ["24:00:00", "10:00", "10:00:60", "1:00:00", "10:00:00.50", ""]),
    ("strict_timestamp", "a timestamp (yyyy-mm-dd hh:mm:ss)", ["2024-01-01", "2024-01-01T10:00:00", ""]),
    ("strict_timestamp", "a timestamp (yyyy-mm-dd hh:mm:ss)", ["infinity", "10000-01-01 00:00:00"]),
    ("strict_timestamp", "a timestamp (yyyy-mm-dd hh:mm:ss)", ["0044-03-15 (BC) 12:00:00"]),
    ("strict_timestamp", "a timestamp (yyyy-mm-dd hh:mm:ss)", ["2024-01-01 10:00:00.10"]),
    ("strict_int", "an integer", ["5.7", "007", "+1", "-0", "1e3", " 1", "0x1", "2147483648", "", "1_0"]),
    ("strict_bigint", "a bigint", ["9223372036854775808", "1.0"]),
    ("strict_decimal2", "a number with two decimals", ["1.005", "1", "1.5", "01.00", "NaN", "1e2", ""]),
    ("strict_decimal4", "a number with four decimals", ["1.00", "1.00000"]),
    ("strict_boolean", "true or false", ["t", "TRUE", "1", ""]),
]


@pytest.mark.parametrize(("macro", "kind", "text"), [(m, k, text) for m, k, texts in BAD for text in texts])
def test_a_strict_macro_refuses_the_row_and_quotes_the_value(
    engine: DuckDBEngine, macro: str, kind: str, text: str
) -> None:
    with pytest.raises(RowError) as caught:
        value(engine, f"{macro}(x)", text)
    assert str(caught.value) == f"'{text}' is not {kind}"


def test_a_long_value_is_cut_in_the_reason(engine: DuckDBEngine) -> None:
    with pytest.raises(RowError) as caught:
        value(engine, "strict_int(x)", "9" * 5000)
    assert str(caught.value) == f"'{'9' * 100}…' is not an integer"


def test_required_gives_the_value_or_refuses_with_the_message(engine: DuckDBEngine) -> None:
    assert value(engine, "required(x, 'no x')", "here") == "here"
    with pytest.raises(RowError, match=r"^no x for 1$"):
        value(engine, "required(x, 'no x for ' || id)", None)


def test_required_refuses_also_where_its_message_is_null(engine: DuckDBEngine) -> None:
    with pytest.raises(RowError, match=r"^a required value is missing$"):
        value(engine, "required(x, 'no ' || x)", None)


def test_refuse_is_there_for_a_models_own_rules(engine: DuckDBEngine) -> None:
    expression = "CASE WHEN x IN ('a', 'b') THEN x ELSE refuse(x, 'a known code') END"
    assert value(engine, expression, "a") == "a"
    with pytest.raises(RowError, match=r"^'c' is not a known code$"):
        value(engine, expression, "c")


def test_text_of_prints_a_value(engine: DuckDBEngine) -> None:
    assert value(engine, "text_of(x)", Decimal("1.50"), pa.decimal128(10, 2)) == "1.50"


MICROSECONDS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))


@settings(max_examples=50, deadline=None)
@given(moment=MICROSECONDS)
def test_date_and_time_of_a_timestamp_are_its_two_halves_to_the_microsecond(moment: datetime) -> None:
    engine = ENGINE
    assert value(engine, "date_of(x)", moment, pa.timestamp("us")) == moment.date()
    assert value(engine, "time_of(x)", moment, pa.timestamp("us")) == moment.time()


def test_date_and_time_of_an_instant_are_those_in_utc(engine: DuckDBEngine) -> None:
    instant = datetime(2024, 6, 30, 23, 30, 0, 5, tzinfo=UTC)
    assert value(engine, "date_of(x)", instant, pa.timestamp("us", "UTC")) == date(2024, 6, 30)
    assert value(engine, "time_of(x)", instant, pa.timestamp("us", "UTC")) == time(23, 30, 0, 5)


def test_every_macro_is_tested_here_by_name() -> None:
    strict = {macro for macro, _, _ in GOOD} & {macro for macro, _, _ in BAD}
    assert strict | {"refuse", "required", "date_of", "time_of", "text_of"} == set(load_macros())


ENGINE = DuckDBEngine()

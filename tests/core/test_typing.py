"""Typing is exact: what is accepted prints back to its source text, and everything else is refused."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starlift.core.manifest import Column
from starlift.core.typing import quoted, schema_of, text_rows, type_rows

FAST = settings(max_examples=60, deadline=None)


def typed(pg_type: str, *texts: str | None) -> tuple[list[Any], dict[int, str]]:
    rows, reasons = type_rows(pa.table({"x": pa.array(texts, pa.string())}), [Column("x", pg_type)])
    return rows["x"].to_pylist(), reasons


def printed(pg_type: str, *texts: str | None) -> list[Any]:
    column = [Column("x", pg_type)]
    rows, reasons = type_rows(pa.table({"x": pa.array(texts, pa.string())}), column)
    assert reasons == {}
    return list(text_rows(rows, column)["x"].to_pylist())


def test_a_refusal_names_column_value_and_type() -> None:
    columns = [Column("id", "integer"), Column("unit_price", "numeric(10,2)")]
    rows = pa.table({"id": ["1", "2"], "unit_price": ["1.00", "1.005"]})
    assert type_rows(rows, columns)[1] == {1: "column unit_price: '1.005' is not numeric(10,2)"}


def test_a_row_is_refused_once_for_its_first_column() -> None:
    columns = [Column("a", "integer"), Column("b", "integer")]
    rows = pa.table({"a": ["1", "x", "3"], "b": ["y", "y", "3"]})
    assert type_rows(rows, columns)[1] == {
        0: "column b: 'y' is not integer",
        1: "column a: 'x' is not integer",
    }


def test_a_long_value_is_cut_in_the_reason() -> None:
    assert quoted("x" * 1000) == "'" + "x" * 100 + "…'"


def test_null_is_null_in_every_type_and_the_empty_text_is_no_null() -> None:
    for pg_type in ("integer", "numeric(4,2)", "boolean", "date", "double precision", "text"):
        assert typed(pg_type, None) == ([None], {})
    assert typed("text", "") == ([""], {})
    assert typed("integer", "")[1] == {0: "column x: '' is not integer"}


def test_the_typed_schema_follows_the_columns() -> None:
    columns = [Column("a", "numeric(10,2)"), Column("b", "timestamp(3) with time zone"), Column("c", "uuid")]
    assert schema_of(columns) == pa.schema(
        [("a", pa.decimal128(10, 2)), ("b", pa.timestamp("us", "UTC")), ("c", pa.string())]
    )


ACCEPTED: list[tuple[str, str, Any]] = [
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("smallint", "-32768", -32768),
    ("integer", "2147483647", 2**31 - 1),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("numeric(10,2)", "-99999999.99", Decimal("-99999999.99")),
    ("numeric(10,2)", "0.00", Decimal("0.00")),
    ("numeric(20,8)", "0.00000010", Decimal("1.0E-7")),
    ("numeric(20,8)", "-0.00000001", Decimal("-1E-8")),
    ("numeric(20,8)", "0.00000000", Decimal("0E-8")),
    ("numeric(5,0)", "12345", Decimal(12345)),
    ("date", "0001-01-01", date.min),
    ("date", "9999-12-31", date.max),
    ("time without time zone", "00:00:00", time()),
    ("time without time zone", "23:59:59.999999", time.max),
    ("time(1) without time zone", "10:20:30.5", time(10, 20, 30, 500_000)),
    ("timestamp(3) without time zone", "2022-11-03 14:20:52.18", datetime(2022, 11, 3, 14, 20, 52, 180_000)),
    ("timestamp without time zone", "2000-01-01 00:00:00", datetime(2000, 1, 1)),
    (
        "timestamp without time zone",
        "1969-12-31 23:59:59.999999",
        datetime(1969, 12, 31, 23, 59, 59, 999_999),
    ),
    ("double precision", "0.1", 0.1),
    ("double precision", "-0", -0.0),
    ("double precision", "1e+20", 1e20),
    ("double precision", "5e-324", 5e-324),
    ("double precision", "Infinity", math.inf),
    ("double precision", "-Infinity", -math.inf),
    ("real", "1.5", 1.5),
    ("text", "2024-02-30", "2024-02-30"),
    ("numeric", "NaN", "NaN"),
    ("interval", "1 day -02:00:00", "1 day -02:00:00"),
    ("text", "é😀\n\t\"\\ \u2028'", "é😀\n\t\"\\ \u2028'"),
]


@pytest.mark.parametrize(("pg_type", "text", "value"), ACCEPTED)
def test_a_value_is_typed_exactly_and_prints_back(pg_type: str, text: str, value: Any) -> None:
    assert typed(pg_type, text) == ([value], {})
    assert printed(pg_type, text, None) == [text, None]


def test_an_instant_is_read_in_utc_and_prints_with_its_zone() -> None:
    ((value,), reasons) = typed("timestamp with time zone", "2024-01-01 00:00:00.5+00")
    assert (value.isoformat(), reasons) == ("2024-01-01T00:00:00.500000+00:00", {})
    assert printed("timestamp with time zone", "2024-01-01 00:00:00.5+00") == ["2024-01-01 00:00:00.5+00"]


def test_not_a_number_is_a_double_and_equals_itself_as_text() -> None:
    assert printed("double precision", "NaN") == ["NaN"]
    assert printed("real", "NaN") == ["NaN"]


REFUSED = [
    ("boolean", ["t", "TRUE", "1", "yes", "", " true"]),
    ("integer", ["007", "+1", "-0", "5.7", "1e3", "0x10", " 1", "2147483648", "1_000"]),
    ("smallint", ["32768"]),
    ("numeric(10,2)", ["1.005", "1", "1.0", "01.00", "+1.00", "1e2", "-0.00", "100000000.00", "NaN", ".50"]),
    ("date", ["2024-02-30", "31/01/2024", "2024-1-1", "20240101", "infinity", "-infinity", "0044-03-15 BC"]),
    ("date", ["10000-01-01", "2024-01-01 00:00:00"]),
    ("time without time zone", ["24:00:00", "10:00", "10:00:60", "1:00:00", "10:00:00.50", "10:00:00+00"]),
    (
        "timestamp without time zone",
        ["infinity", "0044-03-15 12:00:00 BC", "2024-01-01 24:00:00", "2024-01-01"],
    ),
    (
        "timestamp without time zone",
        ["2024-01-01T00:00:00", "2024-01-01 00:00:00.10", "2024-01-01 00:00:00+00"],
    ),
    ("timestamp without time zone", ["2024-02-30 00:00:00", "10000-01-01 00:00:00", "2024-01-01 00:00:00.0"]),
    ("timestamp with time zone", ["2024-01-01 00:00:00+01", "2024-01-01 00:00:00", "2024-01-01 00:00:00Z"]),
    ("double precision", ["1,5", "0x1p3", "", "one", "1e999x"]),
]


@pytest.mark.parametrize(("pg_type", "text"), [(t, text) for t, texts in REFUSED for text in texts])
def test_what_postgresql_would_not_print_so_or_arrow_cannot_hold_is_refused(pg_type: str, text: str) -> None:
    assert typed(pg_type, text)[1] == {0: f"column x: '{text}' is not {pg_type}"}


def test_a_float_may_come_with_more_digits_than_name_it() -> None:
    """PostgreSQL prints 1.6037050966904479e+18 for the double whose shortest name has a digit less."""
    texts = ("1.6037050966904479e+18", "1.50", "0.1000000000000000055")
    assert typed("double precision", *texts) == ([1.603705096690448e18, 1.5, 0.1], {})
    assert typed("real", "5.9664848e+07")[1] == {}


def test_one_bad_value_among_many_refuses_itself_alone() -> None:
    texts = [str(number) for number in range(5000)]
    texts[4321] = "infinity"
    values, reasons = typed("integer", *texts)
    assert list(reasons) == [4321]
    assert [value for value in values if value is not None] == [n for n in range(5000) if n != 4321]


def test_rows_in_several_chunks_are_counted_through() -> None:
    chunked = pa.chunked_array([pa.array(["1", "x"]), pa.array([], pa.string()), pa.array(["3", "y"])])
    rows, reasons = type_rows(pa.table({"x": chunked}), [Column("x", "integer")])
    assert sorted(reasons) == [1, 3]
    assert rows["x"].to_pylist() == [1, None, 3, None]


@FAST
@given(st.integers(-(2**63), 2**63 - 1))
def test_every_bigint_survives(value: int) -> None:
    assert typed("bigint", str(value)) == ([value], {})
    assert printed("bigint", str(value)) == [str(value)]


@FAST
@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**9), max_value=10**9))
def test_every_decimal_survives_with_all_its_places(value: Decimal) -> None:
    text = format(abs(value) if value == 0 else value, "f")
    assert printed("numeric(20,9)", text) == [text]
    assert typed("numeric(20,9)", text) == ([value], {})


def _postgresql(moment: datetime) -> str:
    text = moment.isoformat(sep=" ", timespec="microseconds")
    return text.rstrip("0").rstrip(".")


@FAST
@given(st.datetimes())
def test_every_timestamp_survives_to_the_microsecond(moment: datetime) -> None:
    text = _postgresql(moment)
    assert typed("timestamp without time zone", text) == ([moment], {})
    assert printed("timestamp without time zone", text) == [text]
    assert printed("timestamp with time zone", text + "+00") == [text + "+00"]


@FAST
@given(st.timedeltas(timedelta(), timedelta(days=1) - timedelta(microseconds=1)))
def test_every_time_of_day_survives_to_the_microsecond(elapsed: timedelta) -> None:
    moment = datetime(2000, 1, 1) + elapsed
    text = _postgresql(moment)[11:]
    assert typed("time without time zone", text) == ([moment.time()], {})
    assert printed("time without time zone", text) == [text]


@FAST
@given(st.floats(allow_nan=False))
def test_every_double_survives_in_its_shortest_form(value: float) -> None:
    assert typed("double precision", repr(value).replace("inf", "Infinity")) == ([value], {})


@FAST
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_text_survives(value: str) -> None:
    assert typed("text", value) == ([value], {})

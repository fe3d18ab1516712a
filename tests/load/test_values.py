"""What a model made arrives unchanged, or is refused; nothing is rounded, cut or guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from starlift.adapters.postgres.copy_csv import chunks, date_text
from starlift.adapters.postgres.fitting import takes
from starlift.adapters.postgres.star_catalogue import StarColumn
from starlift.errors import ConfigurationError
from tests.load.batches import design, sale, staff, table
from tests.load.conftest import Star, model, own_sql

TEXTS = [
    "", " ", "NULL", "null", "\\N", '"', '""', "'", "''", ",", ";", "\t", "\n", "\r\n", "\r", "a\nb", "\\.",
    "a\n\\.\nb", "\\", "\\n", '"a","b"', "O'Keefe", "é", "😀👩‍👩‍👧", "\u2028", "\ufeff", "\x01",
    "-- ; DROP TABLE dim_design", ":name", "%s", "$1", "x" * 1_000_000,
]  # fmt: skip


def test_every_text_arrives_as_it_was(star: Star) -> None:
    rows = [design(number, design_name=text, file_name="") for number, text in enumerate(TEXTS)]
    star.load({"dim_design": rows})
    arrived = [text for (text,) in star.rows("SELECT design_name FROM dim_design ORDER BY design_id")]
    assert arrived == TEXTS
    assert star.load({"dim_design": rows}).star["dim_design"].unchanged == len(TEXTS)


def test_null_and_empty_text_stay_apart(star: Star) -> None:
    star.load({"dim_staff": [staff(1, location=None), staff(2, location="")]})
    assert star.rows("SELECT location FROM dim_staff ORDER BY staff_id") == [[None], [""]]


TYPES: list[tuple[str, pa.DataType, list[Any], list[str | None]]] = [
    ("boolean", pa.bool_(), [True, False, None], ["true", "false", None]),
    ("smallint", pa.int16(), [-(2**15), 2**15 - 1], ["-32768", "32767"]),
    ("integer", pa.int32(), [-(2**31), 2**31 - 1], ["-2147483648", "2147483647"]),
    ("bigint", pa.int64(), [-(2**63), 2**63 - 1], ["-9223372036854775808", "9223372036854775807"]),
    ("bigint", pa.int32(), [2**31 - 1], ["2147483647"]),
    ("double precision", pa.float64(), [0.1, 1e300, -5e-324, float("inf"), float("nan")],
     ["0.1", "1e+300", "-5e-324", "Infinity", "NaN"]),
    ("real", pa.float32(), [0.1, -1.0], ["0.1", "-1"]),
    ("numeric(10,2)", pa.decimal128(10, 2), [Decimal("-99999999.99"), Decimal("0.00"), Decimal("0.01")],
     ["-99999999.99", "0.00", "0.01"]),
    ("numeric(12,3)", pa.decimal128(10, 2), [Decimal("99999999.99")], ["99999999.990"]),
    ("numeric(38,10)", pa.decimal128(38, 10), [Decimal("1e-10"), Decimal("1234567890123456789012345678")],
     ["0.0000000001", "1234567890123456789012345678.0000000000"]),
    ("numeric", pa.string(), ["0." + "1234567890" * 10, "NaN"], ["0." + "1234567890" * 10, "NaN"]),
    ("numeric", pa.string(), ["1.0", "1"], ["1.0", "1"]),
    ("numeric", pa.decimal128(38, 0), [Decimal(10**37)], [str(10**37)]),
    ("date", pa.date32(), [date(1, 1, 1), date(9999, 12, 31)], ["0001-01-01", "9999-12-31"]),
    ("time", pa.time64("us"), [time(0), time(23, 59, 59, 999999), time(7, 55, 11, 2000)],
     ["00:00:00", "23:59:59.999999", "07:55:11.002"]),
    ("timestamp", pa.timestamp("us"), [datetime(1, 1, 1), datetime(2024, 11, 22, 7, 55, 11, 123456)],
     ["0001-01-01 00:00:00", "2024-11-22 07:55:11.123456"]),
    ("timestamptz", pa.timestamp("us", "UTC"), [datetime(2024, 7, 1, 1, 2, 3, 4, tzinfo=UTC)],
     ["2024-07-01 01:02:03.000004+00"]),
    ("interval", pa.string(), ["1 mon -3 days +04:05:06.789"], ["1 mon -3 days +04:05:06.789"]),
    ("uuid", pa.string(), ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("jsonb", pa.string(), ['{"a": [1, null, "é"]}'], ['{"a": [1, null, "é"]}']),
    ("bytea", pa.string(), ["\\x00ff"], ["\\x00ff"]),
    ("integer[]", pa.string(), ["{1,NULL,3}"], ["{1,NULL,3}"]),
]  # fmt: skip
"""Type in the star, Arrow type, values, and how PostgreSQL prints what arrived."""


def test_every_type_arrives_exactly(star: Star, tmp_path: Path) -> None:
    made = [model(f"dim_{place}", "dimension", "id", f"t{place}") for place in range(len(TYPES))]
    tables = [
        f"CREATE TABLE dim_{place} (id integer PRIMARY KEY, v {kind});"
        for place, (kind, *_) in enumerate(TYPES)
    ]
    star.sql = own_sql(tmp_path, "\n".join(tables))
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    star.migrate(made)
    batch = {}
    for place, (_, arrow, values, _) in enumerate(TYPES):
        ids = pa.array(range(len(values)), pa.int32())
        keys = [f"({number})" for number in range(len(values))]
        batch[f"dim_{place}"] = pa.table({"id": ids, "v": pa.array(values, arrow), "_key": keys})
    refs = tuple(found.ref for found in made)
    star.load(batch, models=refs)
    for place, (kind, _, _, texts) in enumerate(TYPES):
        arrived = star.rows(f"SELECT v::text FROM mine.dim_{place} ORDER BY id")
        assert [text for (text,) in arrived] == texts, kind
    loaded = star.load(batch, models=refs)
    assert all(counts.unchanged and not counts.updated for counts in loaded.star.values())


def column(kind: str) -> StarColumn:
    return StarColumn("v", kind, False, None, is_text=False, generated=False, numbered=False)


@pytest.mark.parametrize(
    ("kind", "arrow"),
    [
        ("integer", pa.int64()), ("smallint", pa.int32()), ("integer", pa.string()), ("date", pa.string()),
        ("date", pa.timestamp("us")), ("timestamp without time zone", pa.timestamp("us", "UTC")),
        ("timestamp with time zone", pa.timestamp("us")),
        ("timestamp with time zone", pa.timestamp("ns", "UTC")),
        ("timestamp without time zone", pa.timestamp("ns")), ("numeric(10,2)", pa.decimal128(12, 2)),
        ("numeric(10,2)", pa.decimal128(10, 3)), ("numeric(10,2)", pa.string()),
        ("timestamp(3) without time zone", pa.string()), ("time(0) without time zone", pa.string()),
        ("integer", pa.decimal128(5, 0)),
        ("numeric(10,2)", pa.float64()), ("real", pa.float64()), ("character varying", pa.int32()),
        ("boolean", pa.string()), ("text", pa.bool_()), ("text", pa.dictionary(pa.int32(), pa.string())),
        ("time without time zone", pa.time64("ns")), ("bytea", pa.binary()), ("money", pa.string()),
        ("money[]", pa.string()),
    ],
)  # fmt: skip
def test_a_type_that_would_be_rounded_cut_or_guessed_does_not_fit(kind: str, arrow: pa.DataType) -> None:
    assert not takes(column(kind), arrow)


SALES = table("fact_sales_order", [sale(1)])


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (SALES.drop_columns(["units_sold"]), "the model does not make column units_sold"),
        (SALES.drop_columns(["units_sold", "design_id"]),
         "the model does not make columns units_sold, design_id"),
        (SALES.append_column("surprise", pa.array([1])), "the star's table has no column surprise"),
        (SALES.append_column("sales_record_id", pa.array([1])),
         "the star's table has no column sales_record_id"),
        (SALES.set_column(7, "units_sold", pa.array([1], pa.int64())),
         "the model makes column units_sold as int64, which does not go into integer unchanged"),
        (SALES.drop_columns(["_key"]), "its rows carry no _key"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused_with_table_and_column(
    star: Star, rows: pa.Table, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        star.load({"fact_sales_order": rows})
    assert refused.value.message == f"star table fact_sales_order: {problem}"
    assert refused.value.hint.endswith("starlift migrate")


def test_the_order_of_a_models_columns_does_not_matter(star: Star) -> None:
    star.load({"fact_sales_order": SALES.select(sorted(SALES.column_names))})
    assert star.load({"fact_sales_order": SALES}).star["fact_sales_order"].unchanged == 1


BENT: list[tuple[str, pa.DataType, Any, Any, str]] = [
    ("timestamp(0)", pa.timestamp("us"), datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 0, 5),
     "timestamp(0) without time zone, which would alter 2024-01-01 00:00:00.000005"),
    ("timestamptz(3)", pa.timestamp("us", "UTC"), datetime(2024, 1, 1, tzinfo=UTC),
     datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=UTC),
     "timestamp(3) with time zone, which would alter 2024-01-01 00:00:00.000005+00"),
    ("time(1)", pa.time64("us"), time(1, 2, 3, 500_000), time(1, 2, 3, 510_000),
     "time(1) without time zone, which would alter 01:02:03.51"),
    ("numeric(39,2)", pa.string(), "1.5", "1.505", "numeric(39,2), which would alter 1.505"),
    ("interval(0)", pa.string(), "1 mon", "1.5 s", "interval(0), which would alter 00:00:01.5"),
    ("interval month", pa.string(), "1 mon", "1 mon 1 day", "interval month, which would alter 1 mon 1 day"),
    ("char(3)", pa.string(), "a", "abcd", "character(3), which would alter abcd"),
    ("bit(3)", pa.string(), "101", "1010", "bit(3), which would alter 1010"),
    ("varbit(3)", pa.string(), "1", "1010", "bit varying(3), which would alter 1010"),
    ("numeric(5,1)[]", pa.string(), "{1.5}", "{1.55}", "numeric(5,1)[], which would alter {1.55}"),
    ("name", pa.string(), "n" * 63, "n" * 64, f"name, which would alter {'n' * 64}"),
    ('"char"', pa.string(), "n", "no", '"char", which would alter no'),
    ('"char"', pa.string(), "", "\\9", '"char", which would alter \\9'),
]  # fmt: skip
"""Type in the star, Arrow type, a value that it holds, one that it would round or cut, and the reason."""


def test_what_the_stars_column_would_round_or_cut_is_quarantined_and_the_rest_loads(
    star: Star, tmp_path: Path
) -> None:
    made = [model(f"d{place}", "dimension", "id", f"t{place}") for place in range(len(BENT))]
    tables = [
        f"CREATE TABLE d{place} (id integer PRIMARY KEY, v {kind});" for place, (kind, *_) in enumerate(BENT)
    ]
    star.sql = own_sql(tmp_path, "".join(tables))
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    star.migrate(made)
    ids, keys = pa.array([1, 2, 3], pa.int32()), ["(1)", "(2)", "(3)"]
    batch = {
        f"d{place}": pa.table({"id": ids, "v": pa.array([good, bad, None], arrow), "_key": keys})
        for place, (_, arrow, good, bad, _) in enumerate(BENT)
    }
    refs = tuple(found.ref for found in made)
    first, again = (star.load(batch, models=refs) for _ in range(2))
    for place, (*_, reason) in enumerate(BENT):
        found = star.rows(
            "SELECT key, reason FROM mine_starlift.quarantine WHERE source_table = :t", t=f"t{place}"
        )
        assert found == [["(2)", f"d{place}.v is {reason}"]]
        assert (first.star[f"d{place}"].inserted, again.star[f"d{place}"].unchanged) == (2, 2)


def test_rows_are_copied_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.table({"a": pa.array(range(9_000))})
    pieces = list(chunks([rows, rows.slice(0, 1), rows.slice(0, 0)]))
    assert [piece.count(b"\n") for piece in pieces] == [4_096, 4_096, 808, 1]


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (0, "1970-01-01"), (-719_162, "0001-01-01"), (-719_163, "0001-12-31 BC"), (-719_528, "0001-01-01 BC"),
        (2_932_896, "9999-12-31"), (2_932_897, "10000-01-01"), (-2_440_588, "4714-11-24 BC"),
        (-2_440_589, "-infinity"), (2_145_042_905, "5874897-12-31"), (2_145_042_906, "infinity"),
    ],
)  # fmt: skip
def test_a_day_is_written_as_postgresql_writes_it(day: int, text: str) -> None:
    assert date_text(day) == text


def test_dates_beyond_four_digits_travel_beside_ordinary_ones_and_null() -> None:
    days = pa.array([0, None, -719_163], pa.int32()).cast(pa.date32())
    assert b"".join(chunks([pa.table({"d": days, "n": pa.array([1, 2, 3])})])) == (
        b'"1970-01-01",1\n,2\n"0001-12-31 BC",3\n'
    )

"""Typing and key text against what a real PostgreSQL prints."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest

from starlift.core.manifest import Column
from starlift.core.typing import text_rows, type_rows
from starlift.stages.source_rows import key_texts
from tests.postgres import PostgresForTests, SourceDatabase, connected


@pytest.fixture(scope="module")
def source(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """One database for the module: its rows are not looked at."""
    with postgres.source() as database:
        yield database


PRINTED = """
SELECT CAST(CAST(value AS {type}) AS text)
FROM json_array_elements_text(CAST(:given AS json)) WITH ORDINALITY AS t(value, n) ORDER BY n
"""


def printed(source: SourceDatabase, type_: str, given: Sequence[str]) -> list[str]:
    """Return what PostgreSQL prints for values of a type, under the settings of an extract."""
    with connected(source.reader) as connection:
        for setting in ("TimeZone = 'UTC'", "DateStyle = 'ISO, YMD'", "extra_float_digits = 1"):
            connection.run(f"SET {setting}")
        return [text for (text,) in connection.run(PRINTED.format(type=type_), given=json.dumps(given))]


CHANCE = random.Random(20241122)  # noqa: S311 - test data


def _doubles() -> list[str]:
    bits = [CHANCE.getrandbits(64) for _ in range(2000)]
    values = [struct.unpack("d", struct.pack("Q", word))[0] for word in bits]
    values += [10.0**power for power in range(-30, 30)] + [123.456 * 10.0**power for power in range(-20, 20)]
    return [repr(value) for value in values if not math.isnan(value)]


def _reals() -> list[str]:
    bits = [CHANCE.getrandbits(32) for _ in range(2000)]
    values = [struct.unpack("f", struct.pack("I", word))[0] for word in bits]
    powers = [f"1e{power}" for power in range(-37, 38)] + [f"-1.2345e{power}" for power in range(-10, 10)]
    return [repr(value) for value in values if not math.isnan(value)] + powers


VALUES = {
    "boolean": ["t", "false"],
    "smallint": ["-32768", "32767", "0"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": [str(-(2**63)), str(2**63 - 1)],
    "numeric(10,2)": ["-99999999.99", "0", "-0.004", "1.005", "7"],
    "numeric(38,20)": ["0", "1e-20", "-1e-7", "999999999999999999.12345678901234567891", "1e-8"],
    "numeric(38,0)": ["9" * 38, "0"],
    "date": ["0001-01-01", "9999-12-31", "2024-02-29"],
    "time without time zone": ["00:00", "23:59:59.999999", "10:00:00.5", "12:34:56.789"],
    "time(3) without time zone": ["10:00:00.5", "10:00:00.1239"],
    "timestamp without time zone": ["0001-01-01", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.1"],
    "timestamp(3) without time zone": ["2022-11-03 14:20:52.186", "2022-11-03 14:20:52.18", "2022-11-03"],
    "timestamp with time zone": ["2024-06-30 12:00+02", "1969-12-31 23:59:59.000001-11", "0001-01-02"],
    "double precision": [
        *_doubles(),
        "0",
        "-0",
        "NaN",
        "Infinity",
        "-Infinity",
        "5e-324",
        "1e15",
        "999999999999999",
    ],
    "real": [*_reals(), "0", "-0", "NaN", "Infinity", "1e-45", "123456", "1234567", "3.4028235e38"],
}


@pytest.mark.parametrize("type_", VALUES)
def test_every_value_that_postgresql_prints_is_accepted_and_prints_back(
    source: SourceDatabase, type_: str
) -> None:
    texts = printed(source, type_, VALUES[type_])
    columns = [Column("x", type_)]
    typed, reasons = type_rows(pa.table({"x": texts}), columns)
    assert reasons == {}
    assert printed(source, type_, text_rows(typed, columns)["x"].to_pylist()) == texts
    if type_ not in ("double precision", "real"):
        assert text_rows(typed, columns)["x"].to_pylist() == texts


WITHOUT_ARROW_FORM = {
    "numeric(10,2)": ["NaN"],
    "date": ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"],
    "time without time zone": ["24:00"],
    "timestamp without time zone": ["infinity", "0044-03-15 12:00 BC", "294276-12-31"],
    "timestamp with time zone": ["-infinity", "0044-03-15 12:00+00 BC"],
}


@pytest.mark.parametrize("type_", WITHOUT_ARROW_FORM)
def test_what_arrow_cannot_hold_is_refused_and_never_bent(source: SourceDatabase, type_: str) -> None:
    texts = printed(source, type_, WITHOUT_ARROW_FORM[type_])
    _, reasons = type_rows(pa.table({"x": texts}), [Column("x", type_)])
    assert list(reasons) == list(range(len(texts)))


def test_key_text_is_what_postgresql_prints_for_a_row(source: SourceDatabase) -> None:
    keys = [
        "a",
        "",
        " ",
        "a b",
        'say "x"',
        "back\\slash",
        "(1,2)",
        "O'Keefe",
        "é",
        "\u00a0",
        "\u2003",
        "\u0085",
    ]
    keys += [chr(code) for code in range(1, 128)]
    query = """
    SELECT CAST(ROW(value, '7', value) AS text)
    FROM json_array_elements_text(CAST(:given AS json)) WITH ORDINALITY AS t(value, n) ORDER BY n
    """
    with connected(source.reader) as connection:
        expected = [text for (text,) in connection.run(query, given=json.dumps(keys))]
    column = pa.chunked_array([pa.array(keys)])
    assert (
        key_texts([column, pa.chunked_array([pa.array(["7"] * len(keys))]), column]).to_pylist() == expected
    )

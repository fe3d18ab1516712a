"""Any row of any table survives the way from source to star."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.types.conftest import Ground
from tests.types.generated import NAMES, Table

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
DAYS = st.dates().map(str)
MOMENTS = st.datetimes().map(lambda moment: moment.isoformat(sep=" "))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
).map(json.dumps)
NUMERIC = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**60), max_value=10**60)
CENTS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**7), max_value=10**7)


def array_of(elements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return array literals."""

    def literal(values: list[str | None]) -> str:
        quoted = ("NULL" if value is None else json.dumps(value, ensure_ascii=False) for value in values)
        return "{" + ",".join(quoted) + "}"

    # of JSON's escapes only those of quote and backslash mean the same in an array
    plain = elements.filter(lambda value: all(character >= " " for character in value))
    return st.lists(st.none() | plain, max_size=4).map(literal)


def interval(elapsed: timedelta) -> str:
    """Return an interval literal."""
    return f"{elapsed.days} days {elapsed.seconds} seconds {elapsed.microseconds} microseconds"


TYPES: dict[str, st.SearchStrategy[str]] = {
    "boolean": st.sampled_from(["t", "f"]),
    "smallint": st.integers(-(2**15), 2**15 - 1).map(str),
    "integer": st.integers(-(2**31), 2**31 - 1).map(str),
    "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
    "real": st.floats(width=32).map(repr),
    "double precision": st.floats().map(repr),
    "numeric(10,2)": CENTS.map(str),
    "numeric": st.just("NaN") | NUMERIC.map(str),
    "date": DAYS,
    "time": st.times().map(str),
    "timestamp": MOMENTS,
    "timestamp with time zone": MOMENTS.map(lambda moment: f"{moment}+00"),
    "interval": st.timedeltas(timedelta(days=-99999), timedelta(days=99999)).map(interval),
    "text": TEXT,
    "character varying(40)": TEXT,
    "bytea": st.binary(max_size=40).map(lambda value: "\\x" + value.hex()),
    "uuid": st.uuids().map(str),
    "json": JSON,
    "jsonb": JSON.filter(lambda value: "\\u0000" not in value),
    "text[]": array_of(TEXT),
    "integer[]": array_of(st.integers(-(2**31), 2**31 - 1).map(str)),
    "inet": (st.ip_addresses()).map(str),
    "int8range": st.integers(-(2**62), 2**62).map(lambda lower: f"[{lower},{lower + 7})"),
    "bit varying": st.text("01", max_size=40),
}


def noise(length: int, seed: int) -> bytes:
    """Return bytes that PostgreSQL cannot make shorter."""
    return hashlib.shake_256(bytes([seed])).digest(length)


KEYS = {kind: values for kind, values in TYPES.items() if kind != "json"}
"""Types that a key may have, with the values."""

OFTEN = ("text", "bytea", "double precision", "numeric")
"""Those that make keys which are long, or equal and not the same: drawn as often as all others together."""

KEY_ROOM = 2400
"""Bytes of all columns of a key that an index of the source has room for."""


def key_values(kind: str, columns: int) -> st.SearchStrategy[str]:
    """Return values for one of the columns of a key."""
    length = KEY_ROOM // columns
    if kind == "text":
        return KEYS[kind] | st.integers(0, 99).map(lambda seed: noise(length // 2, seed).hex())
    if kind == "bytea":
        return KEYS[kind] | st.integers(0, 99).map(lambda seed: "\\x" + noise(length, seed).hex())
    return KEYS[kind]


SCHEMAS = [name for name in NAMES if not name.startswith(("pg_", "information_schema"))]
"""PostgreSQL keeps the others for itself."""


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table with a key of up to three columns, up to eight others and up to thirty rows."""
    schema = draw(st.sampled_from(SCHEMAS))
    name, *names = draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=12, unique=True))
    kind = st.sampled_from(OFTEN) | st.sampled_from(sorted(KEYS))
    kinds = tuple(draw(st.lists(kind, min_size=1, max_size=min(3, len(names) - 1))))
    keys, others = tuple(names[: len(kinds)]), names[len(kinds) :]
    columns = {other: draw(st.sampled_from(sorted(TYPES))) for other in others}
    values = st.tuples(
        *(key_values(kind, len(kinds)) for kind in kinds),
        *(st.none() | TYPES[kind] for kind in columns.values()),
    )
    rows = tuple(draw(st.lists(values, min_size=1, max_size=30)))
    return Table(0, schema, name, keys, columns, rows, kinds)


@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@example(
    table=Table(
        0, "s", "t", ("a", "b"), {}, (("NaN", "1.0"), ("0", "NaN"), ("-0", "1.00")), ("real", "numeric")
    )
)
@example(table=Table(0, "s", "t", ("a", "b"), {}, (("\\x" + noise(2400, 0).hex(), ""),), ("bytea", "text")))
@given(table=tables())
def test_every_row_of_every_table_survives(ground: Ground, table: Table) -> None:
    ground.check([table], table.schema)

"""Any row of any table survives the way from source to star."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, settings
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


SCHEMAS = [name for name in NAMES if not name.startswith(("pg_", "information_schema"))]
"""PostgreSQL keeps the others for itself."""


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table with a key of two texts, up to eight columns and up to thirty rows."""
    schema = draw(st.sampled_from(SCHEMAS))
    name, first, second, *others = draw(
        st.lists(st.sampled_from(NAMES), min_size=4, max_size=11, unique=True)
    )
    columns = {other: draw(st.sampled_from(sorted(TYPES))) for other in others}
    keys = draw(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=30, unique=True))
    values = st.tuples(*(st.none() | TYPES[kind] for kind in columns.values()))
    rows = tuple((*key, *draw(values)) for key in keys)
    return Table(0, schema, name, (first, second), columns, rows)


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
@given(table=tables())
def test_every_row_of_every_table_survives(ground: Ground, table: Table) -> None:
    ground.check([table], table.schema)

"""The one table of types: PostgreSQL type, the Arrow type its values move in, the warehouse's type.

A type is typed only where its Arrow form holds every ordinary value exactly and prints it back. All
others (numeric without bounds or of more than 38 digits, interval, enums, arrays, types nobody has met
yet) move as the text PostgreSQL prints, which is exact by definition; the warehouse reads that text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ArrowForm = Literal[
    "bool",
    "int16",
    "int32",
    "int64",
    "float32",
    "float64",
    "decimal128",
    "date32",
    "time64",
    "timestamp",
    "timestamptz",
    "string",
]
"""Arrow types by name; times and timestamps count microseconds, timestamptz is a timestamp in UTC."""

MAX_DIGITS = 38
"""Digits that decimal128 holds."""


@dataclass(frozen=True)
class ColumnType:
    """How a source column moves. arrow: its Arrow form. warehouse: the type of a warehouse column that
    takes it as it is. precision, scale: of decimal128 alone."""

    arrow: ArrowForm
    warehouse: str
    precision: int = 0
    scale: int = 0


_TABLE: tuple[tuple[str, ArrowForm, str], ...] = (
    (r"boolean", "bool", "boolean"),
    (r"smallint", "int16", "smallint"),
    (r"integer", "int32", "integer"),
    (r"bigint", "int64", "bigint"),
    (r"real", "float32", "real"),
    (r"double precision", "float64", "double precision"),
    (r"date", "date32", "date"),
    (r"time(\(\d\))? without time zone", "time64", "time without time zone"),
    (r"timestamp(\(\d\))? without time zone", "timestamp", "timestamp without time zone"),
    (r"timestamp(\(\d\))? with time zone", "timestamptz", "timestamp with time zone"),
    (r"numeric(\(\d+,-?\d+\))?", "string", "numeric"),
    (r"interval.*(?<!\])", "string", "interval"),
    (r"uuid", "string", "uuid"),
    (r"jsonb", "string", "jsonb"),
    (r"json", "string", "json"),
    (r".*", "string", "character varying"),
)
_PATTERNS = tuple((re.compile(pattern), arrow, warehouse) for pattern, arrow, warehouse in _TABLE)
_DECIMAL = re.compile(r"numeric\((\d+),(\d+)\)")


def column_type(pg_type: str) -> ColumnType:
    """Return how values of a PostgreSQL type, written as `format_type` prints it, move.

    >>> column_type("numeric(10,2)").arrow, column_type('"PaymentTypeName"').warehouse
    ('decimal128', 'character varying')
    """
    if decimal := _DECIMAL.fullmatch(pg_type):
        precision, scale = int(decimal[1]), int(decimal[2])
        if scale <= precision <= MAX_DIGITS:
            return ColumnType("decimal128", pg_type, precision, scale)
    arrow, warehouse = next(
        (arrow, warehouse) for pattern, arrow, warehouse in _PATTERNS if pattern.fullmatch(pg_type)
    )
    return ColumnType(arrow, warehouse)

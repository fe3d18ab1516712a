"""The one table of types."""

from __future__ import annotations

import pytest

from starlift.core.types import ColumnType, column_type

TYPES = [
    ("boolean", "bool", "boolean"),
    ("smallint", "int16", "smallint"),
    ("integer", "int32", "integer"),
    ("bigint", "int64", "bigint"),
    ("real", "float32", "real"),
    ("double precision", "float64", "double precision"),
    ("date", "date32", "date"),
    ("time without time zone", "time64", "time without time zone"),
    ("time(3) without time zone", "time64", "time without time zone"),
    ("timestamp(3) without time zone", "timestamp", "timestamp without time zone"),
    ("timestamp without time zone", "timestamp", "timestamp without time zone"),
    ("timestamp(6) with time zone", "timestamptz", "timestamp with time zone"),
    ("numeric(10,2)", "decimal128", "numeric(10,2)"),
    ("numeric(38,38)", "decimal128", "numeric(38,38)"),
]


@pytest.mark.parametrize(("pg_type", "arrow", "warehouse"), TYPES)
def test_a_type_with_an_exact_arrow_form_is_typed(pg_type: str, arrow: str, warehouse: str) -> None:
    found = column_type(pg_type)
    assert (found.arrow, found.warehouse) == (arrow, warehouse)


TEXT = [
    ("text", "character varying"),
    ("character varying(3)", "character varying"),
    ("character(3)", "character varying"),
    ('"PaymentTypeName"', "character varying"),
    ("shop.colour", "character varying"),
    ("integer[]", "character varying"),
    ("numeric(10,2)[]", "character varying"),
    ("interval[]", "character varying"),
    ("time with time zone", "character varying"),
    ("money", "character varying"),
    ("bytea", "character varying"),
    ("never heard of", "character varying"),
    ("numeric", "numeric"),
    ("numeric(39,2)", "numeric"),
    ("numeric(5,-2)", "numeric"),
    ("numeric(2,5)", "numeric"),
    ("interval", "interval"),
    ("interval day to second(3)", "interval"),
    ("uuid", "uuid"),
    ("json", "json"),
    ("jsonb", "jsonb"),
]


@pytest.mark.parametrize(("pg_type", "warehouse"), TEXT)
def test_every_other_type_moves_as_the_text_postgresql_prints(pg_type: str, warehouse: str) -> None:
    assert column_type(pg_type) == ColumnType("string", warehouse)

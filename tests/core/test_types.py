"""The one table of types."""

from __future__ import annotations

import pytest

from starlift.core.types import ColumnType, column_type, refusal

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
    ("bpchar", "character varying"),
    ('"char"', '"char"'),
    ('"PaymentTypeName"', "character varying"),
    ("shop.colour", "character varying"),
    ("integer[]", "integer[]"),
    ("numeric(10,2)[]", "numeric(10,2)[]"),
    ("shop.colour[]", "character varying"),
    ("interval[]", "interval[]"),
    ("time with time zone", "time with time zone"),
    ("time(3) with time zone", "time with time zone"),
    ("money", "numeric"),
    ("money[]", "numeric[]"),
    ("bytea", "bytea"),
    ("bit(3)", "bit varying"),
    ("int4range", "int4range"),
    ("tstzmultirange", "tstzmultirange"),
    ("public.hstore", "character varying"),
    ('public."odd[]\nname"', "character varying"),
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


@pytest.mark.parametrize(
    "pg_type", ["regclass", "regtype", "regprocedure[]", "aclitem", "aclitem[]", "gtsvector"]
)
def test_a_type_that_means_something_on_its_own_server_alone_is_refused(pg_type: str) -> None:
    assert refusal(pg_type)


@pytest.mark.parametrize("pg_type", [name for name, *_ in TYPES] + [name for name, _ in TEXT])
def test_no_other_type_is_refused(pg_type: str) -> None:
    assert refusal(pg_type) == ""

"""Which changes of a type no value can notice: the table, line by line, and what stands beside it."""

from __future__ import annotations

import pytest

from starlift.core.widening import WIDENINGS, widening

SAME = [
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("integer", "bigint"),
    ("smallint", "numeric(5,0)"),
    ("integer", "numeric(10,0)"),
    ("bigint", "numeric(19,0)"),
    ("bigint", "numeric"),
    ("numeric(10,2)", "numeric(12,2)"),
    ("numeric(10,2)", "numeric"),
    ("numeric(10,-2)", "numeric(12,-2)"),
    ("character varying(3)", "character varying(5)"),
    ("character varying(3)", "character varying"),
    ("character varying(3)", "text"),
    ("character varying", "text"),
    ("text", "character varying"),
    ("character(3)", "character(5)"),
    ("character(3)", "character varying(3)"),
    ("character(3)", "text"),
    ("bit varying(3)", "bit varying(5)"),
    ("bit varying(3)", "bit varying"),
    ("time(0) without time zone", "time(3) without time zone"),
    ("time with time zone", "time with time zone"),
    ("timestamp(3) without time zone", "timestamp without time zone"),
    ("timestamp(3) with time zone", "timestamp(6) with time zone"),
    ("interval(0)", "interval"),
    ("integer[]", "bigint[]"),
    ("character varying(3)[]", "text[]"),
]
MORE_ZEROS = [
    ("integer", "numeric(12,2)"),
    ("numeric(10,2)", "numeric(12,4)"),
    ("numeric(10,2)[]", "numeric(12,4)[]"),
]
ALTERED = [
    ("smallint", "numeric(4,0)"),
    ("integer", "numeric(11,2)"),
    ("numeric(10,2)", "numeric(10,3)"),
    ("numeric(10,2)", "numeric(12,1)"),
    ("numeric", "numeric(1000,0)"),
    ("character varying", "character varying(9)"),
    ("text", "character varying(9)"),
    ("text", "character(9)"),
    ("bit(3)", "bit(5)"),
    ("real", "double precision"),
    ("integer", "real"),
    ("integer", "text"),
    ("integer", "oid"),
    ("date", "timestamp without time zone"),
    ("timestamp without time zone", "timestamp with time zone"),
    ("time without time zone", "time with time zone"),
    ("interval year to month", "interval"),
    ("json", "jsonb"),
    ("mood", "text"),
    ('"odd(type"', "text"),
    ("integer", "integer[]"),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_a_wider_type_prints_every_value_as_before(old: str, new: str) -> None:
    assert widening(old, new) == "the same"


@pytest.mark.parametrize(("old", "new"), MORE_ZEROS)
def test_more_digits_behind_the_point_print_more_zeros(old: str, new: str) -> None:
    assert widening(old, new) == "more zeros"


@pytest.mark.parametrize(("old", "new"), ALTERED)
def test_any_other_change_may_alter_values(old: str, new: str) -> None:
    assert widening(old, new) is None


@pytest.mark.parametrize(
    ("old", "new"), [pair for pair in SAME + MORE_ZEROS if "text" not in pair[1] and pair[0] != pair[1]]
)
def test_the_way_back_narrows(old: str, new: str) -> None:
    if (old, new) != ("text", "character varying"):
        assert widening(new, old) is None


def test_every_line_of_the_table_is_used() -> None:
    pairs = [(old.split("(")[0], new.split("(")[0]) for old, new in SAME + MORE_ZEROS]
    for line in WIDENINGS:
        bases = [name.split(" without")[0].split(" with")[0] for name in line.old]
        assert any(old.split(" with")[0] in bases for old, _ in pairs), line

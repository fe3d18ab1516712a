"""No name breaks out of its quotes: not of a table, a column or a schema, on neither side."""

from __future__ import annotations

import pytest

from starlift.adapters.postgres.connection import identifier
from tests.postgres import connected
from tests.types.conftest import Ground
from tests.types.generated import NAMES, Table


def test_the_names_fit_postgresql_and_differ_by_more_than_case() -> None:
    assert all(0 < len(name.encode()) <= 63 for name in NAMES)
    assert len({name.casefold() for name in NAMES}) == len(NAMES)


def test_a_table_with_columns_of_every_hostile_name_arrives(ground: Ground) -> None:
    keys, others = NAMES[:2], NAMES[2:]
    rows = tuple((str(number), name, *others) for number, name in enumerate(NAMES[:5]))
    table = Table(0, "public; --", "all", (keys[0], keys[1]), dict.fromkeys(others, "text"), rows)
    ground.check([table], "star")


def test_tables_of_every_hostile_name_arrive(ground: Ground) -> None:
    tables = [
        Table(number, 'sche"ma.:x', name, (name, "key 2"), {"value": "text"}, ((name, name, name),))
        for number, name in enumerate(NAMES)
    ]
    ground.check(tables, "star $1 \"'%s :fact", ["dimension"])


@pytest.mark.parametrize("name", NAMES)
def test_a_quoted_name_is_the_name(ground: Ground, name: str) -> None:
    with connected(ground.source.admin) as connection:
        connection.run(f"SELECT 1 AS {identifier(name)}")
        (plain,) = connection.columns
        connection.run(f"SELECT :value AS {identifier(name)}", value="1")
        (with_parameter,) = connection.columns
    assert plain["name"] == with_parameter["name"] == name

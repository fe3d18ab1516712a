"""A line is what row_to_json prints of the row, byte for byte, whatever the columns' types and names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pg8000.native
import pytest

from starlift.adapters.postgres import source_sql
from starlift.adapters.postgres.connection import Dsn, identifier
from starlift.adapters.postgres.domains import BASE_TYPE
from starlift.adapters.postgres.json_lines import json_lines
from starlift.adapters.postgres.source import PostgresSource
from starlift.core.hmac_key import HmacKey
from starlift.core.polling import Read
from starlift.core.types import plain_type, read_as
from starlift.errors import HeldError
from starlift.ports import Bound
from tests.postgres import PostgresForTests, SourceDatabase, connected
from tests.types.corpus import CASES, ODD, TYPES_DDL
from tests.types.generated import NAMES

PLAIN = {
    "boolean", "smallint", "integer", "bigint", "oid", "real", "double precision", "numeric", "date", "time",
    "time with time zone", "timestamp", "timestamp with time zone", "interval", "uuid", "money", "positive",
    "nested",
}  # fmt: skip
"""Types of the corpus that are taken as they are printed, with any modifier."""

_FILL = """
DO $do$ DECLARE value text; BEGIN
    FOR value IN SELECT json_array_elements_text(CAST(current_setting('test.values') AS json)) LOOP
        BEGIN
            INSERT INTO {table} (v) SELECT CAST(value AS {kind});
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
END $do$"""


@pytest.fixture(scope="module")
def database(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """A source with the types of one's own."""
    with postgres.source() as source:
        with connected(source.admin) as admin:
            admin.run(TYPES_DDL)
            admin.run("CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public")
        yield source


@pytest.fixture
def admin(database: SourceDatabase) -> Iterator[pg8000.native.Connection]:
    """A connection that prints as a reading transaction does."""
    with connected(database.admin) as connection:
        connection.run("BEGIN")
        for setting in source_sql.SETTINGS:
            connection.run(setting)
        yield connection
        connection.run("ROLLBACK")


def by_row_to_json(connection: pg8000.native.Connection, rows: str) -> list[str]:
    found = connection.run(f"SELECT row_to_json(r.*)::text FROM ({rows}) AS r")
    return [line for (line,) in found or []]


def by_copy(database: SourceDatabase, read: Read, bound: Bound | None) -> list[str]:
    chunks: list[bytes] = []
    with PostgresSource(Dsn.parse(database.reader)) as source, source.snapshot() as snapshot:
        snapshot.copy(read, chunks.append, bound)
    return b"".join(chunks).decode().split("\n")[:-1]


def test_whatever_the_types(
    postgres: PostgresForTests, database: SourceDatabase, admin: pg8000.native.Connection
) -> None:
    # before PostgreSQL 15 a "char" may hold what is no text
    since = {'"char"': 15}
    cases = [case for case in CASES if max(case.since, since.get(case.type, 0)) <= postgres.version]
    plain = set()
    for number, case in enumerate(cases):
        table = f"public.of_type_{number}"
        with connected(database.admin) as owner:
            columns = f"n serial PRIMARY KEY, v {case.type}, nothing date, less uuid"
            owner.run(f"CREATE TABLE {table} ({columns})")
            owner.run(f"GRANT SELECT ON {table} TO starlift_source")
            tried = json.dumps([*ODD, *case.values])
            owner.run("SELECT set_config('test.values', :tried, false)", tried=tried)
            owner.run(_FILL.format(table=table, kind=case.type))
            owner.run(f"INSERT INTO {table} (v) VALUES (NULL)")
        kinds = admin.run(
            "SELECT a.attname::text, format_type(base.type, base.modifier) FROM pg_attribute AS a "
            f"{BASE_TYPE} WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0",
            table=table,
        )
        types = {name: read_as(kind) or kind for name, kind in kinds or []}
        found = {name: kind for name in types if (kind := plain_type(types[name]))}
        plain |= {case.type.split("(")[0]} if "v" in found else set()
        forms = {"v": form} if (form := read_as(case.type)) else {}
        read = Read(
            f"of_type_{number}",
            ("n", "v", "nothing", "less"),
            frozenset({"whole"}),
            key=("n",),
            forms=forms,
            plain=found,
        )
        assert "row_to_json" not in source_sql.copy(read)
        expected = by_row_to_json(admin, f'{source_sql.rows(replace(read, plain={}))} ORDER BY t."n"')
        assert by_copy(database, read, Bound(None, 10**9)) == expected, case.type
        assert sorted(by_copy(database, read, None)) == sorted(expected), case.type
    assert plain == PLAIN


def test_whatever_the_names(admin: pg8000.native.Connection) -> None:
    """Of many columns and of few, of which some are plain, and some NULL."""
    tame = [name for name in NAMES if "\\" not in json.dumps(name, ensure_ascii=False)]
    tables = [tame, tame[:49], tame[:50], tame[:99], *([name, "second", "third"] for name in NAMES)]
    for names in tables:
        for plain in (names, names[::2], names[:-1], [names[0]], []):
            values = ["'1'" if name in plain else "e'\"\\x01\\\\'" for name in names]
            values[len(values) // 2] = "NULL"
            pairs = zip(values, names, strict=True)
            columns = ", ".join(f"CAST({value} AS text) AS {identifier(name)}" for value, name in pairs)
            rows = f"SELECT {columns} UNION ALL SELECT {', '.join(['NULL'] * len(names))}"
            lines = json_lines(rows, names, set(plain))
            assert [line for (line,) in admin.run(lines) or []] == by_row_to_json(admin, rows), names
    for names in (tame, tame[:50], tame[:3]):
        assert "row_to_json" not in json_lines("", names, set(names))


def test_a_name_is_what_it_is_where_literals_have_escapes(admin: pg8000.native.Connection) -> None:
    admin.run("SET LOCAL standard_conforming_strings = off")
    admin.run("SET LOCAL escape_string_warning = off")
    for name in NAMES:
        rows = f"SELECT CAST('1' AS text) AS {identifier(name)}"
        lines = json_lines(rows, (name,), {name})
        assert [line for (line,) in admin.run(lines) or []] == by_row_to_json(admin, rows), name


def test_a_keyed_hash_of_a_plain_column(database: SourceDatabase) -> None:
    with connected(database.admin) as owner:
        owner.run("CREATE TABLE hashed AS SELECT n, nullif(n, 2) AS v FROM generate_series(1, 3) AS n")
        owner.run("GRANT SELECT ON hashed TO starlift_source")
    read = Read("hashed", ("n", "v"), frozenset({"whole"}), hmac=("v",), key=("n",))
    key = HmacKey("the secret under which columns are hashed")
    found = []
    plains: tuple[Mapping[str, str], ...] = ({}, {"n": "integer", "v": "integer"})
    for plain in plains:
        chunks: list[bytes] = []
        with PostgresSource(Dsn.parse(database.reader), key) as source, source.snapshot() as snapshot:
            snapshot.copy(replace(read, plain=plain), chunks.append)
        found.append(b"".join(chunks))
    assert found[0] == found[1]
    assert len({row["v"] for row in map(json.loads, found[1].splitlines())}) == 3


@pytest.mark.parametrize("bound", [None, Bound(None, 10**9)])
def test_a_column_that_is_no_longer_of_its_type_breaks_no_line(
    database: SourceDatabase, admin: pg8000.native.Connection, bound: Bound | None
) -> None:
    """Between the look at the catalogue and the read."""
    admin.run("COMMIT")
    admin.run("DROP TABLE IF EXISTS public.turned")
    admin.run("CREATE TABLE public.turned (n int PRIMARY KEY, v text)")
    admin.run("GRANT SELECT ON public.turned TO starlift_source")
    admin.run("INSERT INTO public.turned VALUES (1, '7')")
    types = {"n": "integer", "v": "integer"}
    read = Read("turned", ("n", "v"), frozenset({"whole"}), key=("n",), plain=types)
    (line,) = by_copy(database, read, bound)
    assert json.loads(line)["v"] == "7"
    admin.run('INSERT INTO public.turned VALUES (2, \'","n":"3\')')
    with pytest.raises(HeldError):
        by_copy(database, read, bound)

"""A table read piece by piece in the order of its key, whatever the key is made of: every row once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pg8000.exceptions
import pytest

from starlift.adapters.postgres.chunk_sql import KEY, KeyColumn, first_lines, settings
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from starlift.core.polling import Read
from starlift.ports import Bound, SourceSnapshot
from tests.extract.conftest import Shop

PLENTY = 10**9

KEYS: dict[str, tuple[str, str]] = {
    "integer": ("int", "generate_series(-10, 10)"),
    "text by code point": (
        'text COLLATE "C"',
        "unnest(ARRAY['', 'a', 'B', 'b', 'ä', ' a', 'a b', '''', '\\'])",
    ),
    "padded text": ("char(4)", "unnest(ARRAY['a', 'ab', 'B', ' a', 'abcd'])"),
    "uuid": ("uuid", "unnest(ARRAY[gen_random_uuid(), gen_random_uuid(), gen_random_uuid()])"),
    "moment": (
        "timestamptz",
        "unnest(ARRAY['-infinity', '0044-03-15 BC', '2024-10-27 02:30+01', '2024-10-27 02:30+02', "
        "'2024-01-01 00:00:00.000001', 'infinity']::timestamptz[])",
    ),
    "local time": (
        "timestamp",
        "unnest(ARRAY['2024-01-01', '2024-01-01 00:00:00.000001', '1999-01-01']::timestamp[])",
    ),
    "numeric": (
        "numeric",
        "unnest(ARRAY['NaN', 0, -1, 1e30, 1e-30, 12345678901234567890.123456789]::numeric[])",
    ),
    "float": (
        "float8",
        "unnest(ARRAY['NaN', '-Infinity', 'Infinity', 0.1, 0.30000000000000004, 1e-300, 1e300]::float8[])",
    ),
    "real": ("real", "unnest(ARRAY['NaN', 0.1, 16777216, 1e-30]::real[])"),
    "bytes": ("bytea", r"unnest(ARRAY['\x', '\x00', '\xff', '\x5c']::bytea[])"),
    "interval": (
        "interval",
        "unnest(ARRAY['1 mon', '29 days', '31 days', '-1 day', '00:00:01']::interval[])",
    ),
    "enum": ("starlift_size", "unnest(enum_range(NULL::starlift_size))"),
    "money": ("money", "unnest(ARRAY['1.50', '-1.50', '1000', '2']::numeric[]::money[])"),
    "array": ("int[]", "unnest(ARRAY['{1,2}', '{}', '{1}', '{2,NULL}']::text[])::int[]"),
    "domain": ("starlift_code", "unnest(ARRAY['a', 'B', 'c'])"),
    "network": ("inet", "unnest(ARRAY['10.0.0.1', '10.0.0.0/8', '::1']::inet[])"),
}

COLLATED: dict[str, tuple[str, str]] = {
    "text of a language": (
        "text COLLATE starlift_german",
        "unnest(ARRAY['', 'a', 'A', 'ä', 'Ä', 'b', 'B', 'z', 'ß', 'ss', '-a', 'a-b', 'ab', '_'])",
    ),
    "text that is equal but for case": (
        "text COLLATE starlift_folded",
        "unnest(ARRAY['a', 'B', 'c', 'D', 'ä', 'Ö', 'z'])",
    ),
}


def needs(shop: Shop, *types: str) -> None:
    """Make the types that a test's keys are of; skip where the server was built without ICU."""
    if any("starlift_german" in type_ or "starlift_folded" in type_ for type_ in types):
        try:
            shop.run("CREATE COLLATION starlift_german (provider = icu, locale = 'de')")
        except pg8000.exceptions.DatabaseError as error:
            pytest.skip(f"a collation of ICU is needed: {error.args[0]['M']}")
        folded = "locale = 'und-u-ks-level2', deterministic = false"
        shop.run(f"CREATE COLLATION starlift_folded (provider = icu, {folded})")
    shop.run("CREATE TYPE starlift_size AS ENUM ('small', 'large', 'huge', 'big')")
    shop.run("CREATE DOMAIN starlift_code AS text CHECK (length(value) < 40)")


def pieces(snapshot: SourceSnapshot, read: Read, bound: Bound) -> list[list[dict[str, str]]]:
    """Read behind the last key again and again, until nothing is left."""
    found: list[list[dict[str, str]]] = []
    while True:
        chunks: list[bytes] = []
        if not snapshot.copy(read, chunks.append, bound):
            return found
        found.append([json.loads(line) for line in b"".join(chunks).splitlines()])
        after = tuple(found[-1][-1][name] for name in read.key)
        read = Read(**{**vars(read), "after": after})


def everything(snapshot: SourceSnapshot, read: Read) -> list[dict[str, str]]:
    chunks: list[bytes] = []
    snapshot.copy(read, chunks.append)
    return [json.loads(line) for line in b"".join(chunks).splitlines()]


def by_hash(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((row["_hash"], json.dumps(row)) for row in rows)


def misread(shop: Shop, kinds: Mapping[str, tuple[str, str]]) -> list[str]:
    """Make a table for each kind of key, read it in pieces of one and of two rows and at once; return the
    kinds of which these are not the same rows."""
    for number, (type_, values) in enumerate(kinds.values()):
        shop.run(f"CREATE TABLE thing{number} (id {type_} PRIMARY KEY)")
        shop.run(f"INSERT INTO thing{number} SELECT {values}")
        shop.run(f"GRANT SELECT ON thing{number} TO starlift_source")
    wrong = []
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        for number, (kind, (type_, _)) in enumerate(kinds.items()):
            forms = {"id": "numeric"} if type_ == "money" else {}
            read = Read(f"thing{number}", ("id",), frozenset({"whole"}), key=("id",), forms=forms)
            whole = by_hash(everything(snapshot, read))
            assert len(whole) > 2
            for rows in (1, 2):
                found = pieces(snapshot, read, Bound(rows, PLENTY))
                if by_hash([row for piece in found for row in piece]) != whole:
                    wrong.append(f"{kind} by {rows}")
                assert {len(piece) for piece in found[:-1]} == {rows}
    return wrong


def test_every_row_comes_once_whatever_the_key_is(shop: Shop) -> None:
    needs(shop)
    assert misread(shop, KEYS) == []


def test_every_row_comes_once_however_the_keys_text_is_collated(shop: Shop) -> None:
    needs(shop, *(type_ for type_, _ in COLLATED.values()))
    assert misread(shop, COLLATED) == []


def test_two_keys_that_the_columns_collation_takes_for_one_are_both_read(shop: Shop) -> None:
    needs(shop, "starlift_folded")
    shop.run("CREATE TABLE thing (id text COLLATE starlift_folded NOT NULL)")
    shop.run('CREATE UNIQUE INDEX ON thing (id COLLATE "C")')
    shop.run("INSERT INTO thing VALUES ('a'), ('A'), ('b'), ('B')")
    shop.run("GRANT SELECT ON thing TO starlift_source")
    read = Read("thing", ("id",), frozenset({"whole"}), key=("id",))
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        found = pieces(snapshot, read, Bound(1, PLENTY))
    assert [row["id"] for piece in found for row in piece] == ["A", "B", "a", "b"]


def test_a_key_of_several_columns_is_read_in_their_order(shop: Shop) -> None:
    needs(shop)
    shop.run(
        "CREATE TABLE thing (a starlift_size, b numeric, c text, d timestamptz, PRIMARY KEY (b, a, d, c))"
    )
    shop.run(
        "INSERT INTO thing SELECT a, b, c, d FROM unnest(enum_range(NULL::starlift_size)) AS a, "
        "unnest(ARRAY['NaN', 1, 2]::numeric[]) AS b, unnest(ARRAY['x', 'Y', '\"']) AS c, "
        "unnest(ARRAY['infinity', '2024-01-01']::timestamptz[]) AS d"
    )
    shop.run("GRANT SELECT ON thing TO starlift_source")
    read = Read("thing", ("d", "c", "b", "a"), frozenset({"whole"}), key=("b", "a", "d", "c"))
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        found = pieces(snapshot, read, Bound(7, PLENTY))
        assert by_hash([row for piece in found for row in piece]) == by_hash(everything(snapshot, read))
    assert sum(map(len, found)) == 4 * 3 * 3 * 2


def test_a_type_that_an_extension_orders_its_own_way_is_read_in_another_order_and_whole(shop: Shop) -> None:
    """As with citext: > is not in pg_catalog, so the search finds that of text, while ORDER BY does not."""
    shop.run(
        "CREATE TYPE folded; "
        "CREATE FUNCTION folded_in(cstring) RETURNS folded IMMUTABLE STRICT LANGUAGE internal AS 'textin'; "
        "CREATE FUNCTION folded_out(folded) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout'; "
        "CREATE TYPE folded (INPUT = folded_in, OUTPUT = folded_out, LIKE = text, COLLATABLE = true); "
        "CREATE CAST (folded AS text) WITHOUT FUNCTION AS IMPLICIT"
    )
    for name, sign in (("lt", "<"), ("le", "<="), ("eq", "="), ("ge", ">="), ("gt", ">")):
        shop.run(
            f"CREATE FUNCTION folded_{name}(folded, folded) RETURNS bool IMMUTABLE STRICT LANGUAGE sql AS "
            f"$$ SELECT lower($1::text) {sign} lower($2::text) $$; "
            f"CREATE OPERATOR {sign} (LEFTARG = folded, RIGHTARG = folded, FUNCTION = folded_{name})"
        )
    shop.run(
        "CREATE FUNCTION folded_cmp(folded, folded) RETURNS int IMMUTABLE STRICT LANGUAGE sql AS "
        "$$ SELECT bttextcmp(lower($1::text), lower($2::text)) $$; "
        "CREATE OPERATOR CLASS folded_ops DEFAULT FOR TYPE folded USING btree AS "
        "OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, "
        "FUNCTION 1 folded_cmp(folded, folded)"
    )
    shop.run("CREATE TABLE thing (id folded PRIMARY KEY)")
    shop.run("INSERT INTO thing SELECT x::text::folded FROM unnest(ARRAY['a','B','c','D','e','F']) AS x")
    shop.run("GRANT SELECT ON thing TO starlift_source")
    read = Read("thing", ("id",), frozenset({"whole"}), key=("id",))
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        found = pieces(snapshot, read, Bound(2, PLENTY))
    assert sorted(row["id"] for piece in found for row in piece) == ["B", "D", "F", "a", "c", "e"]


def test_rows_come_until_the_bytes_are_used_up_and_at_least_one(shop: Shop) -> None:
    shop.run("UPDATE item SET name = repeat('ü', 500)")
    shop.run("INSERT INTO item SELECT n, repeat('x', 5) FROM generate_series(4, 100) AS n")
    read = Read("item", ("id", "name"), frozenset({"whole"}), key=("id",))
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        found = pieces(snapshot, read, Bound(None, 1500))
    assert [row["id"] for row in found[0]] == ["1", "2"], "the second begins before 1500 bytes"
    assert [row["id"] for piece in found for row in piece] == [str(n) for n in range(1, 101)]
    assert all(sum(len(json.dumps(row)) for row in piece) >= 1500 for piece in found[:-1])
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        assert {len(piece) for piece in pieces(snapshot, read, Bound(None, 1))} == {1}


def test_a_partitioned_table_is_read_across_its_partitions(shop: Shop) -> None:
    shop.run("CREATE TABLE sale (day date, n int, PRIMARY KEY (n, day)) PARTITION BY LIST (day)")
    for day in ("2024-01-01", "2024-01-02"):
        shop.run(f"CREATE TABLE sale_{day[-1]} PARTITION OF sale FOR VALUES IN ('{day}')")
    shop.run("INSERT INTO sale SELECT date '2024-01-01' + n % 2, n FROM generate_series(1, 50) AS n")
    shop.run("GRANT SELECT ON sale TO starlift_source")
    read = Read("sale", ("n", "day"), frozenset({"whole"}), key=("n", "day"))
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        found = pieces(snapshot, read, Bound(8, PLENTY))
    assert [row["n"] for piece in found for row in piece] == [str(n) for n in range(1, 51)]


@pytest.mark.parametrize(
    ("ddl", "key", "after"),
    [
        ("a int, b text, PRIMARY KEY (a)", ("a",), ("5000",)),
        ("a int, b text, PRIMARY KEY (a, b)", ("a", "b"), ("5000", "x")),
        ("a int, b text COLLATE starlift_german, PRIMARY KEY (b, a)", ("b", "a"), ("c", "7")),
        ("a int, b starlift_code, PRIMARY KEY (b, a)", ("b", "a"), ("c", "7")),
    ],
)
def test_a_chunk_is_found_by_the_index_of_the_key(
    shop: Shop, ddl: str, key: tuple[str, ...], after: tuple[str, ...]
) -> None:
    needs(shop, ddl)
    shop.run(f"CREATE TABLE thing ({ddl})")
    shop.run("INSERT INTO thing SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n")
    shop.run("ANALYZE thing")
    read = Read("thing", ("a", "b"), frozenset({"whole"}), key=key, after=after)
    found = shop.run(KEY, schema="public", relation="thing")
    columns = {name: KeyColumn(name, kind, natural) for name, kind, natural in found}
    statement = first_lines(read, [columns[name] for name in key], Bound(100, PLENTY))
    query = statement.removeprefix("COPY (").rpartition(") TO STDOUT")[0]
    with shop.session() as session:
        session.run("BEGIN")
        session.run("SET LOCAL search_path = ''")
        for name, value in settings(read).items():
            session.run("SELECT set_config(:name, :value, true)", name=name, value=value)
        plan = session.run(f"EXPLAIN (FORMAT JSON) {query}")[0][0]
        session.run("ROLLBACK")
    nodes = list(flat(plan[0]["Plan"]))
    (scan,) = [node for node in nodes if node.get("Relation Name") == "thing"]
    assert scan["Index Name"] == "thing_pkey"
    assert scan["Index Cond"]
    assert "Sort" not in {node["Node Type"] for node in nodes}


def flat(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all nodes of a plan."""
    return [plan, *(node for child in plan.get("Plans", ()) for node in flat(child))]

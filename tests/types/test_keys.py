"""Any type that PostgreSQL can tell apart may be a key: a row is known by what its key prints as."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pg8000.native import Connection

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core.config import TableSpec
from starlift.core.identity import LONGEST_KEY, key_text
from starlift.core.models import Model, parse_model
from starlift.ports import StarCounts
from tests.load.conftest import own_sql
from tests.postgres import PostgresForTests, connected
from tests.types.journey import SETTINGS, Pipeline

# no repetition in them, or PostgreSQL would make them short
NOISE = hashlib.shake_256().hexdigest(1300)
LONG = {
    "text": NOISE,
    "bytea": "\\x" + hashlib.shake_256().digest(2500).hex(),
    "text[]": f"{{{NOISE[:2550]}}}",
}
"""Keys that an index of the source holds, and that with the table's name beside them, or printed, are too
long for one of the ledger."""

KEYS: dict[str, tuple[str, ...]] = {
    "double precision": ("0", "-1.5", "NaN", "Infinity", "-Infinity", "1e300", "5e-324"),
    "real": ("-0", "NaN", "Infinity", "1e-45"),
    "numeric": ("1.0", "2.00", "NaN", "1e40"),
    "numeric(10,2)": ("1.00", "-0.01"),
    "bytea": ("\\x", "\\x00", LONG["bytea"]),
    "uuid": ("00000000-0000-0000-0000-000000000000",),
    "inet": ("1.2.3.4", "1.2.3.4/24", "::"),
    "text[]": ('{a,"b c"}', "{}", "{NULL}", '{""}', LONG["text[]"]),
    "numeric[]": ("{1.0}", "{NaN}"),
    "mood": ("sad", "x y"),
    "word": ("a", "b"),
    "public.citext": ("a", "b"),
    "timestamptz": ("2024-01-01 00:00+00", "0001-01-01 00:00+00"),
    "text": ("", " ", "\x01", "(a)", '"', "x" * 100_000, NOISE),
    "interval": ("1 day", "1 mon"),
    "jsonb": ('{"a": 1.0}',),
    "boolean": ("t", "f"),
    "bit varying": ("", "1"),
    "character(5)": ("a", "b  "),
    '"char"': ("a", ""),
    "int4range": ("[1,2)", "empty"),
    "pair": ("(a,1.0)",),
}
"""Types of a key, with values of each."""

REWRITTEN = {
    "double precision": ("0", "-0"),
    "real": ("-0", "0"),
    "numeric": ("1.0", "1.00"),
    "numeric[]": ("{1.0}", "{1.00}"),
    "word": ("a", "A"),
    "public.citext": ("a", "A"),
    "interval": ("1 day", "24:00:00"),
    "jsonb": ('{"a": 1.0}', '{"a": 1.00}'),
    "pair": ("(a,1.0)", "(a,1.00)"),
}
"""Keys that PostgreSQL takes for one and prints differently: the one that is there, the one written over
it."""

DDL = """
CREATE TYPE mood AS ENUM ('sad', 'x y');
CREATE TYPE pair AS (a text, b numeric);
CREATE DOMAIN word AS public.citext;
"""

LAW = """
SELECT source_table, key FROM ledger WHERE seq = current_setting('starlift.seq')::bigint AND state = 'live'
  AND source_table = '{0}' AND right(key, 1) = ')'
  AND NOT EXISTS (SELECT FROM dim_{0} WHERE CAST(ROW(CAST(k AS text)) AS text) = ledger.key)
"""


Shown = tuple[list[str], list[str], list[str], list[str]]


@dataclass(frozen=True)
class Keys:
    """Three batches of a table for each type of key: all rows, all of them changed, some keys rewritten.

    Each is the star's counts, and by table the keys in source, dimension, current fact and ledger.
    """

    counts: list[dict[str, StarCounts]]
    shown: list[dict[str, Shown]]


def name(kind: str) -> str:
    """Return the name of the table that has a key of this type."""
    return f"t{list(KEYS).index(kind)}"


@pytest.fixture(scope="module")
def keys(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """What became of every key, made once."""
    with postgres.source() as source, postgres.warehouse() as warehouse:
        for database in (source, warehouse):
            with connected(database.admin) as admin:
                admin.run("CREATE EXTENSION citext SCHEMA public")
        star = DDL + "".join(
            f"CREATE TABLE dim_{name(kind)} (k {kind} PRIMARY KEY, v integer);"
            f"CREATE TABLE fact_{name(kind)} (record_id serial PRIMARY KEY, k {kind}, v integer);"
            for kind in KEYS
        )
        laws = {f"{name(kind)}.sql": LAW.format(name(kind)) for kind in KEYS}
        pipeline = Pipeline(
            source,
            warehouse,
            {name(kind): TableSpec(name(kind), ("k",), ("k", "v"), mode="xid") for kind in KEYS},
            [_model(name(kind), star_kind) for kind in KEYS for star_kind in ("dimension", "fact")],
            own_sql(tmp_path_factory.mktemp("keys"), star, laws),
        )
        pipeline.migrate()
        engine = DuckDBEngine()
        found = Keys([], [])
        for step in (_fill, _touch, _rewrite):
            step(source.admin)
            made, loaded = pipeline.run(engine)
            assert (made.quarantined, loaded.quarantined) == (0, 0)
            found.counts.append(dict(loaded.star))
            found.shown.append(_shown(source.admin, warehouse.owner))
        engine.close()
        yield found


def _model(table: str, kind: str) -> Model:
    header = f"-- One row.\n-- kind: {kind}\n-- key: k\n-- from: {table}\n"
    return parse_model(
        f"{'fact' if kind == 'fact' else 'dim'}_{table}", f"{header}SELECT k, v FROM {table}", ""
    )


def _fill(url: str) -> None:
    with connected(url) as admin:
        admin.run(DDL)
        for kind, values in KEYS.items():
            admin.run(f"CREATE TABLE {name(kind)} (k {kind} PRIMARY KEY, v integer)")
            for value in values:
                admin.run(f"INSERT INTO {name(kind)} VALUES (CAST(CAST(:k AS text) AS {kind}), 0)", k=value)
        admin.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO starlift_source")


def _touch(url: str) -> None:
    with connected(url) as admin:
        for kind in KEYS:
            admin.run(f"UPDATE {name(kind)} SET v = 1")


def _rewrite(url: str) -> None:
    with connected(url) as admin:
        for kind, (old, new) in REWRITTEN.items():
            key = f"CAST(CAST(:{{}} AS text) AS {kind})"
            admin.run(
                f"UPDATE {name(kind)} SET k = {key.format('new')} WHERE k = {key.format('old')}",
                new=new,
                old=old,
            )


def _shown(
    source_url: str, warehouse_url: str
) -> dict[str, tuple[list[str], list[str], list[str], list[str]]]:
    with connected(source_url) as source, connected(warehouse_url) as warehouse:
        for connection in (source, warehouse):
            connection.run(SETTINGS)

        def texts(connection: Connection, query: str) -> list[str]:
            return sorted(text for (text,) in connection.run(query))

        return {
            kind: (
                texts(source, f"SELECT k::text FROM {name(kind)}"),
                texts(warehouse, f"SELECT k::text FROM dim_{name(kind)}"),
                texts(warehouse, f"SELECT k::text FROM current_fact_{name(kind)}"),
                texts(warehouse, f"SELECT key FROM starlift.ledger WHERE source_table = '{name(kind)}'"),
            )
            for kind in KEYS
        }


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_any_type_arrives_in_dimension_fact_and_ledger(keys: Keys, kind: str) -> None:
    source, dimension, fact, ledger = keys.shown[0][kind]
    assert len(source) == len(KEYS[kind])
    assert dimension == fact == source
    assert ledger == sorted(key_text([key]) for key in source)


@pytest.mark.parametrize("kind", KEYS)
def test_a_row_is_found_again_by_a_key_of_any_type(keys: Keys, kind: str) -> None:
    rows = len(KEYS[kind])
    assert keys.counts[1][f"dim_{name(kind)}"] == StarCounts(updated=rows)
    assert keys.counts[1][f"fact_{name(kind)}"] == StarCounts(versions=rows)
    assert keys.shown[1][kind] == keys.shown[0][kind]


@pytest.mark.parametrize("kind", LONG)
def test_a_key_too_long_for_an_index_of_the_ledger_stands_there_by_its_digest(keys: Keys, kind: str) -> None:
    source, *_, ledger = keys.shown[0][kind]
    assert max(len(key) for key in source) > LONGEST_KEY
    assert max(len(key) for key in ledger) < LONGEST_KEY


@pytest.mark.parametrize("kind", REWRITTEN)
def test_a_key_that_equals_the_old_and_prints_differently_is_another_row(keys: Keys, kind: str) -> None:
    """As any changed key: the old row is gone, the new one is there. The dimension has room for one of the
    two, and that is the new one."""
    source, dimension, fact, ledger = keys.shown[2][kind]
    old, new = REWRITTEN[kind]
    assert {old, new} & set(source) == {new} == {old, new} & set(dimension)
    assert {old, new} <= set(fact)
    assert {key_text([old]), key_text([new])} <= set(ledger)
    assert keys.counts[2][f"dim_{name(kind)}"] == StarCounts(updated=1)
    assert keys.counts[2][f"fact_{name(kind)}"] == StarCounts(inserted=1)

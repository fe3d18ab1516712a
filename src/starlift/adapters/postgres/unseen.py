"""Rows of which nothing is there yet: the chunks of a first load, written without a look at each key.

That a key was never seen is proved by the primary key of the ledger, which has every key that ever was: an
entry that is there already fails the statement, and the batch is written the ordinary way. So is one with a
row whose key it does not enter: it is made again because of a row that it joins. What else would
be looked up or kept up meanwhile is left out: indexes that nobody asks are made again, sorted, by the first
batch that is no such chunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import pg8000.native

from starlift.adapters.postgres import aside
from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.facts import Versioning, key_order
from starlift.adapters.postgres.fitting import KEY_COLUMN
from starlift.adapters.postgres.ledger import AT_SOURCE
from starlift.adapters.postgres.row_hash import SEQ, fact_hash
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.staging import Staged
from starlift.ports import StarCounts

_LAST = """
SELECT coalesce(max({surrogate}), 0) FROM {star}
"""

_APPEND = """
INSERT INTO {star} ({surrogate}, {columns}) OVERRIDING SYSTEM VALUE
SELECT CAST(:last AS bigint) + row_number() OVER (ORDER BY {order}) AS "_id", {new}
FROM {stage} s ORDER BY "_id"
"""

# Whatever the star's table makes of a row, a default or a trigger, is hashed as it has become. BETWEEN, since
# nobody has analyzed the star: the planner takes that for few rows, and looks where they are.
_BEGIN = """
INSERT INTO fact_version (fact, record_id, key, seq, op, row_hash)
SELECT CAST(:fact AS text), n."_id", n.{key}, {seq}, 'insert', {hash}
FROM (SELECT CAST(:last AS bigint) + row_number() OVER (ORDER BY {order}) AS "_id", s.{key}
      FROM {stage} s) AS n
LEFT JOIN {star} f ON f.{surrogate} = n."_id"
     AND f.{surrogate} BETWEEN CAST(:last AS bigint) AND CAST(:last AS bigint) + CAST(:rows AS bigint)
"""


class Seen(Exception):
    """A row may be one that is there already."""


# Of the rows of a fact, one that is made of no row of its driving table which the batch brings. EXCEPT, since
# nobody has analyzed these tables: the planner would take them for small, and look through one for each row.
_MADE_AGAIN = """
SELECT {key} FROM {stage} EXCEPT SELECT key FROM pg_temp._entry LIMIT 1
"""

_ENTER = """
INSERT INTO ledger (source_table, key, bucket, source_hash, columns_fingerprint, state, seq)
SELECT :source_table, e.key, bucket(e.key), e.source_hash, :fingerprint, e.state, :seq FROM pg_temp._entry e
"""

_COUNT_ON = f"""
UPDATE ledger_rows SET rows = rows + (SELECT count(*) FROM pg_temp._entry WHERE state {AT_SOURCE})
WHERE source_table = :source_table
"""  # noqa: S608 - no value in it

_DEFERRED = """
CREATE UNLOGGED TABLE IF NOT EXISTS {deferred} (parts json NOT NULL)
"""


def append_unseen(connection: pg8000.native.Connection, rows: Staged, how: Versioning) -> StarCounts:
    """Append the staged rows, each the first version of its key."""
    version = ('n."_id"', f"n.{identifier(KEY_COLUMN)}", SEQ, "'insert'")
    names = {
        "key": identifier(KEY_COLUMN),
        "order": key_order(rows),
        "stage": rows.stage,
        "star": rows.star,
        "surrogate": rows.surrogate,
        "columns": ", ".join(identifier(name) for name in rows.columns),
        "new": ", ".join(f"s.{identifier(name)}" for name in rows.columns),
    }
    last = connection.run(_LAST.format(**names))[0][0]
    connection.run(_APPEND.format(**names), last=last)
    count = int(connection.row_count)
    hashed = fact_hash(rows.table, "f", version)
    begin = _BEGIN.format(**names, seq=SEQ, hash=hashed)
    connection.run(begin, fact=rows.table.name, seq=how.seq, last=last, rows=count)
    return StarCounts(inserted=count)


def enter_unseen(
    connection: pg8000.native.Connection,
    source_table: str,
    fingerprint: str | None,
    seq: int,
    facts: Iterable[Staged],
) -> None:
    """Add the keys of `pg_temp._entry` to the ledger. Fails where it has one of them, or raises Seen where
    one of the facts, all of that source table, has a row of another key."""
    for rows in facts:
        made_again = _MADE_AGAIN.format(stage=rows.stage, key=identifier(KEY_COLUMN))
        if connection.run(made_again):
            raise Seen(rows.table.name)
    connection.run(_ENTER, source_table=source_table, fingerprint=fingerprint, seq=seq)
    connection.run(_COUNT_ON, source_table=source_table)


def defer_indexes(connection: pg8000.native.Connection, build: Schemas) -> None:
    """Take away the indexes of a build target that chunks do not need, if it is still empty."""
    version, ledger = (f"{identifier(build.pipeline)}.{name}" for name in ("fact_version", "ledger"))
    if connection.run(f"SELECT FROM {version} LIMIT 1"):
        return
    parts: list[aside.Constraint | aside.Index] = [
        *aside.keys_of(connection, version),
        *aside.indexes_of(connection, version),
        *aside.indexes_of(connection, ledger),
    ]
    aside.drop(connection, parts)
    connection.run(_DEFERRED.format(deferred=build.deferred))
    kinds = {kind.__name__: [asdict(part) for part in parts if isinstance(part, kind)] for kind in _KINDS}
    connection.run(
        f"INSERT INTO {build.deferred} VALUES (CAST(:parts AS json))",  # noqa: S608 identifiers only
        parts=json.dumps(kinds),
    )


_KINDS = (aside.Constraint, aside.Index)


def make_deferred(connection: pg8000.native.Connection, build: Schemas) -> None:
    """Make the indexes that `defer_indexes` took away, if it did, unless the batch to come is but the one
    that closes the chunks: that reads everything once at most."""
    if not connection.run("SELECT to_regclass(:table) IS NOT NULL", table=build.deferred)[0][0]:
        return
    if connection.run("SELECT partial FROM applied ORDER BY seq DESC LIMIT 1") == [[True]]:
        return
    for (kinds,) in connection.run(f"SELECT parts FROM {build.deferred}"):  # noqa: S608 identifiers only
        for kind in _KINDS:
            aside.make(connection, [kind(**part) for part in kinds[kind.__name__]])
    connection.run(f"DROP TABLE {build.deferred}")

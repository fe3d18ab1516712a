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
from starlift.adapters.postgres.row_hash import SEQ, hash_of_text, row_text
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.staging import Staged
from starlift.ports import StarCounts

# Whatever the star's table makes of a row, a default or a trigger, is hashed as it has become.
_APPEND = """
WITH numbered AS MATERIALIZED (
    SELECT last.id + row_number() OVER (ORDER BY {order}) AS "_id", s.*
    FROM {stage} s CROSS JOIN (SELECT coalesce(max({surrogate}), 0) AS id FROM {star}) AS last
), added AS (
    INSERT INTO {star} AS f ({surrogate}, {columns}) OVERRIDING SYSTEM VALUE
    SELECT n."_id", {new} FROM numbered n ORDER BY n."_id"
    RETURNING f.{surrogate} AS id, {text} AS text
)
INSERT INTO fact_version (fact, record_id, key, seq, op, row_hash)
SELECT CAST(:fact AS text), n."_id", n.{key}, {seq}, 'insert', {hash}
FROM numbered n LEFT JOIN added ON added.id = n."_id"
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

_DEFERRED = """
CREATE UNLOGGED TABLE IF NOT EXISTS {deferred} (parts json NOT NULL)
"""


def append_unseen(connection: pg8000.native.Connection, rows: Staged, how: Versioning) -> StarCounts:
    """Append the staged rows, each the first version of its key."""
    connection.run(
        _APPEND.format(
            key=identifier(KEY_COLUMN),
            order=key_order(rows),
            stage=rows.stage,
            star=rows.star,
            surrogate=rows.surrogate,
            columns=", ".join(identifier(name) for name in rows.columns),
            new=", ".join(f"n.{identifier(name)}" for name in rows.columns),
            text=row_text(rows.table, "f"),
            hash=hash_of_text(('n."_id"', f"n.{identifier(KEY_COLUMN)}", SEQ, "'insert'"), "added.text"),
            seq=SEQ,
        ),
        fact=rows.table.name,
        seq=how.seq,
    )
    return StarCounts(inserted=int(connection.row_count))


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

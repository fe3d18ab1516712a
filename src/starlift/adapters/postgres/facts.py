"""Facts keep every version: a row is appended where it differs from the current one of its key."""

from __future__ import annotations

from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.bulk import make_known, without_constraints
from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.filling import Before, fill
from starlift.adapters.postgres.fitting import KEY_COLUMN
from starlift.adapters.postgres.row_hash import SEQ, fact_hash
from starlift.adapters.postgres.staging import ANALYZE_ROWS, Staged, require_written, truncate
from starlift.ports import StarCounts

CHANGES = """
CREATE TEMPORARY TABLE IF NOT EXISTS _change (
    key text COLLATE "C", record_id bigint, op text, place tid
) ON COMMIT DROP
"""
"""Run once a batch, before the facts: the versions that one fact is about to get. place: where the version
is that each ends, NULL where there is none; nobody moves it while the load holds its lock."""

# record_id = last id + row number: nextval would skip one at every rollback, and replay would differ.
# *<> compares images: it knows every type, also those without an equality, and NULL equals NULL.
_FIND = """
INSERT INTO pg_temp._change
SELECT s.{key}, last.id + row_number() OVER (ORDER BY {order}),
       CASE WHEN v.op IS NULL OR v.op = 'delete' THEN 'insert'
            WHEN s.{key} IN (SELECT a.key FROM pg_temp._asked a WHERE a.source_table = :driving) THEN 'repair'
            ELSE :op END, v.ctid
FROM {stage} s
CROSS JOIN (SELECT coalesce(max(record_id), 0) AS id FROM fact_version WHERE fact = :fact) AS last
LEFT JOIN fact_version v ON v.fact = :fact AND v.key = s.{key} AND v.current
LEFT JOIN {star} f ON f.{surrogate} = v.record_id
{before}
WHERE v.op IS NULL OR v.op = 'delete' OR {differs}
"""

_APPEND = """
INSERT INTO {star} ({surrogate}, {columns}) OVERRIDING SYSTEM VALUE
SELECT c.record_id, {new} FROM pg_temp._change c JOIN {stage} s ON s.{key} = c.key ORDER BY c.record_id
"""

_END = """
UPDATE fact_version v SET ended_seq = :seq FROM pg_temp._change c WHERE v.ctid = c.place
"""

_VERSION = ("c.record_id", "c.key", SEQ, "c.op")

# a row that somebody has taken away has a version all the same, and verify misses the row
_BEGIN = """
INSERT INTO fact_version (fact, record_id, key, seq, op, row_hash)
SELECT CAST(:fact AS text), c.record_id, c.key, {seq}, c.op, {hash}
FROM pg_temp._change c LEFT JOIN {star} f ON f.{surrogate} = c.record_id ORDER BY c.record_id
"""

_BEGIN_TOMBSTONES = f"""
INSERT INTO fact_version (fact, record_id, key, seq, op, row_hash)
SELECT CAST(:fact AS text), c.record_id, c.key, {SEQ}, c.op, {fact_hash(None, "", _VERSION)}
FROM pg_temp._change c
"""  # noqa: S608 - no value in it


@dataclass(frozen=True)
class Versioning:
    """How versions are written. pipeline: the schema of fact_version. op: what a changed row is called,
    update or repair; a repair too where `pg_temp._asked` has its key; a new key, also one that was deleted,
    is an insert."""

    pipeline: str
    seq: int
    op: str


def append_versions(
    connection: pg8000.native.Connection, rows: Staged, how: Versioning, before: Before | None = None
) -> StarCounts:
    """Append the staged rows that differ from the current version of their key.

    before: the rows without the columns that the batch adds. One that differs from the current version only
    by those is no new version, but takes its place.
    """
    fact, seq = rows.table.name, how.seq
    truncate(connection, "_change")
    new, old = (", ".join(f"{side}.{identifier(name)}" for name in rows.columns) for side in "sf")
    differs = f"CAST(ROW({old}) AS record) *<> CAST(ROW({new}) AS record)"
    names = {
        "key": identifier(KEY_COLUMN),
        "order": key_order(rows),
        "stage": rows.stage,
        "star": rows.star,
        "surrogate": rows.surrogate,
        "columns": ", ".join(identifier(name) for name in rows.columns),
        "new": new,
        "before": before.join if before else "",
        "differs": before.differs(differs) if before else differs,
    }
    connection.run(_FIND.format(**names), fact=fact, op=how.op, driving=rows.model.driving)
    changed = int(connection.row_count)
    if changed >= ANALYZE_ROWS:
        connection.run("ANALYZE pg_temp._change")
    with without_constraints(connection, rows.schema, fact, changed):
        connection.run(_APPEND.format(**names))
    versions = _end(connection, fact, seq)
    with without_constraints(connection, how.pipeline, "fact_version", changed):
        hashed = fact_hash(rows.table, "f", _VERSION)
        connection.run(_BEGIN.format(**names, seq=SEQ, hash=hashed), fact=fact, seq=seq)
    make_known(connection, (how.pipeline, "fact_version", "fact"), fact, changed)
    filled = fill(connection, rows, differs) if before else 0
    left = int(connection.run(f"SELECT count(*) FROM {rows.stage}")[0][0])  # noqa: S608 identifiers only
    return StarCounts(
        inserted=changed - versions, updated=filled, versions=versions, unchanged=left - changed - filled
    )


def _end(connection: pg8000.native.Connection, fact: str, seq: int) -> int:
    """End the versions that `pg_temp._change` says. Return how many. Raises HeldError where one is not where
    it was found."""
    found = int(connection.run("SELECT count(place) FROM pg_temp._change")[0][0])
    connection.run(_END, seq=seq)
    require_written(connection, f"versions of {fact}", found)
    return found


def key_order(rows: Staged) -> str:
    """Return by what the rows of a batch are numbered: the typed key; text by code point, so that every
    server numbers a replay alike."""
    return ", ".join(
        f's.{identifier(name)} COLLATE "C"' if rows.table.columns[name].is_text else f"s.{identifier(name)}"
        for name in rows.model.key
    )


_FIND_DELETED = """
INSERT INTO pg_temp._change
SELECT v.key, v.record_id, 'delete', v.ctid
FROM pg_temp._entry e JOIN fact_version v ON v.fact = :fact AND v.key = e.key AND v.current
WHERE e.state = 'deleted' AND v.op <> 'delete'
"""


def append_tombstones(connection: pg8000.native.Connection, fact: str, seq: int) -> int:
    """End the current version of every key that `pg_temp._entry` says is deleted. Return how many.

    A tombstone is a version that refers to the row it ends; the fact's table gets no row.
    """
    truncate(connection, "_change")
    connection.run(_FIND_DELETED, fact=fact)
    found = int(connection.row_count)
    if found:
        _end(connection, fact, seq)
        connection.run(_BEGIN_TOMBSTONES, fact=fact, seq=seq)
    return found

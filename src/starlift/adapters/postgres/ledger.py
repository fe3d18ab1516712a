"""The ledger of source rows and the quarantine: what the warehouse believes the source holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pg8000.native
import pyarrow as pa

from starlift.adapters.postgres.bulk import make_known, without_constraints
from starlift.adapters.postgres.staging import ANALYZE_ROWS, copy, require_written, truncate

ENTRIES = """
CREATE TEMPORARY TABLE IF NOT EXISTS _entry (
    key text COLLATE "C", source_hash bigint, state text
) ON COMMIT DROP;
CREATE TEMPORARY TABLE IF NOT EXISTS _known (
    key text COLLATE "C", source_hash bigint, state text, before text, place tid, changed boolean
) ON COMMIT DROP
"""
"""Run once a batch: the ledger entries of one source table, and the same beside what the ledger has."""

# What the star's DDL refused, and only the load knows of.
_REFUSE = """
UPDATE pg_temp._entry e SET state = 'quarantined'
FROM pg_temp._rejected r
WHERE r.source_table = :source_table AND r.key = e.key AND e.state = 'live'
"""

# Each key is looked up once. A row that was dropped stays so when it is read again as it was.
_LOOK_UP = """
INSERT INTO pg_temp._known
SELECT key, source_hash, state, before, place,
       (known_hash, known_columns, before) IS DISTINCT FROM (source_hash, CAST(:fingerprint AS text), state)
FROM (
    SELECT e.key, e.source_hash, l.state AS before, l.ctid AS place, l.source_hash AS known_hash,
           l.columns_fingerprint AS known_columns,
           CASE WHEN e.state = 'quarantined' AND l.state = 'dropped'
                 AND (l.source_hash, l.columns_fingerprint)
                     IS NOT DISTINCT FROM (e.source_hash, CAST(:fingerprint AS text))
                THEN 'dropped' ELSE e.state END AS state
    FROM pg_temp._entry e LEFT JOIN ledger l ON l.source_table = :source_table AND l.key = e.key
) AS found
"""

AT_SOURCE = "IN ('live', 'quarantined', 'dropped')"
"""States of what the source has as far as the ledger knows, in the star or not."""

_COUNT = f"""
SELECT count(*) FILTER (WHERE place IS NULL), count(*) FILTER (WHERE place IS NOT NULL AND changed),
       count(*) FILTER (WHERE state {AT_SOURCE}) - count(*) FILTER (WHERE before {AT_SOURCE})
FROM pg_temp._known
"""  # noqa: S608 - no value in it

_UPDATE = """
UPDATE ledger l
SET source_hash = k.source_hash, columns_fingerprint = :fingerprint, state = k.state, seq = :seq
FROM pg_temp._known k WHERE l.ctid = k.place AND k.changed
"""

_INSERT = """
INSERT INTO ledger (source_table, key, bucket, source_hash, columns_fingerprint, state, seq)
SELECT :source_table, k.key, bucket(k.key), k.source_hash, :fingerprint, k.state, :seq
FROM pg_temp._known k WHERE k.place IS NULL
"""

_COUNT_ON = """
UPDATE ledger_rows SET rows = rows + :more WHERE source_table = :source_table
"""

_CLEAR = """
DELETE FROM quarantine q USING pg_temp._entry e
WHERE q.source_table = :source_table AND q.key = e.key AND e.state NOT IN ('quarantined', 'dropped')
"""


def copy_entries(
    connection: pg8000.native.Connection, files: Iterable[pa.Table], *, analyze: bool = True
) -> None:
    """Replace the content of `pg_temp._entry` by the entries of one source table. analyze: as in `stage`."""
    truncate(connection, "_entry")
    rows = sum(copy(connection, "pg_temp._entry", file) for file in files)
    if analyze and rows >= ANALYZE_ROWS:
        connection.run("ANALYZE pg_temp._entry")


def enter_gone(connection: pg8000.native.Connection, source_table: str) -> None:
    """Replace the content of `pg_temp._entry` by what `pg_temp._gone` has of one source table."""
    truncate(connection, "_entry")
    connection.run(
        "INSERT INTO pg_temp._entry SELECT l.key, l.source_hash, 'deleted' FROM pg_temp._gone g "
        "JOIN ledger l ON l.source_table = g.source_table AND l.key = g.key "
        "WHERE g.source_table = :source_table",
        source_table=source_table,
    )


def newly_deleted(connection: pg8000.native.Connection, source_table: str) -> int:
    """Return how many keys `pg_temp._entry` says are deleted that the ledger did not have as deleted."""
    found = connection.run(
        "SELECT count(*) FROM pg_temp._entry e "
        "LEFT JOIN ledger l ON l.source_table = :source_table AND l.key = e.key "
        "WHERE e.state = 'deleted' AND l.state IS DISTINCT FROM 'deleted'",
        source_table=source_table,
    )
    return int(found[0][0])


def refuse(connection: pg8000.native.Connection, source_table: str) -> None:
    """Mark what the star's DDL refused in `pg_temp._entry`."""
    connection.run(_REFUSE, source_table=source_table)


def write_entries(
    connection: pg8000.native.Connection, pipeline: str, source_table: str, fingerprint: str | None, seq: int
) -> None:
    """Bring the ledger of a source table up to `pg_temp._entry`; clear what is good again."""
    names = {"source_table": source_table, "fingerprint": fingerprint, "seq": seq}
    refuse(connection, source_table)
    truncate(connection, "_known")
    connection.run(_LOOK_UP, source_table=source_table, fingerprint=fingerprint)
    new, changed, more = connection.run(_COUNT)[0]
    if changed:
        connection.run(_UPDATE, fingerprint=fingerprint, seq=seq)
        require_written(connection, f"ledger entries of {source_table}", changed)
    if new:
        with without_constraints(connection, pipeline, "ledger", new):
            connection.run(_INSERT, **names)
        make_known(connection, (pipeline, "ledger", "source_table"), source_table, new)
    if more:
        connection.run(_COUNT_ON, source_table=source_table, more=more)
    connection.run(_CLEAR, source_table=source_table)


_STORE_REJECTED = """
INSERT INTO quarantine (source_table, key, seq, stage, reason, "row")
SELECT source_table, key, :seq, 'load', string_agg(reason, '; ' ORDER BY reason),
       (array_agg("row" ORDER BY reason))[1]
FROM pg_temp._rejected GROUP BY source_table, key
ON CONFLICT (source_table, key) DO UPDATE
SET seq = excluded.seq, stage = excluded.stage, reason = excluded.reason, "row" = excluded."row"
"""

_REPORTED = """
CREATE TEMPORARY TABLE _reported (
    source_table text, key text, stage text, reason text, "row" text
) ON COMMIT DROP
"""

_STORE_REPORTED = """
INSERT INTO quarantine (source_table, key, seq, stage, reason, "row")
SELECT source_table, key, :seq, stage, reason, CAST("row" AS jsonb) FROM pg_temp._reported
ON CONFLICT (source_table, key) DO UPDATE
SET seq = excluded.seq, stage = excluded.stage, reason = excluded.reason, "row" = excluded."row"
"""


def quarantine_rejected(connection: pg8000.native.Connection, seq: int) -> None:
    """Keep the rows of `pg_temp._rejected`, whole and with the reasons; the ledger says so already."""
    connection.run(_STORE_REJECTED, seq=seq)


def quarantine_reported(
    connection: pg8000.native.Connection, reported: Sequence[Mapping[str, Any]], seq: int
) -> None:
    """Keep the rows that an earlier stage rejected: {table, key, stage, reason, row} each."""
    if not reported:
        return
    connection.run(_REPORTED)
    columns = {
        "source_table": [entry["table"] for entry in reported],
        "key": [entry["key"] for entry in reported],
        "stage": [entry["stage"] for entry in reported],
        "reason": [entry["reason"] for entry in reported],
        "row": [json.dumps(entry["row"], ensure_ascii=False) for entry in reported],
    }
    rows = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    copy(connection, "pg_temp._reported", rows)
    connection.run(_STORE_REPORTED, seq=seq)


# One that came in another version with this batch is not the one that the person saw.
_DROP = """
UPDATE quarantine q SET dropped = d.reason
FROM pg_temp._given_up d JOIN ledger l ON l.source_table = d.source_table AND l.key = d.key
WHERE q.source_table = d.source_table AND q.key = d.key
  AND l.state IN ('quarantined', 'dropped') AND l.seq < :seq
"""

_MARK_DROPPED = """
UPDATE ledger l SET state = 'dropped', seq = :seq
FROM quarantine q
WHERE l.source_table = q.source_table AND l.key = q.key AND q.dropped IS NOT NULL AND l.state = 'quarantined'
  AND l.seq < :seq
"""

# From the quarantine, which is small: joined, the planner may begin with the ledger, and read all of it.
_REOPEN = """
UPDATE quarantine q SET dropped = NULL
WHERE q.dropped IS NOT NULL AND 'quarantined' = (
    SELECT l.state FROM ledger l WHERE l.source_table = q.source_table AND l.key = q.key)
"""


def drop_given_up(
    connection: pg8000.native.Connection, dropped: Mapping[str, Mapping[str, str]], seq: int
) -> None:
    """Mark the quarantined rows that a person gave up: per source table, the reason by key.

    First, those that were given up before and have come in another version are open again."""
    connection.run(_REOPEN)
    if not dropped:
        return
    connection.run(
        "CREATE TEMPORARY TABLE _given_up (source_table text, key text, reason text) ON COMMIT DROP"
    )
    given = [(table, key, reason) for table, keys in dropped.items() for key, reason in keys.items()]
    columns = zip(("source_table", "key", "reason"), zip(*given, strict=True), strict=True)
    rows = pa.table({name: pa.array(values, pa.string()) for name, values in columns})
    copy(connection, "pg_temp._given_up", rows)
    connection.run(_DROP, seq=seq)
    connection.run(_MARK_DROPPED, seq=seq)

"""Compares the ledger with what a batch knows of the source's keys, and finds what is gone.

All of it after the batch is applied: then ledger and source are of one moment, and whatever differs is a
deleted row, or a change that no poll has seen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import pg8000.native
import pyarrow as pa

from starlift.adapters.postgres.ledger import AT_SOURCE
from starlift.adapters.postgres.staging import ANALYZE_ROWS, copy
from starlift.core.holding import LEAST_HELD
from starlift.core.inventory import MOST_KEYS, Sums, differing
from starlift.core.manifest import Inventory, Processed
from starlift.core.requests import Request
from starlift.errors import HeldError

ASKED = """
CREATE TEMPORARY TABLE IF NOT EXISTS _asked (
    source_table text COLLATE "C", key text COLLATE "C"
) ON COMMIT DROP
"""
GONE = """
CREATE TEMPORARY TABLE IF NOT EXISTS _gone (
    source_table text COLLATE "C", key text COLLATE "C"
) ON COMMIT DROP
"""
_LISTED = """
CREATE TEMPORARY TABLE _listed (key text COLLATE "C", source_hash bigint) ON COMMIT DROP
"""

# A row that the batch brought is not gone, and has its seq.
_FIND_GONE = """
INSERT INTO pg_temp._gone
SELECT l.source_table, l.key FROM ledger l
WHERE l.source_table = :source_table AND l.state {at_source} AND l.seq < :seq AND {within}
  AND NOT EXISTS (SELECT FROM pg_temp.{there} t WHERE t.key = l.key)
"""

_GONE_AND_KNOWN = f"""
SELECT g.source_table, g.gone,
       (SELECT count(*) FROM ledger l WHERE l.source_table = g.source_table AND l.state {AT_SOURCE})
FROM (SELECT source_table, count(*) AS gone FROM pg_temp._gone GROUP BY source_table) AS g
ORDER BY g.source_table
"""  # noqa: S608 - no value in it

_DIFFERING = f"""
SELECT t.key, count(*) OVER () FROM pg_temp._listed t
LEFT JOIN ledger l ON l.source_table = :source_table AND l.key = t.key AND l.state {AT_SOURCE}
WHERE l.source_hash IS DISTINCT FROM t.source_hash
ORDER BY t.key LIMIT {MOST_KEYS}
"""  # noqa: S608 - no value in it

_SUMS = f"""
SELECT bucket, count(*), sum(source_hash)::text FROM ledger
WHERE source_table = :source_table AND state {AT_SOURCE} GROUP BY bucket
"""  # noqa: S608 - no value in it

# as JSON, because the driver writes an array's 'null' as NULL
_NAMED = "source_table IN (SELECT json_array_elements_text(CAST(:source_tables AS json)))"

_ROWS = f"""
SELECT source_table, count(*) FROM ledger WHERE {_NAMED} AND state {AT_SOURCE} GROUP BY source_table
"""  # noqa: S608 - no value in it

_KEEP = """
INSERT INTO ledger_rows (source_table, rows)
SELECT key, CAST(value AS bigint) FROM json_each_text(CAST(:rows AS json))
"""

_FORGET = f"""
DELETE FROM ledger_rows WHERE {_NAMED}
"""  # noqa: S608 - no value in it


@dataclass
class Findings:
    """What a comparison has come to. differing: rows by source table that are not deleted and still not as
    the source has them, of which no poll told. requests: what is asked of the next extract because of it."""

    differing: dict[str, int] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)


def note_asked(connection: pg8000.native.Connection, inventories: Mapping[str, Inventory]) -> None:
    """Fill `pg_temp._asked` with the keys whose rows a batch has because a repair asked for them."""
    connection.run(ASKED)
    for table, inventory in inventories.items():
        if inventory.asked:
            names = pa.array([table] * len(inventory.asked), pa.string())
            keys = pa.array(inventory.asked, pa.string())
            copy(connection, "pg_temp._asked", pa.table({"source_table": names, "key": keys}))


def find_missing(connection: pg8000.native.Connection, table: str, inventory: Inventory, seq: int) -> None:
    """Add to `pg_temp._gone` the keys that the batch's own rows, in `pg_temp._entry`, tell to be gone."""
    asked = "l.key IN (SELECT a.key FROM pg_temp._asked a WHERE a.source_table = l.source_table)"
    within = {"whole": "true", "keys": asked}.get(inventory.scope)
    if within is not None:
        _find_gone(connection, table, seq, within, "_entry")


def compare(
    connection: pg8000.native.Connection, manifest: Processed, lists: Mapping[str, Iterable[pa.Table]]
) -> Findings:
    """Hold the ledger against a batch's inventories and row counts. lists: the listed keys by table.

    Adds the keys that are on no list to `pg_temp._gone`; the counts of rows are compared as if they had
    gone already.
    """
    findings = Findings()
    connection.run(_LISTED)
    for table, inventory in manifest.inventory.items():
        if inventory.scope in ("all", "buckets"):
            _compare_list(connection, manifest, table, lists.get(table, ()), findings)
        if inventory.sums:
            _compare_sums(connection, table, inventory, findings)
    _compare_counts(connection, manifest, findings)
    return findings


def check_share(connection: pg8000.native.Connection, share: float, manifest: Processed) -> HeldError | None:
    """Return why to hold the batch, where `pg_temp._gone` has more than a share of what the ledger knows of a
    table.

    Where a person has accepted another key, all rows go under the old one, and come under the new."""
    found = [row for row in connection.run(_GONE_AND_KNOWN) if row[0] not in manifest.rekeyed]
    held = [row for row in found if row[1] >= LEAST_HELD and row[1] > share * row[2]]
    if not held:
        return None
    seq = manifest.seq
    sweeps = ", ".join(f"{gone:,} of {known:,} rows of {table}" for table, gone, known in held)
    return HeldError(
        f"batch {seq} takes away {sweeps}, more than sweep_hold ({share:.0%}) allows unasked",
        f"if the source is right, have them deleted: starlift reconcile --confirm {seq}",
    )


def gone_tables(connection: pg8000.native.Connection) -> list[str]:
    """Return the source tables of which `pg_temp._gone` has keys."""
    return [row[0] for row in connection.run("SELECT DISTINCT source_table FROM pg_temp._gone ORDER BY 1")]


def _find_gone(
    connection: pg8000.native.Connection, table: str, seq: int, within: str, there: str, **values: object
) -> None:
    statement = _FIND_GONE.format(at_source=AT_SOURCE, within=within, there=there)
    connection.run(statement, source_table=table, seq=seq, **values)


def _compare_list(
    connection: pg8000.native.Connection,
    manifest: Processed,
    table: str,
    lists: Iterable[pa.Table],
    findings: Findings,
) -> None:
    connection.run("TRUNCATE pg_temp._listed")
    rows = sum(copy(connection, "pg_temp._listed", part) for part in lists)
    if rows >= ANALYZE_ROWS:
        connection.run("ANALYZE pg_temp._listed")
    inventory = manifest.inventory[table]
    if inventory.scope == "all":
        _find_gone(connection, table, manifest.seq, "true", "_listed")
    else:
        within = "l.bucket = ANY (CAST(:buckets AS smallint[]))"
        buckets = list(inventory.buckets)
        _find_gone(connection, table, manifest.seq, within, "_listed", buckets=buckets)
    if found := connection.run(_DIFFERING, source_table=table):
        count = int(found[0][1])
        findings.differing[table] = count
        reason = f"rows that are not as the source has them, though no poll told of it: {count:,}"
        # of too many none is named: the table is then read whole
        keys = tuple(row[0] for row in found) if count <= MOST_KEYS else ()
        findings.requests.append(Request("repair", table, reason, keys))


def _compare_sums(
    connection: pg8000.native.Connection, table: str, inventory: Inventory, findings: Findings
) -> None:
    if buckets := differing(inventory, ledger_sums(connection, table)):
        reason = f"buckets of keys that are not as the source has them: {len(buckets):,}"
        findings.requests.append(Request("inventory", table, reason, buckets=buckets))


def ledger_sums(connection: pg8000.native.Connection, table: str) -> Sums:
    """Return the bucket sums of a source table, as the ledger has it."""
    return [(bucket, rows, total) for bucket, rows, total in connection.run(_SUMS, source_table=table)]


def _compare_counts(connection: pg8000.native.Connection, manifest: Processed, findings: Findings) -> None:
    """An inventory that covers the table has told already what a count could."""
    covered = {
        table
        for table, inventory in manifest.inventory.items()
        if inventory.scope in ("whole", "all") or inventory.sums
    }
    counted = {table: rows for table, rows in manifest.source_rows.items() if table not in covered}
    # an inventory is taken where a count may be wrong
    _forget_counts(connection, covered)
    if not counted:
        return
    known = _counts(connection, counted)
    gone = {row[0]: row[1] for row in connection.run(_GONE_AND_KNOWN)}
    for table, rows in counted.items():
        there = known[table] - gone.get(table, 0)
        if there != rows:
            reason = f"rows in the source: {rows:,}, in the ledger: {there:,}"
            findings.requests.append(Request("inventory", table, reason))


def _forget_counts(connection: pg8000.native.Connection, tables: Collection[str]) -> None:
    if tables:
        connection.run(_FORGET, source_tables=_listed(tables))


def _counts(connection: pg8000.native.Connection, tables: Collection[str]) -> dict[str, int]:
    """Return how many rows of some tables the source has as far as the ledger knows. Of those that were not
    counted yet the whole ledger is read; from then on `write_entries` keeps the count."""
    known: dict[str, int] = dict(connection.run("SELECT source_table, rows FROM ledger_rows"))
    if missing := sorted(set(tables) - known.keys()):
        found = {**dict.fromkeys(missing, 0), **dict(connection.run(_ROWS, source_tables=_listed(missing)))}
        connection.run(_KEEP, rows=json.dumps(found, ensure_ascii=False))
        known |= found
    return known


def _listed(names: Collection[str]) -> str:
    return json.dumps(sorted(names), ensure_ascii=False)

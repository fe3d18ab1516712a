"""Whose turn it is: one load at a time, and each batch after its predecessor."""

from __future__ import annotations

import time
from datetime import timedelta

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.schemas import Schemas
from starlift.core.manifest import Processed
from starlift.core.units import instant_text
from starlift.errors import HeldError, LostRace
from starlift.ports import Applied

RETRY = 0.1
"""Seconds between two tries for the lock."""

_KEY = "hashtextextended('starlift writes ' || :pipeline, 0)"
_TRY = f"SELECT pg_try_advisory_xact_lock({_KEY})"
_WAIT = f"SELECT pg_advisory_xact_lock({_KEY})"

_LAST = """
SELECT seq, kind, manifest_sha256, complete_to, applied_at FROM applied ORDER BY seq DESC LIMIT 1
"""


def take_lock(connection: pg8000.native.Connection, pipeline: str, wait: timedelta) -> None:
    """Take the load's lock on a pipeline schema until the transaction ends. Raises LostRace.

    It is worth waiting: the server may still be finding out that the client of an earlier load is dead.
    """
    deadline = time.monotonic() + wait.total_seconds()
    while not connection.run(_TRY, pipeline=pipeline)[0][0]:
        if time.monotonic() >= deadline:
            raise LostRace(
                f"another load holds the lock of schema {pipeline}", "nothing is lost; see: starlift status"
            )
        time.sleep(RETRY)


def wait_for_lock(connection: pg8000.native.Connection, pipeline: str) -> None:
    """Take the same lock, waiting as for a table's: lock_timeout. Raises pg8000's DatabaseError."""
    connection.run(_WAIT, pipeline=pipeline)


def last_applied(connection: pg8000.native.Connection) -> Applied | None:
    """Return the last batch in the warehouse, None before the first."""
    found = connection.run(_LAST)
    if not found:
        return None
    seq, kind, digest, complete_to, applied_at = found[0]
    return Applied(seq, kind, digest, complete_to and instant_text(complete_to), instant_text(applied_at))


def applied_digests(connection: pg8000.native.Connection) -> dict[int, str]:
    """Return the SHA-256 of the processed manifest of every batch applied."""
    return dict(connection.run("SELECT seq, manifest_sha256 FROM applied"))


def newest_digest(connection: pg8000.native.Connection, schemas: Schemas) -> tuple[int, str]:
    """Return number and manifest's SHA-256 of the last batch applied in a pair of schemas."""
    seq, _, digest = _newest(connection, schemas)
    return seq, digest


def versions_before(connection: pg8000.native.Connection, seq: int) -> int:
    """Return the number of versions of facts that a history which begins with batch `seq` has not: those that
    had ended, and what ended them."""
    ended = "ended_seq <= :seq OR (op = 'delete' AND seq < :seq)"
    return int(connection.run(f"SELECT count(*) FROM fact_version WHERE {ended}", seq=seq)[0][0])  # noqa: S608


def applied_seq(connection: pg8000.native.Connection, schemas: Schemas) -> int:
    """Return the number of the last batch applied in a pair of schemas, 0 where there is none."""
    return _newest(connection, schemas)[0]


def require_closed(connection: pg8000.native.Connection, schemas: Schemas) -> None:
    """Raise HeldError where the last batch applied in a pair of schemas is a chunk."""
    seq, partial, _ = _newest(connection, schemas)
    if partial:
        raise HeldError(
            f"the batch is missing that closes batch {seq}, a chunk; nothing was published",
            "have the rest read: starlift run",
        )


def require_last(connection: pg8000.native.Connection, schemas: Schemas, digest: str | None) -> None:
    """Raise LostRace where the last batch applied in a pair of schemas is not of the manifest with this
    SHA-256, if one is given: another run has made it anew."""
    if digest is not None and _newest(connection, schemas)[2] != digest:
        raise LostRace(
            "another run has made the star anew in which this one was building; nothing was published",
            "nothing is lost; see: starlift status",
        )


def first_open(connection: pg8000.native.Connection) -> int:
    """Return the number of the first batch after the last one that was whole."""
    return int(connection.run("SELECT coalesce(max(seq), 0) + 1 FROM applied WHERE NOT partial")[0][0])


def require_turn(connection: pg8000.native.Connection, manifest: Processed, digest: str) -> None:
    """Return if the batch is the successor of what is applied, or the first of a log that begins with it.

    digest: SHA-256 of its manifest. Raises LostRace if it is applied already, and HeldError if what is
    applied came from another lake or the batch is not the next one.
    """
    last = last_applied(connection)
    applied, newest = (last.seq, last.manifest_sha256) if last else (0, None)
    if manifest.seq <= applied:
        if _digest_of(connection, manifest.seq) != digest:
            raise _other_lake(manifest.seq)
        raise LostRace(f"batch {manifest.seq} is applied already", "nothing is lost; see: starlift status")
    if not last and manifest.seq > 1 and manifest.is_start:
        return
    if manifest.seq > applied + 1:
        raise HeldError(
            f"batch {manifest.seq} cannot be applied: the warehouse has come to batch {applied}",
            f"batch {applied + 1} must be next; see what there is: starlift status",
        )
    if manifest.previous_sha256 != newest:
        raise _other_lake(manifest.seq)


def _newest(connection: pg8000.native.Connection, schemas: Schemas) -> tuple[int, bool, str]:
    """Return number, whether it is a chunk, and manifest's SHA-256 of the last batch applied; 0 for none."""
    columns = "seq, partial, manifest_sha256"
    table = f"{identifier(schemas.pipeline)}.applied"
    rows = connection.run(f"SELECT {columns} FROM {table} ORDER BY seq DESC LIMIT 1")  # noqa: S608 identifiers
    return tuple(rows[0]) if rows else (0, False, "")


def _digest_of(connection: pg8000.native.Connection, seq: int) -> str | None:
    found = connection.run("SELECT manifest_sha256 FROM applied WHERE seq = :seq", seq=seq)
    return str(found[0][0]) if found else None


def _other_lake(seq: int) -> HeldError:
    return HeldError(
        f"batch {seq} does not belong to this warehouse: its lake's history is not the one applied so far",
        "correct STARLIFT_PROCESSED or STARLIFT_WAREHOUSE_URL, then: starlift load",
    )

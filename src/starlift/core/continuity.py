"""Whether the source is the server the last batch read, and has only moved forward since."""

from __future__ import annotations

from starlift.core.manifest import Identity
from starlift.core.units import instant
from starlift.errors import InventoryNeeded


def check_server(before: Identity, now: Identity) -> None:
    """Raise InventoryNeeded where another server answers: it may be a wrong address."""
    if now.system_identifier != before.system_identifier:
        raise InventoryNeeded(
            f"another server answers than the one the last batch read (system {before.system_identifier} "
            f"before, now {now.system_identifier}), so nothing was read",
            "correct STARLIFT_SOURCE_URL, or take this one and read every table whole: starlift reconcile",
        )


def went_back(before: Identity, before_clock: str, now: Identity, clock: str) -> str | None:
    """Return in what a source is not where the last batch left it, None where it has only moved forward.

    Then rows may be missing or older than those known, and every table has to be read whole."""
    if now.system_identifier != before.system_identifier:
        return f"another server answers (system {now.system_identifier})"
    if now.timeline != before.timeline:
        return f"its timeline went from {before.timeline} to {now.timeline} (restore or failover)"
    if _position(now.wal_lsn) < _position(before.wal_lsn):
        return f"its write-ahead log went back from {before.wal_lsn} to {now.wal_lsn}"
    if instant(clock) < instant(before_clock):
        return f"its clock went back from {before_clock} to {clock}"
    return None


def _position(lsn: str) -> int:
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)

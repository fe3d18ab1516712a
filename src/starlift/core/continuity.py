"""Whether the source is the server the last batch read, and has only moved forward since."""

from __future__ import annotations

from starlift.core.manifest import Identity
from starlift.core.units import instant
from starlift.errors import InventoryNeeded


def check(before: Identity, before_clock: str, now: Identity, clock: str) -> None:
    """Raise InventoryNeeded, naming the cause, where polling from the last state could lose a row."""
    if now.system_identifier != before.system_identifier:
        raise _broken(
            f"another server answers (system {before.system_identifier} before, now {now.system_identifier})"
        )
    if now.timeline != before.timeline:
        raise _broken(f"its timeline went from {before.timeline} to {now.timeline} (restore or failover)")
    if _position(now.wal_lsn) < _position(before.wal_lsn):
        raise _broken(f"its write-ahead log went back from {before.wal_lsn} to {now.wal_lsn}")
    if instant(clock) < instant(before_clock):
        raise _broken(f"its clock went back from {before_clock} to {clock}")


def _broken(cause: str) -> InventoryNeeded:
    return InventoryNeeded(
        f"the source is not where the last batch left it: {cause}; rows may be missing or older, and only "
        "a comparison of every key can tell",
        "starlift status",
    )


def _position(lsn: str) -> int:
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)

"""Which keys a table has in the source: what a poll is to find out, and what its answer tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from starlift.core.identity import bucket
from starlift.core.manifest import Inventory
from starlift.core.requests import Request

MOST_KEYS = 10_000
"""Rows of one table that a poll reads by key; where more are asked for, it reads the table whole."""

Sums = Sequence[tuple[int, int, str]]
"""Per bucket of keys: its number, the rows in it, and the decimal sum of their source hashes."""


@dataclass(frozen=True)
class Wanted:
    """What a poll is to find out of one table beside what has changed.

    whole: all its rows. listed: all its keys. summed: its bucket sums, which for a small table become all
    its keys. buckets: the keys in them. keys: their rows.
    """

    whole: bool = False
    listed: bool = False
    summed: bool = False
    buckets: frozenset[int] = frozenset()
    keys: tuple[str, ...] = ()

    @property
    def inventory(self) -> bool:
        """Whether keys are asked for."""
        return self.listed or self.summed or bool(self.buckets)

    @property
    def anything(self) -> bool:
        """Whether there is a question at all."""
        return self.whole or self.inventory or bool(self.keys)


def wanted(table: str, requests: Iterable[Request], reconciled: Collection[str]) -> Wanted:
    """Return what requests and a person's wish to reconcile tables come to for one table."""
    own = [request for request in requests if request.table == table]
    inventories = [request for request in own if request.kind == "inventory"]
    repairs = [request for request in own if request.kind == "repair"]
    keys = tuple(sorted({key for request in repairs for key in request.keys}))
    return Wanted(
        whole=len(keys) > MOST_KEYS or any(not request.keys for request in repairs),
        summed=table in reconciled or any(not request.buckets for request in inventories),
        buckets=frozenset(bucket for request in inventories for bucket in request.buckets),
        keys=keys,
    )


def outline(want: Wanted, sums: Sums, small: int) -> Inventory:
    """Return the inventory of a table that is not read whole, without its lists.

    sums: the table's, where they were wanted. small: rows up to which every key is listed at once.
    """
    if want.listed or (want.summed and sum(rows for _, rows, _ in sums) <= small):
        return Inventory("all", asked=want.keys)
    if want.buckets:
        # one list serves both: whether a key is there is seen in its bucket
        buckets = tuple(sorted(want.buckets | {bucket(key) for key in want.keys}))
        return Inventory("buckets", tuple(sums), buckets, want.keys)
    return Inventory("keys" if want.keys else "none", tuple(sums), asked=want.keys)


def differing(inventory: Inventory, ledger: Sums) -> tuple[int, ...]:
    """Return the buckets whose sums differ between source and ledger and whose keys are not listed."""
    if not inventory.sums:
        return ()
    source = {number: (rows, total) for number, rows, total in inventory.sums}
    known = {number: (rows, total) for number, rows, total in ledger}
    numbers = (source.keys() | known.keys()) - set(inventory.buckets)
    return tuple(sorted(number for number in numbers if source.get(number) != known.get(number)))

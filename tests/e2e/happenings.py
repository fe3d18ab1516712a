"""A week at Totesys in a minute: what happens to the source, and what it must move in the star."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import pg8000.native

from starlift.totesys import changes
from starlift.totesys.changes import Changed
from tests.e2e.oracle import SURROGATES, Star

PAID = 37
SILENT = 20
DEPARTMENT = 2
ADDRESS = 17


@dataclass
class Happened:
    """What was changed and what was entered, as keys by source table."""

    changed: dict[str, set[int]] = field(default_factory=dict)
    entered: dict[str, set[int]] = field(default_factory=dict)

    def note(self, changed: Changed, *, entered: bool = False) -> None:
        """Remember what a change returned."""
        into = self.entered if entered else self.changed
        for table, keys in changed.items():
            into.setdefault(table, set()).update(keys)

    def read(self) -> dict[str, int]:
        """Return how many rows of each source table the next poll must read."""
        tables = {*self.changed, *self.entered}
        return {
            table: len(self.changed.get(table, set()) | self.entered.get(table, set())) for table in tables
        }

    def star(self, before: Star, after: Star) -> dict[str, dict[str, int]]:
        """Return what the next load must do to each star table, given the star before and as it must be.

        A table that others are joined to has all its driving rows made again; those that come out as
        they were count as unchanged.
        """
        found: dict[str, dict[str, int]] = {}
        for name, old in before.items():
            counts = Counter(_what(name, old.get(key), row) for key, row in after[name].items())
            del counts["unchanged"]
            found[name] = dict(counts)
        for name, joined in (("dim_staff", "department"), ("dim_counterparty", "address")):
            if joined in self.changed:
                found[name]["unchanged"] = len(after[name]) - sum(found[name].values())
        return {name: counts for name, counts in found.items() if any(counts.values())}


def _what(name: str, old: object, new: object) -> str:
    if old is None:
        return "inserted"
    if old == new:
        return "unchanged"
    return "versions" if name in SURROGATES else "updated"


def happen(connection: pg8000.native.Connection, rng: random.Random, at: datetime) -> Happened:
    """Change a Totesys in every way but deletes, each change in a transaction of its own."""
    happened = Happened()
    edited = changes.edit_silently(connection, rng, SILENT)
    happened.note(edited)
    happened.note(_amend_order(connection, edited.get("sales_order", []), at))
    happened.note(_pay(connection, at))
    happened.note(changes.add_design(connection, rng, at), entered=True)
    happened.note(changes.rename_department(connection, DEPARTMENT, "Patience & Thread", at))
    happened.note(changes.move_address(connection, rng, ADDRESS, at))
    return happened


def _amend_order(connection: pg8000.native.Connection, others: list[int], at: datetime) -> Changed:
    """Amend an order that nothing else happens to, and stamp it."""
    amended = connection.run(
        "UPDATE sales_order SET units_sold = units_sold + 1, unit_price = 2.55, last_updated = :at "
        "WHERE sales_order_id = (SELECT min(sales_order_id) FROM sales_order "
        "                        WHERE sales_order_id <> ALL (CAST(:others AS int[]))) "
        "RETURNING sales_order_id",
        at=at,
        others=others,
    )
    return {"sales_order": [row[0] for row in amended or ()]}


def _pay(connection: pg8000.native.Connection, at: datetime) -> Changed:
    """Turn 37 payments paid by one statement, with one stamp."""
    paid = connection.run(
        "UPDATE payment SET paid = true, last_updated = :at WHERE payment_id IN "
        "(SELECT payment_id FROM payment WHERE NOT paid ORDER BY payment_id LIMIT :number) "
        "RETURNING payment_id",
        at=at,
        number=PAID,
    )
    return {"payment": [row[0] for row in paid or ()]}

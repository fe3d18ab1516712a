"""What happens at Totesys on one day of the demo, one scene a cycle of the pipeline."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import pg8000.native

from starlift.totesys import changes
from starlift.totesys.changes import Changed


@dataclass(frozen=True)
class Scene:
    """Something that happened at the source. short: how the table of what was missed calls it."""

    title: str
    short: str
    changed: Changed


def a_day(
    application: pg8000.native.Connection, clerk: pg8000.native.Connection, rng: random.Random, day: date
) -> Iterator[Scene]:
    """Play a weekday; the pipeline runs whenever a scene is yielded, also while the clerk's is open."""
    evening = datetime.combine(day, time(19, 30))
    paid = changes.pay_morning(application, rng, day)
    entered = changes.working_day(application, rng, day)
    yield Scene(
        f"A working day: {_count(entered, 'sales_order')} sales, "
        f"{_count(entered, 'purchase_order')} purchases, "
        f"and {_count(paid, 'payment')} payments turned paid on one stamp",
        "entered or paid, and stamped",
        _both(paid, entered),
    )
    edited = changes.edit_silently(application, rng, 20)
    yield Scene("Twenty rows edited in place, their last_updated left as it was", "edited silently", edited)
    department = rng.randint(1, 8)
    name = f"Team {rng.choice(['Aurora', 'Meridian', 'Solstice', 'Zenith'])}"
    renamed = changes.rename_department(application, department, name, evening)
    moved = changes.move_address(application, rng, 17, evening)
    design = changes.add_design(application, rng, evening)
    yield Scene(
        f"Department {department} renamed, address 17 moved, a design added",
        "renamed, moved, added",
        _both(renamed, _both(moved, design)),
    )
    late = evening + timedelta(minutes=10)
    with changes.late_commit(clerk, rng, late) as unseen:
        newer = changes.place_orders(application, rng, late + timedelta(seconds=30))
        yield Scene("An order is entered but not committed; a newer one is", "entered after it", newer)
    yield Scene("The older order commits, stamped before the last poll", "committed late", unseen)
    yield Scene("Nothing happens", "", {})


def _count(changed: Changed, table: str) -> int:
    return len(changed.get(table, ()))


def _both(one: Changed, other: Changed) -> Changed:
    return {table: sorted({*one.get(table, ()), *other.get(table, ())}) for table in {*one, *other}}

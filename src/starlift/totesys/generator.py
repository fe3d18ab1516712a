"""A whole Totesys from a seed: its founding, its working days, its mornings of payments."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import count, islice

from starlift.totesys.loading import Row, key
from starlift.totesys.orders import FURTHEST_DELIVERY, Desk, Event, Rows, plan, stamp, write_up
from starlift.totesys.reference import found

FOUNDED = time(14, 20, 49, 962_000)
"""When on the first day Totesys was set up; its orders begin at once."""

PAID_AT = time(7, 55, 11)
"""When on a weekday one statement marks the payments of that date as paid."""

_REDESIGNED = 21 / 11_187
"""Share of sales whose design was changed, without a trace, to one made after the order."""

CHOSEN = ("design", "staff", "counterparty", "currency", "address")
"""Tables an order refers to."""


def generate(seed: int, start: date, weekdays: int, pace: float = 1.0) -> Rows:
    """Return all rows of a Totesys, by table in foreign-key order, each table in the order of its keys.

    It was founded on `start`, or the Monday after a weekend, and has lived for that many `weekdays`,
    with 31 orders a day times `pace`. Equal arguments give equal rows.
    """
    # rows are to look random, not to be secret
    rng = random.Random(seed)  # noqa: S311 # nosec B311
    days = list(islice(working_days(start), weekdays))
    founded = datetime.combine(days[0], FOUNDED)
    rows: Rows = defaultdict(list, found(rng, founded))
    desk = Desk(_Sequences(rows).take, {table: _ids(rows, table) for table in CHOSEN})
    first_evening = plan(rng, days[0], pace, opens=FOUNDED.hour * 60 + FOUNDED.minute + 1)
    due: dict[str, list[Row]] = defaultdict(list)
    _add(rows, due, write_up(rng, desk, _opening_burst(rng, founded) + first_evening))
    for day in days[1:]:
        _pay(due.pop(day.isoformat(), []), paid_stamp(rng, day))
        _add(rows, due, write_up(rng, desk, plan(rng, day, pace)))
    _postpone(rows["purchase_order"][0])
    _redesign(rng, rows)
    return dict(rows)


def working_days(start: date) -> Iterator[date]:
    """Yield the weekdays from `start` on."""
    days = (start + timedelta(days=passed) for passed in count())
    return (day for day in days if day.weekday() < 5)


def paid_stamp(rng: random.Random, day: date) -> datetime:
    """Return the moment of a morning's payments: 07:55:11 and some milliseconds."""
    return datetime.combine(day, PAID_AT) + timedelta(milliseconds=rng.randrange(1000))


class _Sequences:
    """Keys without gaps, behind those that exist."""

    def __init__(self, rows: Rows) -> None:
        self._next = {table: len(listed) + 1 for table, listed in rows.items()}

    def take(self, table: str, number: int) -> range:
        first = self._next.get(table, 1)
        self._next[table] = first + number
        return range(first, first + number)


def _ids(rows: Mapping[str, list[Row]], table: str) -> list[int]:
    return [int(row[key(table)] or 0) for row in rows[table]]


def _add(rows: Rows, due: dict[str, list[Row]], more: Rows) -> None:
    for table, listed in more.items():
        rows[table] += listed
    for payment in more["payment"]:
        due[str(payment["payment_date"])].append(payment)


def _opening_burst(rng: random.Random, founded: datetime) -> list[Event]:
    """Ten orders within three milliseconds: equal stamps, and keys in another order."""
    opened = founded + timedelta(milliseconds=2_224)
    sales = [Event(opened + timedelta(milliseconds=rng.randrange(3)), "sale") for _ in range(6)]
    purchases = [Event(opened + timedelta(milliseconds=rng.randrange(3)), "purchase") for _ in range(4)]
    burst = sales + purchases
    rng.shuffle(burst)
    return burst


def _pay(payments: list[Row], at: datetime) -> None:
    for payment in payments:
        payment |= {"paid": True, "last_updated": stamp(at)}


def _postpone(order: Row) -> None:
    """Totesys has one delivery date that far away; every generated one has it, however small."""
    created = date.fromisoformat(str(order["created_at"])[:10])
    order["agreed_delivery_date"] = (created + timedelta(days=FURTHEST_DELIVERY)).isoformat()


def _redesign(rng: random.Random, rows: Rows) -> None:
    sales, newest = rows["sales_order"], rows["design"][-1]
    older = [sale for sale in sales if str(sale["created_at"]) < str(newest["created_at"])]
    for sale in rng.sample(older, min(len(older), max(1, round(_REDESIGNED * len(sales))))):
        made_after = [
            design["design_id"]
            for design in rows["design"]
            if str(design["created_at"]) > str(sale["created_at"])
        ]
        sale["design_id"] = rng.choice(made_after)

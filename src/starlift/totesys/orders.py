"""A working day at Totesys: when orders and designs arrive, and the rows that each leaves behind.

One order makes one transaction and one payment, all three with the order's created_at.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from starlift.totesys import vocabulary
from starlift.totesys.loading import Row

Kind = Literal["sale", "purchase", "design"]
Rows = dict[str, list[Row]]
Ids = Callable[[str, int], Sequence[int]]
"""Takes the next n keys of a table."""

OPENS, CLOSES = 8 * 60, 19 * 60
"""Minutes of the day between which orders arrive."""

A_DAY: Mapping[Kind, float] = {"sale": 22, "purchase": 9, "design": 1}
"""Medians of a working day."""

FURTHEST_DELIVERY = 649
"""Days between an order and the latest delivery date known."""

_SLOW = 0.02
"""Share of orders whose form stayed open for minutes: created_at is when it was opened, the key is
taken when it is sent. This is why the order of keys is not the order of created_at."""

_FAR_DELIVERY = 0.012
_DELIVERY_DAYS = (5, 13, 13, 13, 13, 13, 12, 8)
_PAYMENT_DAYS = (7, 17, 16, 17, 16, 17, 10)
"""Weights of 0, 1, 2 ... days after the order; a payment of day 0 misses the morning's run."""


@dataclass(frozen=True)
class Event:
    """Something that leaves rows. Events are listed in the order in which they take their keys."""

    at: datetime
    kind: Kind


@dataclass(frozen=True)
class Desk:
    """Where orders are written up. choices: by table, the keys that an order may refer to; new designs
    are added as they come."""

    take: Ids
    choices: dict[str, list[int]]


def stamp(moment: datetime) -> str:
    """Print a timestamp(3) as PostgreSQL does, always with milliseconds.

    >>> stamp(datetime(2024, 11, 4, 9, 30, 10, 120_000))
    '2024-11-04 09:30:10.120'
    """
    return moment.isoformat(sep=" ", timespec="milliseconds")


def plan(rng: random.Random, day: date, pace: float = 1.0, opens: int = OPENS) -> list[Event]:
    """Draw the events of a working day; `pace` multiplies how many come."""
    return [event for minute in range(opens, CLOSES) for event in _in_minute(rng, day, minute, pace)]


def _in_minute(rng: random.Random, day: date, minute: int, pace: float) -> Iterator[Event]:
    kinds: list[Kind] = []
    for kind, a_day in A_DAY.items():
        expected = a_day * pace / (CLOSES - OPENS)
        kinds += [kind] * (int(expected) + (rng.random() < expected % 1))
    rng.shuffle(kinds)
    for kind in kinds:
        open_for = rng.randint(1, 9) if kind != "design" and rng.random() < _SLOW else 0
        # the application works in ticks of a minute, some ten seconds past
        second = min(max(rng.gauss(10.0, 0.25), 9.5), 11.5)
        started = datetime.combine(day, time()) + timedelta(minutes=max(minute - open_for, OPENS))
        yield Event(started + timedelta(milliseconds=round(second * 1000)), kind)


def write_up(rng: random.Random, desk: Desk, events: Sequence[Event]) -> Rows:
    """Return the rows that events leave, by table, in the order of their keys."""
    keys = _keys(desk, events)
    rows: Rows = {table: [] for table in keys}
    for event in events:
        if event.kind == "design":
            rows["design"].append(design(rng, next(keys["design"]), event.at))
            desk.choices["design"].append(int(rows["design"][-1]["design_id"] or 0))
        else:
            _order(rng, desk, event, keys, rows)
    return rows


def _keys(desk: Desk, events: Iterable[Event]) -> dict[str, Iterator[int]]:
    kinds = [event.kind for event in events]
    orders = len(kinds) - kinds.count("design")
    needed = {
        "design": kinds.count("design"),
        "sales_order": kinds.count("sale"),
        "purchase_order": kinds.count("purchase"),
        "transaction": orders,
        "payment": orders,
    }
    return {table: iter(desk.take(table, count)) for table, count in needed.items()}


def _order(
    rng: random.Random, desk: Desk, event: Event, keys: Mapping[str, Iterator[int]], rows: Rows
) -> None:
    sold = event.kind == "sale"
    table = "sales_order" if sold else "purchase_order"
    order = (_sale if sold else _purchase)(rng, desk, event.at, next(keys[table]))
    rows[table].append(order)
    transaction: Row = {
        "transaction_id": next(keys["transaction"]),
        "transaction_type": "SALE" if sold else "PURCHASE",
        "sales_order_id": order["sales_order_id"] if sold else None,
        "purchase_order_id": None if sold else order["purchase_order_id"],
        **_stamps(event.at),
    }
    rows["transaction"].append(transaction)
    rows["payment"].append(_payment(rng, order, transaction, next(keys["payment"])))


def _sale(rng: random.Random, desk: Desk, at: datetime, key: int) -> Row:
    return {
        "sales_order_id": key,
        **_stamps(at),
        "design_id": rng.choice(desk.choices["design"]),
        "staff_id": rng.choice(desk.choices["staff"]),
        "counterparty_id": rng.choice(desk.choices["counterparty"]),
        "units_sold": rng.randint(1_001, 99_973),
        "unit_price": money(rng.randint(200, 400)),
        **_terms(rng, desk, at),
    }


def _purchase(rng: random.Random, desk: Desk, at: datetime, key: int) -> Row:
    return {
        "purchase_order_id": key,
        **_stamps(at),
        "staff_id": rng.choice(desk.choices["staff"]),
        "counterparty_id": rng.choice(desk.choices["counterparty"]),
        "item_code": item_code(rng),
        "item_quantity": rng.randint(1, 999),
        "item_unit_price": money(rng.randint(332, 99_907)),
        **_terms(rng, desk, at),
    }


def _terms(rng: random.Random, desk: Desk, at: datetime) -> Row:
    delivery = rng.choices(range(8), _DELIVERY_DAYS)[0]
    if rng.random() < _FAR_DELIVERY:
        delivery = rng.randint(10, FURTHEST_DELIVERY)
    payment = rng.choices(range(7), _PAYMENT_DAYS)[0]
    return {
        "currency_id": rng.choice(desk.choices["currency"]),
        "agreed_delivery_date": (at.date() + timedelta(days=delivery)).isoformat(),
        "agreed_payment_date": (at.date() + timedelta(days=payment)).isoformat(),
        "agreed_delivery_location_id": rng.choice(desk.choices["address"]),
    }


def _payment(rng: random.Random, order: Row, transaction: Row, key: int) -> Row:
    sold = transaction["transaction_type"] == "SALE"
    count, price = ("units_sold", "unit_price") if sold else ("item_quantity", "item_unit_price")
    return {
        "payment_id": key,
        "created_at": order["created_at"],
        "last_updated": order["last_updated"],
        "transaction_id": transaction["transaction_id"],
        "counterparty_id": order["counterparty_id"],
        "payment_amount": money(int(order[count] or 0) * cents(str(order[price]))),
        "currency_id": order["currency_id"],
        "payment_type_id": 1 if sold else 3,
        "paid": False,
        "payment_date": order["agreed_payment_date"],
        "company_ac_number": rng.randint(10_000_000, 99_999_999),
        "counterparty_ac_number": rng.randint(10_000_000, 99_999_999),
    }


def design(rng: random.Random, key: int, at: datetime) -> Row:
    """Return a new design, drawn some time in the two years before it is entered."""
    name = rng.choice(vocabulary.DESIGNS)
    drawn = at.date() - timedelta(days=rng.randint(1, 730))
    suffix = "".join(rng.choices(string.ascii_lowercase + string.digits, k=4))
    return {
        "design_id": key,
        "created_at": stamp(at),
        "design_name": name,
        "file_location": rng.choice(vocabulary.FILE_LOCATIONS),
        "file_name": f"{name.lower()}-{drawn:%Y%m%d}-{suffix}.json",
        "last_updated": stamp(at),
    }


def item_code(rng: random.Random) -> str:
    """Return seven capital letters and digits."""
    return "".join(rng.choices(string.ascii_uppercase + string.digits, k=7))


def money(amount: int) -> str:
    """Print an amount of cents as numeric(10,2)."""
    return f"{amount // 100}.{amount % 100:02d}"


def cents(amount: str) -> int:
    """Read a numeric(10,2) as cents."""
    whole, fraction = amount.split(".")
    return int(whole) * 100 + int(fraction)


def _stamps(at: datetime) -> Row:
    return {"created_at": stamp(at), "last_updated": stamp(at)}

"""The parts of Totesys that hardly ever change: places, departments, people, counterparties, kinds."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

from starlift.totesys import vocabulary
from starlift.totesys.loading import Row
from starlift.totesys.orders import Rows, design, stamp

ADDRESSES, STAFF, COUNTERPARTIES, DESIGNS = 30, 20, 20, 10
WITHOUT_SECOND_LINE, WITHOUT_DISTRICT, LEADING_ZERO = 20, 14, 4
SHARED_ADDRESS, SHARERS = 17, 4


def found(rng: random.Random, at: datetime) -> Rows:
    """Return the rows Totesys began with, entered at `at` and, people and firms, 1.6 s later."""
    later = at + timedelta(milliseconds=1_601)
    rows: Rows = {
        "address": _addresses(rng),
        "department": [
            {"department_id": key, "department_name": name, "location": location, "manager": manager}
            for key, (name, location, manager) in enumerate(vocabulary.DEPARTMENTS, 1)
        ],
        "currency": _kinds("currency_id", "currency_code", vocabulary.CURRENCIES),
        "payment_type": _kinds("payment_type_id", "payment_type_name", vocabulary.PAYMENT_TYPES),
        "design": [design(rng, key, at) for key in range(1, DESIGNS + 1)],
        "staff": _staff(rng),
        "counterparty": _counterparties(rng),
    }
    for table, listed in rows.items():
        entered = stamp(later if table in ("staff", "counterparty") else at)
        for row in listed:
            row |= {"created_at": entered, "last_updated": entered}
    return rows


def _kinds(key: str, column: str, names: Sequence[str]) -> list[Row]:
    return [{key: number, column: name} for number, name in enumerate(names, 1)]


def _addresses(rng: random.Random) -> list[Row]:
    keys = range(1, ADDRESSES + 1)
    no_second_line = set(rng.sample(keys, WITHOUT_SECOND_LINE))
    no_district = set(rng.sample(keys, WITHOUT_DISTRICT))
    leading_zero = set(rng.sample(keys, LEADING_ZERO))
    countries = _each_once_first(rng, vocabulary.COUNTRIES, ADDRESSES)
    return [
        {
            "address_id": key,
            "address_line_1": street(rng),
            "address_line_2": None if key in no_second_line else _second_line(rng),
            "district": None if key in no_district else rng.choice(vocabulary.DISTRICTS),
            "city": rng.choice(vocabulary.CITIES),
            "postal_code": _postal_code(rng, key in leading_zero),
            "country": countries[key - 1],
            "phone": phone(rng),
        }
        for key in keys
    ]


def street(rng: random.Random) -> str:
    """Return the first line of an address."""
    name, kind = rng.choice(vocabulary.STREETS), rng.choice(vocabulary.STREET_KINDS)
    return f"{rng.randint(1, 9999)} {name} {kind}"


def phone(rng: random.Random) -> str:
    """Return a telephone number: four digits and six, leading zeros included."""
    return f"{rng.randint(0, 9999):04d} {rng.randint(0, 999_999):06d}"


def _second_line(rng: random.Random) -> str:
    return rng.choice(vocabulary.SECOND_LINES).format(rng.randint(1, 999))


def _postal_code(rng: random.Random, leading_zero: bool) -> str:
    code = f"{rng.randint(500, 9_999) if leading_zero else rng.randint(10_000, 99_999):05d}"
    return f"{code}-{rng.randint(0, 9_999):04d}" if rng.random() < 0.5 else code


def _each_once_first(rng: random.Random, words: Sequence[str], count: int) -> list[str]:
    """Draw words so that all of them occur, the ones with apostrophes among them."""
    drawn = [*words, *rng.choices(words, k=count - len(words))]
    rng.shuffle(drawn)
    return drawn


def _staff(rng: random.Random) -> list[Row]:
    firsts = rng.sample(vocabulary.FIRST_NAMES, STAFF)
    lasts = rng.sample(vocabulary.LAST_NAMES, STAFF - 1)
    lasts.insert(rng.randrange(STAFF), "O'Keefe")
    return [
        {
            "staff_id": key,
            "first_name": first,
            "last_name": last,
            "department_id": rng.randint(1, len(vocabulary.DEPARTMENTS)),
            "email_address": f"{_plain(first)}.{_plain(last)}@terrifictotes.example",
        }
        for key, (first, last) in enumerate(zip(firsts, lasts, strict=True), 1)
    ]


def _plain(name: str) -> str:
    """Return a name's letters without accents; Totesys leaves the apostrophe in an e-mail address."""
    letters = unicodedata.normalize("NFKD", name).lower()
    return "".join(letter for letter in letters if "a" <= letter <= "z" or letter == "'")


def _counterparties(rng: random.Random) -> list[Row]:
    others = [key for key in range(1, ADDRESSES + 1) if key != SHARED_ADDRESS]
    addresses = [SHARED_ADDRESS] * SHARERS + rng.choices(others, k=COUNTERPARTIES - SHARERS)
    rng.shuffle(addresses)
    return [
        {
            "counterparty_id": key,
            "counterparty_legal_name": _firm(rng),
            "legal_address_id": address,
            "commercial_contact": _person(rng),
            "delivery_contact": _person(rng),
        }
        for key, address in enumerate(addresses, 1)
    ]


def _firm(rng: random.Random) -> str:
    return rng.choice(vocabulary.FIRM_FORMS).format(*rng.sample(vocabulary.FIRM_NAMES, 3))


def _person(rng: random.Random) -> str:
    return f"{rng.choice(vocabulary.FIRST_NAMES)} {rng.choice(vocabulary.LAST_NAMES)}"

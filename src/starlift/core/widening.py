"""The one table of widenings: changes of a column's type that no value of it can notice.

A type is widened where every value of the old type is a value of the new one and prints the same text, or
the same number with more zeros behind the point. Then the table is read whole, and a star row that is
the same makes no version. Every other change of a type may alter values, and holds the table. So does
real -> double precision: its values stay, but print with other digits (0.1 as 0.10000000149011612).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Arguments = tuple[int, ...]
"""Length or precision of a type, and the scale of a numeric; empty where it has none."""

Prints = Literal["the same", "more zeros"]
"""What PostgreSQL prints for a value after the change."""


@dataclass(frozen=True)
class Widening:
    """One line of the table: a type, those it is widened to, and how their arguments decide."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    prints: Callable[[str, Arguments, Arguments], Prints | None]


_DIGITS = {"smallint": (5, 0), "integer": (10, 0), "bigint": (19, 0)}


def _always(_name: str, _old: Arguments, _new: Arguments) -> Prints | None:
    return "the same"


def _no_shorter(_name: str, old: Arguments, new: Arguments) -> Prints | None:
    return "the same" if not new or (old and new >= old) else None


def _more_digits(name: str, old: Arguments, new: Arguments) -> Prints | None:
    """Without arguments a numeric takes any digits and keeps the zeros it is given."""
    if not new:
        return "the same"
    if not (old := _DIGITS.get(name, old)):
        return None
    (precision, scale), (wider, finer) = old, new
    if finer < scale or wider - finer < precision - scale:
        return None
    return "the same" if finer == scale else "more zeros"


_TIMES = tuple(f"{name} {zone} time zone" for name in ("time", "timestamp") for zone in ("with", "without"))

WIDENINGS: tuple[Widening, ...] = (
    Widening(("smallint",), ("integer", "bigint"), _always),
    Widening(("integer",), ("bigint",), _always),
    Widening((*_DIGITS, "numeric"), ("numeric",), _more_digits),
    Widening(("character", "character varying"), ("character varying", "text"), _no_shorter),
    Widening(("text",), ("character varying",), _no_shorter),
    Widening(("character",), ("character",), _no_shorter),
    Widening(("bit varying",), ("bit varying",), _no_shorter),
    *(Widening((name,), (name,), _no_shorter) for name in (*_TIMES, "interval")),
)

_TYPE = re.compile(r"([^(]+?)(?:\((\d+)(?:,(-?\d+))?\))?( with(?:out)? time zone)?")


def widening(old: str, new: str) -> Prints | None:
    """Return what the values of a column print after its type went from `old` to `new`, both as
    `format_type` prints them; None where the change may alter them. Of arrays the elements decide.

    >>> widening("character varying(30)", "text"), widening("numeric(10,2)", "numeric(12,4)")
    ('the same', 'more zeros')
    """
    if old.endswith("[]") and new.endswith("[]"):
        return widening(old[:-2], new[:-2])
    (name, before), (other, after) = _parsed(old), _parsed(new)
    for line in WIDENINGS:
        if name in line.old and other in line.new:
            return line.prints(name, before, after)
    return None


def _parsed(pg_type: str) -> tuple[str, Arguments]:
    match = _TYPE.fullmatch(pg_type)
    if match is None:
        return pg_type, ()
    name, first, second, zone = match.groups()
    return f"{name}{zone or ''}", tuple(int(part) for part in (first, second) if part)

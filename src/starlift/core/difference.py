"""What a comparison finds: rows that are not as they should be."""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = 20
"""Keys of one difference that are named; the others are counted."""


@dataclass(frozen=True)
class Difference:
    """Rows of one table that are not as they should be. what: in which way. rows: how many. keys: the first
    of them, as key text."""

    table: str
    what: str
    rows: int
    keys: tuple[str, ...]

"""The text forms by which a row is known: key text and ledger bucket.

Key text is what PostgreSQL prints for `ROW(k1::text, k2::text, ...)::text`, so source, transform and
warehouse can each compute it and agree. One that no index could hold is shortened.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

BUCKETS = 4096
"""Number of ledger buckets, a power of two; an inventory compares one sum per bucket."""

LONGEST_KEY = 2000
"""Bytes of a key text that is kept whole. An index entry of PostgreSQL has room for 2,704, with the table's
name beside the key; and a key that the source's index holds may print longer: bytea twice as long."""

KEPT_CHARACTERS = 100
"""What is kept of a longer one, before its SHA-256."""

_NEEDS_QUOTES = re.compile(r'^$|["\\(), \t\n\r\v\f]')
"""PostgreSQL's white space: six characters, fewer than Python's."""


def key_text(values: Iterable[str]) -> str:
    """Return `ROW(...)::text` of non-null key values already printed as text, such as `(7,"a b")`, shortened
    where it must be."""
    return shortened("(" + ",".join(_field(value) for value in values) + ")")


def shortened(key: str) -> str:
    """Return a key text, where it has more than LONGEST_KEY bytes by its beginning and its SHA-256.

    Only a shortened one does not end in a parenthesis, so it is the text of no other key.
    """
    data = key.encode()
    if len(data) <= LONGEST_KEY:
        return key
    return f"{key[:KEPT_CHARACTERS]}…{hashlib.sha256(data).hexdigest()}"


def _field(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '""') + '"'


def bucket(key: str) -> int:
    """Return the ledger bucket of a key text: the first 12 bits of its SHA-256, in [0, 4096)."""
    digest = hashlib.sha256(key.encode()).digest()
    return digest[0] << 4 | digest[1] >> 4

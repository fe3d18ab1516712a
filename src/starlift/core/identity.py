"""The text forms by which a row is known: key text and ledger bucket.

Key text is what PostgreSQL prints for `ROW(k1::text, k2::text, ...)::text`, so source, transform and
warehouse can each compute it and agree.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

BUCKETS = 4096
"""Number of ledger buckets, a power of two; an inventory compares one sum per bucket."""

_NEEDS_QUOTES = re.compile(r'^$|["\\(), \t\n\r\v\f]')
"""PostgreSQL's white space: six characters, fewer than Python's."""


def key_text(values: Iterable[str]) -> str:
    """Return `ROW(...)::text` of non-null key values already printed as text, such as `(7,"a b")`."""
    return "(" + ",".join(_field(value) for value in values) + ")"


def _field(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '""') + '"'


def bucket(key: str) -> int:
    """Return the ledger bucket of a key text: the first 12 bits of its SHA-256, in [0, 4096)."""
    digest = hashlib.sha256(key.encode()).digest()
    return digest[0] << 4 | digest[1] >> 4

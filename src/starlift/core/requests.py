"""What a later stage, or a person, asks of the next extract, which alone knows the source.

A request is an object of the ingestion lake, `requests/<ulid>.json`. The batch that answers it names it in
its manifest's `served`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from starlift.core.manifest import canonical
from starlift.core.units import instant

FORMAT = 1

RequestKind = Literal["inventory", "repair", "drop"]
_KINDS = ("inventory", "repair", "drop")

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, of which a ULID consists."""


@dataclass(frozen=True)
class Request:
    """One question about one source table.

    inventory: which keys it has; all of them, or those of `buckets`. repair: the rows of `keys` as they are
    now; of every row where no key is named. drop: nothing is asked, a person gives up the quarantined
    rows of `keys`. reason: why, for people.
    """

    kind: RequestKind
    table: str
    reason: str
    keys: tuple[str, ...] = ()
    buckets: tuple[int, ...] = ()
    format: int = FORMAT

    @property
    def lasts(self) -> bool:
        """Whether it has to be answered whatever the next batch brings: an inventory of all keys need not,
        since what it is asked for, a count that differs, is seen again."""
        return self.kind != "inventory" or bool(self.buckets)

    def encode(self) -> bytes:
        """Return the stored bytes."""
        return canonical(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """Read stored bytes back. Raises ValueError where they are no request of this format."""
        raw = json.loads(data)
        if not isinstance(raw, dict) or raw.get("format") != FORMAT or raw.get("kind") not in _KINDS:
            raise ValueError("it is no request that this version of starlift reads")
        try:
            keys, buckets = tuple(map(str, raw.get("keys", ()))), tuple(map(int, raw.get("buckets", ())))
            return cls(raw["kind"], str(raw["table"]), str(raw["reason"]), keys, buckets)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is not a whole request: {error!r}") from error

    def ulid(self, clock: str, origin: str) -> str:
        """Return its name: 26 characters that sort by clock, an ISO 8601 instant.

        The same request of the same origin (the SHA-256 of the batch that raised it, or chance) has the
        same name, so that asking twice is asking once.
        """
        milliseconds = int(instant(clock).timestamp() * 1000)
        digest = hashlib.sha256(origin.encode() + self.encode()).digest()
        number = milliseconds << 80 | int.from_bytes(digest[:10], "big")
        return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))

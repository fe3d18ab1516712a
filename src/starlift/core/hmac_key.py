"""The secret under which personal data are hashed before they leave the source.

HMAC-SHA256 is built in the source's query from core `sha256()`, as RFC 2104 defines it:
sha256(opad || sha256(ipad || message)). The two pads are made there of the key's block.
"""

from __future__ import annotations

import hashlib
import hmac

BLOCK = 64
"""Bytes of a SHA-256 block."""

LEAST = 32
"""Bytes of the shortest key: as many as the hash has, below which RFC 2104 calls keys weak. Whoever knows one
value and its hash can try keys, and under the right one he can try values."""


class HmacKey:
    """A key by its UTF-8 bytes. It shows in no repr.

    name: eight hexadecimal digits that tell keys apart, for the manifest.
    """

    def __init__(self, key: str) -> None:
        """Raises ValueError, which does not repeat it, for a key that is too short or no text."""
        try:
            secret = key.encode()
        except UnicodeEncodeError:
            raise ValueError("it is not text in UTF-8") from None
        if len(secret) < LEAST:
            raise ValueError(f"it has {len(secret)} bytes of the {LEAST} that make it hard to guess")
        self._block = (hashlib.sha256(secret).digest() if len(secret) > BLOCK else secret).ljust(BLOCK, b"\0")
        self.name = hmac.new(secret, b"starlift key name", "sha256").hexdigest()[:8]

    def under(self, mask: bytes) -> bytes:
        """Return the key's block under a mask of `BLOCK` random bytes: as random to whoever has not the mask.

        A mask that is used twice is none.
        """
        return bytes(byte ^ other for byte, other in zip(self._block, mask, strict=True))

"""The secret under which personal data are hashed before they leave the source.

HMAC-SHA256 is built in the source's query from core `sha256()`, as RFC 2104 defines it:
sha256(opad || sha256(ipad || message)). The two pads are made there of the key's block.
"""

from __future__ import annotations

import hashlib
import hmac

BLOCK = 64
"""Bytes of a SHA-256 block."""


class HmacKey:
    """A key by its UTF-8 bytes. It shows in no repr.

    name: eight hexadecimal digits that tell keys apart, for the manifest.
    """

    def __init__(self, key: str) -> None:
        secret = key.encode()
        self._block = (hashlib.sha256(secret).digest() if len(secret) > BLOCK else secret).ljust(BLOCK, b"\0")
        self.name = hmac.new(secret, b"starlift key name", "sha256").hexdigest()[:8]

    def under(self, mask: bytes) -> bytes:
        """Return the key's block under a mask of `BLOCK` random bytes: as random to whoever has not the mask.

        A mask that is used twice is none.
        """
        return bytes(byte ^ other for byte, other in zip(self._block, mask, strict=True))

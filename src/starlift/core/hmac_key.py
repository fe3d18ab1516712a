"""The secret under which personal data are hashed before they leave the source.

HMAC-SHA256 is built in the source's query from core `sha256()`, as RFC 2104 defines it:
sha256(opad || sha256(ipad || message)). The two pads are all the source needs of the key.
"""

from __future__ import annotations

import hashlib
import hmac

_BLOCK = 64
"""Bytes of a SHA-256 block."""


class HmacKey:
    """A key by its UTF-8 bytes. It shows in no repr.

    name: eight hexadecimal digits that tell keys apart, for the manifest. settings: the pads, in
    hexadecimal, by the setting of the transaction that carries them to the source.
    """

    def __init__(self, key: str) -> None:
        secret = key.encode()
        block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self.name = hmac.new(secret, b"starlift key name", "sha256").hexdigest()[:8]
        self.settings = {
            "starlift.ipad": bytes(byte ^ 0x36 for byte in block).hex(),
            "starlift.opad": bytes(byte ^ 0x5C for byte in block).hex(),
        }

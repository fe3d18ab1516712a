"""Values that can be found again, in every form in which they could travel."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

_DIGESTS = ("md5", "sha1", "sha256", "sha512")
_WORD = 12
"""Letters of a word: enough that none turns up by chance, and few enough to survive where texts are cut."""


@dataclass(frozen=True)
class Mark:
    """A value to be looked for. It begins and ends in a word of its own; what is between them is written
    differently by JSON, CSV, URLs, a shell and Python."""

    name: str

    @property
    def words(self) -> tuple[str, str]:
        """Its first and its last letters, which no encoding of text alters."""
        letters = base64.b32encode(hashlib.sha256(self.name.encode()).digest()).decode().lower()
        return letters[:_WORD], letters[_WORD : 2 * _WORD]

    @property
    def value(self) -> str:
        """The value as it stands in the source."""
        first, last = self.words
        return f"{first} \"ë\\,'%\n\t😀 {last}"

    def forms(self) -> dict[bytes, str]:
        """Return what to look for, each with what it is."""
        found = {form: what for word in self.words for form, what in _texts(word)}
        return found | dict(digests(self.value.encode()))

    def hashed(self, key: str) -> str:
        """Return the value's HMAC-SHA256 in hexadecimal."""
        return hmac.new(key.encode(), self.value.encode(), "sha256").hexdigest()


def key_forms(key: str) -> dict[bytes, str]:
    """Return what to look for of a key of HMAC: itself, its block and pads, its digests."""
    secret = key.encode()
    found = dict(_texts(key)) | dict(digests(secret))
    block = (hashlib.sha256(secret).digest() if len(secret) > 64 else secret).ljust(64, b"\0")
    for what, byte in (("block", 0), ("inner pad", 0x36), ("outer pad", 0x5C)):
        pad = bytes(each ^ byte for each in block)
        found |= {form: f"{what}, {how}" for form, how in _bytes(pad[:24])}
    return found


def _texts(text: str) -> Iterator[tuple[bytes, str]]:
    yield from _bytes(text.encode())
    yield text.upper().encode(), "in capitals"
    yield text[::-1].encode(), "backwards"
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "cp500"):
        yield text.encode(encoding), encoding


def digests(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the digests that need no key, of which a short value can be guessed."""
    for name in _DIGESTS:
        digest = hashlib.new(name, data).digest()
        yield from ((form, f"{name}, {how}") for form, how in _binary(digest[:16]))


def _bytes(data: bytes) -> Iterator[tuple[bytes, str]]:
    yield from _binary(data)
    yield "".join(f"\\x{byte:02x}" for byte in data).encode(), "as Python escapes"
    yield "".join(f"\\{byte:03o}" for byte in data).encode(), "as octal escapes"
    yield "".join(f"\\u{byte:04x}" for byte in data).encode(), "as JSON escapes"
    yield "".join(f"%{byte:02X}" for byte in data).encode(), "as in a URL"
    # PostgreSQL prints the constants of a plan as signed bytes
    for separator in (" ", ", ", ","):
        yield separator.join(str(byte) for byte in data).encode(), "as decimal bytes"
        yield separator.join(str((byte ^ 128) - 128) for byte in data).encode(), "as signed bytes"


def _binary(data: bytes) -> Iterator[tuple[bytes, str]]:
    yield data, "as it is"
    yield data.hex().encode(), "in hexadecimal"
    yield data.hex().upper().encode(), "in hexadecimal capitals"
    for offset in range(3):
        coded = _base64_within(data, offset)
        yield coded, "in base64"
        yield coded.replace(b"+", b"-").replace(b"/", b"_"), "in base64 for URLs"


def _base64_within(data: bytes, offset: int) -> bytes:
    """The characters of base64 that tell the data alone, where so many bytes (modulo 3) precede them."""
    coded = base64.b64encode(bytes(offset) + data)
    return coded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]

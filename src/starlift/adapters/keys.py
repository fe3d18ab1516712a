"""Which object keys a lake takes: one rule for every adapter, so that no lake is more lenient than another.

The rule is the strictest of the stores: what a folder on any common file system and S3 both hold.
"""

from __future__ import annotations

import re

from starlift.errors import ConfigurationError

_LONGEST_KEY = 1024  # bytes of UTF-8, the limit of S3
_LONGEST_SEGMENT = 255  # bytes of UTF-8, the limit of ext4, APFS and NTFS
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


def checked(key: str) -> str:
    """Return `key` if every lake can hold it: relative segments joined by `/`, none of them empty or
    starting with a dot (so neither `..` nor a hidden file), no backslash and no control character, at
    most 1,024 bytes in all and 255 a segment. Raises ConfigurationError otherwise."""
    fault = _fault(key)
    if fault:
        raise _refused(key, fault)
    return key


def checked_prefix(prefix: str) -> str:
    """Return `prefix` if some key can start with it; the empty one starts every key. Raises
    ConfigurationError otherwise."""
    fault = prefix and _fault(prefix + "x")
    if fault:
        raise _refused(prefix, fault)
    return prefix


def _fault(key: str) -> str:
    if _FORBIDDEN.search(key):
        return "it holds a backslash or a control character"
    segments = key.split("/")
    if not all(segments):
        return "one of its parts between slashes is empty"
    if any(segment.startswith(".") for segment in segments):
        return "one of its parts starts with a dot"
    if any(len(segment.encode()) > _LONGEST_SEGMENT for segment in segments):
        return f"one of its parts is longer than {_LONGEST_SEGMENT} bytes"
    if len(key.encode()) > _LONGEST_KEY:
        return f"it is longer than {_LONGEST_KEY} bytes"
    return ""


def _refused(key: str, fault: str) -> ConfigurationError:
    return ConfigurationError(
        f"no lake can hold the object name {key[:200]!r}: {fault}",
        "leave out the table that has this name in sql/pipeline.toml, then: starlift run",
    )

"""The addresses of lakes, as written in STARLIFT_INGESTION and STARLIFT_PROCESSED."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from starlift.adapters.keys import checked
from starlift.errors import ConfigurationError

EITHER = "STARLIFT_INGESTION or STARLIFT_PROCESSED"
"""How a message names the variable of a lake when the lake was not told which of the two it is."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class S3Address:
    """A bucket, and the prefix of all keys in it: empty, or ending in a slash."""

    bucket: str
    prefix: str


def parse(url: str, variable: str = EITHER) -> S3Address | Path:
    """Return what `s3://bucket[/prefix]` or `file:///folder` (absolute, `%20` for a blank) names.

    Raises ConfigurationError, naming `variable`, for anything else. Touches neither network nor disk.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "s3":
        bucket, _, prefix = rest.rstrip("/").partition("/")
        if _BUCKET.fullmatch(bucket):
            return S3Address(bucket, checked(prefix) + "/" if prefix else "")
    if scheme == "file" and rest.startswith("/") and "\0" not in unquote(rest):
        return Path(unquote(rest))
    raise ConfigurationError(
        f"{variable} is {url!r}, which is not the address of a lake",
        f"write s3://bucket, s3://bucket/prefix or file:///absolute/folder to {variable}, then: starlift run",
    )


def refuse_overlap(ingestion: str, processed: str) -> None:
    """Raise ConfigurationError where the two lakes are one, or one lies within the other: their keys
    would mix. Folders are compared as the disk has them, links resolved."""
    one = _location(parse(ingestion, "STARLIFT_INGESTION"))
    other = _location(parse(processed, "STARLIFT_PROCESSED"))
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise ConfigurationError(
            f"the lakes overlap: STARLIFT_INGESTION is {ingestion}, STARLIFT_PROCESSED is {processed}",
            "give each a bucket, prefix or folder outside the other, then: starlift run",
        )


def _location(address: S3Address | Path) -> PurePosixPath:
    if isinstance(address, S3Address):
        return PurePosixPath("s3", address.bucket, address.prefix)
    return PurePosixPath(os.path.realpath(address))

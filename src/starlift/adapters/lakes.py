"""From the address of a lake to the lake."""

from __future__ import annotations

from starlift.adapters.addresses import EITHER, S3Address, parse
from starlift.adapters.folder import FolderLake
from starlift.ports import ListedLake


def open_lake(url: str, variable: str = EITHER) -> ListedLake:
    """Return the lake at `s3://bucket[/prefix]` or `file:///folder`. Asks neither S3 nor the disk, so a
    lake that is not there is noticed at its first use.

    `variable` is where the user wrote the address, for messages. Raises ConfigurationError for another
    kind of address, or for AWS settings that make no client.
    """
    address = parse(url, variable)
    if isinstance(address, S3Address):
        # Late, because importing boto3 takes longer than all else a local run that finds nothing does.
        from starlift.adapters.s3 import S3Lake, connect

        return S3Lake(url, connect(), variable)
    return FolderLake(address, variable)

"""The real extract of Totesys, where STARLIFT_TOTESYS_EXTRACT names its folder."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pg8000.native

from starlift.totesys.loading import TABLES, Row, load


def folder() -> Path | None:
    """Return the extract's folder, None where the variable is not set."""
    named = os.environ.get("STARLIFT_TOTESYS_EXTRACT")
    return Path(named) if named else None


def rows(table: str) -> list[Row]:
    """Return all rows of a table of the extract, in file order."""
    found = folder()
    if found is None:
        raise LookupError("STARLIFT_TOTESYS_EXTRACT is not set")
    with gzip.open(found / f"{table}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def fill(connection: pg8000.native.Connection) -> None:
    """Put the whole extract (48,066 rows) into an empty Totesys."""
    load(connection, {table: rows(table) for table in TABLES})

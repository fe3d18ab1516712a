"""The poll that starlift is compared with: `WHERE last_updated > the newest stamp seen`, as is usual.

It is fair: it takes the same columns at the same moments and has a whole copy to start from.
"""

from __future__ import annotations

from collections.abc import Iterable

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.core.config import TableSpec

Key = tuple[str, str]
"""A source table and a key in it, as text."""


class CursorPoll:
    """A copy of some tables, kept up by their cursor."""

    def __init__(self, tables: Iterable[TableSpec]) -> None:
        self._tables = [spec for spec in tables if spec.cursor]
        self._newest: dict[str, str] = {}
        self._copy: dict[Key, str] = {}

    def poll(self, connection: pg8000.native.Connection) -> int:
        """Read what is stamped after the newest stamp seen; the first time, everything."""
        read = 0
        for spec in self._tables:
            cursor = identifier(spec.cursor or "")
            since = self._newest.get(spec.name, "-infinity")
            rows = (
                connection.run(
                    f"SELECT {_row(spec)}, {cursor}::text FROM {identifier(spec.name)} "  # noqa: S608 # nosec B608
                    f"WHERE {cursor} > CAST(:since AS timestamp) ORDER BY {cursor}",
                    since=since,
                )
                or []
            )
            for key, row, stamp in rows:
                self._copy[spec.name, key] = row
                self._newest[spec.name] = stamp
            read += len(rows)
        return read

    def wrong(self, connection: pg8000.native.Connection) -> set[Key]:
        """Return the keys whose row is missing from the copy, or is not what the source has now."""
        truth: dict[Key, str] = {}
        for spec in self._tables:
            reading = f"SELECT {_row(spec)} FROM {identifier(spec.name)}"  # noqa: S608 # nosec B608
            truth |= {(spec.name, key): row for key, row in connection.run(reading) or ()}
        return {key for key, row in truth.items() if self._copy.get(key) != row}


def _row(spec: TableSpec) -> str:
    columns = ", ".join(identifier(column) for column in spec.columns)
    return f"{identifier(spec.key[0])}::text, ROW({columns})::text"

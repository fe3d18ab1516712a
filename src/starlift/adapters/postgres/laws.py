"""The laws of the published star: queries that return the rows that break them, so none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pg8000.native

from starlift.adapters.postgres.refusals import naming
from starlift.adapters.postgres.statements import read_statements
from starlift.errors import HeldError

SHOWN = 3
"""Rows of a broken law that the error shows."""


@dataclass(frozen=True)
class Law:
    """A file of sql/checks: one query that returns no row while the law holds."""

    file: str
    query: str


def read_laws(folder: Path) -> tuple[Law, ...]:
    """Read the laws in the order of their files' names. Raises ConfigurationError."""
    return tuple(Law(file, text.strip().rstrip(";")) for file, text in read_statements(folder).items())


def check_laws(connection: pg8000.native.Connection, laws: Sequence[Law], seq: int) -> None:
    """Raise HeldError, naming the law and the first rows that break it, unless every law holds.

    A law finds the batch it is to look at in the setting `starlift.seq`, so that its cost follows the
    size of the change and not that of the star.
    """
    connection.run("SELECT set_config('starlift.seq', :seq, true)", seq=str(seq))
    for law in laws:
        # Materialized, because a limit on the query itself makes the planner expect that a few rows are
        # soon found. The text is a file of this project, which a load runs as its own; it is no input.
        query = f"WITH broken AS MATERIALIZED (\n{law.query}\n) SELECT * FROM broken LIMIT {SHOWN}"  # noqa: S608
        with naming(f"sql/checks/{law.file}", "starlift load"):
            broken = connection.run(query)
        if broken:
            names = [str(column["name"]) for column in connection.columns]
            shown = "; ".join(
                ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True)) for row in broken
            )
            said = f"batch {seq} breaks the law sql/checks/{law.file}"
            raise HeldError(
                f"{said}: {shown}",
                "nothing was written; correct the rows' cause, then: starlift load",
                said,
            )

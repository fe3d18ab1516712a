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

    @property
    def of_all(self) -> bool:
        """Whether it can be asked of several batches at once."""
        return "starlift.first_seq" in self.query or "starlift.seq" not in self.query


def read_laws(folder: Path) -> tuple[Law, ...]:
    """Read the laws in the order of their files' names. Raises ConfigurationError."""
    return tuple(Law(file, text.strip().rstrip(";")) for file, text in read_statements(folder).items())


def check_laws(connection: pg8000.native.Connection, laws: Sequence[Law], first: int, last: int) -> None:
    """Raise HeldError, naming the law and the first rows that break it, unless every law holds.

    first, last: the batches that readers are about to see together; mostly they are one. A law finds them in
    the settings `starlift.first_seq` and `starlift.seq`, so that its cost follows the size of the change and
    not that of the star. One that knows but the latter is asked of each of them.
    """
    told = None
    for law in laws:
        for seq in [last] if law.of_all else range(first, last + 1):
            if seq != told:
                _tell(connection, first, seq)
                told = seq
            _check(connection, law, seq)


def _tell(connection: pg8000.native.Connection, first: int, seq: int) -> None:
    connection.run(
        "SELECT set_config('starlift.first_seq', :first, true), set_config('starlift.seq', :seq, true)",
        first=str(first),
        seq=str(seq),
    )


def _check(connection: pg8000.native.Connection, law: Law, seq: int) -> None:
    # Materialized, because a limit on the query itself makes the planner expect that a few rows are soon
    # found. The text is a file of this project, which a load runs as its own; it is no input.
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

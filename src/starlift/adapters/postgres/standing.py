"""How the warehouse stands: what `starlift status` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.turn import last_applied
from starlift.ports import Applied


@dataclass(frozen=True)
class Quarantined:
    """A source row whose newest version is not in the star. seq: the batch that brought it."""

    table: str
    key: str
    stage: str
    reason: str
    seq: int


@dataclass(frozen=True)
class Inferred:
    """A row that the star refers to and that has not arrived. seq: the batch that referred to it first."""

    table: str
    key: str
    seq: int


@dataclass(frozen=True)
class Standing:
    """What is in the warehouse, by source table and key. ledger: rows per source table and state."""

    applied: Applied | None
    quarantine: tuple[Quarantined, ...]
    inferred: tuple[Inferred, ...]
    ledger: Mapping[str, Mapping[str, int]]


_QUARANTINE = "SELECT source_table, key, stage, reason, seq FROM quarantine ORDER BY source_table, key"
_INFERRED = """
SELECT source_table, key, seq FROM ledger WHERE state = 'inferred' ORDER BY source_table, key
"""
_LEDGER = """
SELECT source_table, state, count(*) FROM ledger GROUP BY source_table, state ORDER BY source_table, state
"""


def read_standing(connection: pg8000.native.Connection) -> Standing:
    """Read how things stand; the caller's transaction says as of when."""
    ledger: dict[str, dict[str, int]] = {}
    for table, state, count in connection.run(_LEDGER):
        ledger.setdefault(table, {})[state] = count
    return Standing(
        last_applied(connection),
        tuple(Quarantined(*row) for row in connection.run(_QUARANTINE)),
        tuple(Inferred(*row) for row in connection.run(_INFERRED)),
        ledger,
    )

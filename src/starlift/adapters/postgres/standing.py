"""How the warehouse stands: what `starlift status` says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.key_text import key_text
from starlift.adapters.postgres.schemas import Schemas, tables_of
from starlift.adapters.postgres.turn import applied_seq, last_applied
from starlift.core.manifest import ModelRef
from starlift.core.units import instant_text
from starlift.ports import Applied, Load


@dataclass(frozen=True)
class Quarantined:
    """A source row whose newest version is not in the star. seq: the batch that brought it. dropped: why a
    person gave it up, None while it is open."""

    table: str
    key: str
    stage: str
    reason: str
    seq: int
    dropped: str | None = None


@dataclass(frozen=True)
class Rejected:
    """All that is known of a quarantined row. row: as it was read (transform) or would have been written
    (load). read_at: source time of its batch. older: star tables that have an older version of it."""

    entry: Quarantined
    row: Mapping[str, Any]
    read_at: str
    older: tuple[str, ...]


@dataclass(frozen=True)
class Inferred:
    """A row that the star refers to and that has not arrived. seq: the batch that referred to it first."""

    table: str
    key: str
    seq: int


@dataclass(frozen=True)
class Standing:
    """What is in the warehouse, by source table and key. ledger: rows per source table and state. built: the
    last batch in the build target, None where there is no such target, or none in it."""

    applied: Applied | None
    quarantine: tuple[Quarantined, ...]
    inferred: tuple[Inferred, ...]
    ledger: Mapping[str, Mapping[str, int]]
    built: int | None = None


_QUARANTINE = """
SELECT source_table, key, stage, reason, seq, dropped FROM quarantine ORDER BY source_table, key
"""
_ROW = """
SELECT q."row", a.clock FROM quarantine q JOIN applied a ON a.seq = q.seq
WHERE q.source_table = :source_table AND q.key = :key
"""
_VERSIONS = """
SELECT fact FROM fact_version
WHERE fact = ANY (CAST(:facts AS text[])) AND key = :key AND current AND op <> 'delete' ORDER BY fact
"""
_INFERRED = """
SELECT source_table, key, seq FROM ledger WHERE state = 'inferred' ORDER BY source_table, key
"""
_LEDGER = """
SELECT source_table, state, count(*) FROM ledger GROUP BY source_table, state ORDER BY source_table, state
"""


_LOADS = """
SELECT seq, kind, clock, applied_at, seconds, counts FROM applied WHERE seq > :seq ORDER BY seq
"""


def read_loads(connection: pg8000.native.Connection, seq: int) -> list[Load]:
    """Return the loads of the batches after `seq`, in order."""
    return [
        Load(number, kind, instant_text(clock), instant_text(applied_at), seconds, counts)
        for number, kind, clock, applied_at, seconds, counts in connection.run(_LOADS, seq=seq)
    ]


def read_quarantine(connection: pg8000.native.Connection) -> list[Quarantined]:
    """Return every quarantined row, by source table and key, dropped ones too."""
    return [Quarantined(*row) for row in connection.run(_QUARANTINE)]


def read_rejected(
    connection: pg8000.native.Connection, star: str, models: Sequence[ModelRef], table: str, key: str
) -> Rejected | None:
    """Return all about one quarantined row, None where there is none. star: the schema of the star."""
    found = {(entry.table, entry.key): entry for entry in read_quarantine(connection)}
    if (table, key) not in found:
        return None
    row, clock = connection.run(_ROW, source_table=table, key=key)[0]
    driven = [model for model in models if model.driving == table]
    facts = [model.name for model in driven if model.kind == "fact"]
    older = [name for (name,) in connection.run(_VERSIONS, facts=facts, key=key)]
    for model in (model for model in driven if model.kind == "dimension"):
        place = f"{identifier(star)}.{identifier(model.name)}"
        printed = key_text(map(identifier, model.key))
        query = f"SELECT FROM {place} WHERE {printed} = :key"
        older += [model.name] if connection.run(query, key=key) else []
    return Rejected(found[table, key], row or {}, instant_text(clock), tuple(older))


def read_standing(connection: pg8000.native.Connection, build: Schemas) -> Standing:
    """Read how things stand; the caller's transaction says as of when. build: the star's build target.

    A first load keeps readers out of the ledger; before it ends there is nothing in it."""
    ledger: dict[str, dict[str, int]] = {}
    inferred: tuple[Inferred, ...] = ()
    if applied := last_applied(connection):
        inferred = tuple(Inferred(*row) for row in connection.run(_INFERRED))
        for table, state, count in connection.run(_LEDGER):
            ledger.setdefault(table, {})[state] = count
    return Standing(
        applied,
        tuple(read_quarantine(connection)),
        inferred,
        ledger,
        (applied_seq(connection, build) or None)
        if "applied" in tables_of(connection, build.pipeline)
        else None,
    )

"""Compares what the source has with what the warehouse's ledger says arrived, row by row."""

from __future__ import annotations

import json

from starlift.adapters.postgres.connection import connect
from starlift.bootstrap import Pipeline
from starlift.core.identity import key_text
from starlift.core.polling import Read
from starlift.demo.cursor_poll import Key


def differences(pipeline: Pipeline) -> set[Key]:
    """Return the keys of the source's rows that the ledger has not, or has with another source hash."""
    arrived = _ledger(pipeline)
    wrong: set[Key] = set()
    with pipeline.source as source, source.snapshot() as snapshot:
        for spec in pipeline.config.tables.values():
            chunks: list[bytes] = []
            snapshot.copy(Read(spec.name, spec.columns, frozenset({"whole"})), chunks.append)
            for line in b"".join(chunks).splitlines():
                row = json.loads(line)
                values = [row[column] for column in spec.key]
                if arrived.get((spec.name, key_text(values))) != int(row["_hash"]):
                    wrong.add((spec.name, values[0]))
    return wrong


def _ledger(pipeline: Pipeline) -> dict[Key, int]:
    dsn = pipeline.dsn("warehouse")
    connection = connect(dsn, "warehouse", "starlift demo")
    try:
        rows = connection.run(
            "SELECT source_table, key, source_hash FROM starlift.ledger WHERE state = 'live'"
        )
    finally:
        connection.close()
    return {(table, key): digest for table, key, digest in rows or ()}

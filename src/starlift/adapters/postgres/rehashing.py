"""Keeps the hashes of star rows true where a file of sql/warehouse changes the star's tables: a new column
with a default, another type. That is no change by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.row_hash import dimension_hash, dimension_key, fact_hash
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, DATE_KEY, StarTable, read_star
from starlift.core.manifest import ModelRef

_NOTE = """
INSERT INTO pg_temp._unlike
SELECT CAST(:name AS text), CAST(h.{key} AS text) FROM {hashes} h JOIN {star} d ON {same}
WHERE {own} AND h.row_hash <> {hash}
"""

_REHASH = """
UPDATE {hashes} h SET row_hash = {hash} FROM {star} d
WHERE {same} AND {own} AND h.row_hash <> {hash}
  AND CAST(h.{key} AS text) NOT IN (SELECT u.key FROM pg_temp._unlike u WHERE u.name = CAST(:name AS text))
"""


@contextmanager
def rehashed(
    connection: pg8000.native.Connection, schemas: Schemas, models: Sequence[ModelRef]
) -> Iterator[None]:
    """Hash anew, after a block, the star rows that were as the load wrote them before it."""
    connection.run("CREATE TEMPORARY TABLE _unlike (name text, key text) ON COMMIT DROP")
    _run(connection, schemas, models, _NOTE)
    yield
    _run(connection, schemas, models, _REHASH)
    connection.run("DROP TABLE pg_temp._unlike")


def _run(
    connection: pg8000.native.Connection, schemas: Schemas, models: Sequence[ModelRef], statement: str
) -> None:
    tables = read_star(connection, schemas.star, [*(model.name for model in models), DATE_DIMENSION])
    keys = {model.name: model.key for model in models if model.kind == "dimension"}
    keys[DATE_DIMENSION] = DATE_KEY
    for name, table in tables.items():
        if name in keys and set(keys[name]) <= table.columns.keys():
            parts = _dimension(schemas, table, keys[name])
        elif name not in keys and len(table.primary_key) == 1:
            parts = _fact(schemas, table)
        else:
            continue
        connection.run(statement.format(**parts, star=_quoted(schemas.star, name)), name=name)


def _fact(schemas: Schemas, table: StarTable) -> dict[str, str]:
    return {
        "hashes": _quoted(schemas.pipeline, "fact_version"),
        "key": "record_id",
        "same": f"d.{identifier(table.primary_key[0])} = h.record_id",
        "own": "h.fact = CAST(:name AS text) AND h.op <> 'delete'",
        "hash": fact_hash(table, "d", ("h.record_id", "h.key", "h.seq", "h.op")),
    }


def _dimension(schemas: Schemas, table: StarTable, key: Sequence[str]) -> dict[str, str]:
    return {
        "hashes": _quoted(schemas.pipeline, "dimension_row"),
        "key": "key",
        "same": f"{dimension_key('d', key)} = h.key",
        "own": "h.dimension = CAST(:name AS text)",
        "hash": dimension_hash(table, "d", key, "h.seq"),
    }


def _quoted(schema: str, table: str) -> str:
    return f"{identifier(schema)}.{identifier(table)}"

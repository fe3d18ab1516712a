"""Dimensions hold the latest version of each row, and a placeholder for a row that has not arrived."""

from __future__ import annotations

from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.row_hash import SEQ, dimension_hash, dimension_key, keeping
from starlift.adapters.postgres.staging import Staged
from starlift.adapters.postgres.star_catalogue import Reference, StarTable
from starlift.core.manifest import ModelRef
from starlift.ports import StarCounts


@dataclass(frozen=True)
class Parent:
    """A dimension that others refer to."""

    table: StarTable
    model: ModelRef


_EXACT = ("smallint", "integer", "bigint", "uuid", "date", "boolean")
"""Types of which equal values print alike."""

_FORGET = """
DELETE FROM dimension_row r USING {star} d, {stage} s
WHERE {same_key} AND r.dimension = :dimension AND r.key = {old} AND {old} <> {new}
"""


def merge_dimension(connection: pg8000.native.Connection, rows: Staged, seq: int) -> StarCounts:
    """Insert the staged rows whose key is new and update those that differ from the star's."""
    same_key = " AND ".join(f"d.{name} = s.{name}" for name in map(identifier, rows.model.key))
    _forget(connection, rows, same_key)
    updated = _write(connection, rows, _update(rows, same_key), seq)
    columns = ", ".join(map(identifier, rows.columns))
    key = ", ".join(map(identifier, rows.model.key))
    insert = (
        f"INSERT INTO {rows.star} AS d ({columns}) SELECT {columns} FROM {rows.stage} s "  # noqa: S608 identifiers
        f"WHERE NOT EXISTS (SELECT FROM {rows.star} d WHERE {same_key}) ORDER BY {key}"
    )
    inserted = _write(connection, rows, insert, seq)
    left = int(connection.run(f"SELECT count(*) FROM {rows.stage}")[0][0])  # noqa: S608 identifiers only
    return StarCounts(inserted=inserted, updated=updated, unchanged=left - inserted - updated)


def _write(connection: pg8000.native.Connection, rows: Staged, statement: str, seq: int) -> int:
    statement = keeping(statement, rows.table, "d", rows.model.key)
    connection.run(statement, dimension=rows.table.name, seq=seq)
    return int(connection.row_count)


def _update(rows: Staged, same_key: str) -> str:
    # the key too: 1.0 and 1.00 are one number, 'a' and 'A' one citext, and the ledger has the newer text
    changes = ", ".join(f"{name} = s.{name}" for name in map(identifier, rows.columns))
    # *<> compares images: it knows every type, also those without an equality, and NULL equals NULL.
    old, new = (", ".join(f"{side}.{identifier(name)}" for name in rows.columns) for side in "ds")
    return (
        f"UPDATE {rows.star} d SET {changes} FROM {rows.stage} s "  # noqa: S608 identifiers
        f"WHERE {same_key} AND CAST(ROW({old}) AS record) *<> CAST(ROW({new}) AS record)"
    )


def _forget(connection: pg8000.native.Connection, rows: Staged, same_key: str) -> None:
    """Forget the hashes of rows whose key is about to be printed otherwise."""
    key = rows.model.key
    if all(rows.table.columns[name].type in _EXACT for name in key):
        return
    old, new = dimension_key("d", key), dimension_key("s", key)
    statement = _FORGET.format(star=rows.star, stage=rows.stage, same_key=same_key, old=old, new=new)
    connection.run(statement, dimension=rows.table.name)


_INFER = """
WITH added AS (
    INSERT INTO {parent} AS d ({columns})
    SELECT {values} FROM (SELECT DISTINCT {child} FROM {stage} s WHERE {wanted}) AS missing
    WHERE NOT EXISTS (SELECT FROM {parent} p WHERE {same_key}) {not_coming} ORDER BY {child}
    RETURNING {printed} AS key, {hash} AS row_hash
), hashed AS (
    INSERT INTO dimension_row (dimension, key, row_hash, seq)
    SELECT CAST(:dimension AS text), key, row_hash, {seq} FROM added
    ON CONFLICT (dimension, key) DO UPDATE SET row_hash = excluded.row_hash, seq = excluded.seq
), noted AS (
    INSERT INTO ledger (source_table, key, bucket, state, seq)
    SELECT CAST(:driving AS text), key, bucket(key), 'inferred', {seq} FROM added
    ON CONFLICT (source_table, key) DO NOTHING
)
SELECT count(*) FROM added
"""

_PLACEHOLDER = """
INSERT INTO {into} ({columns}) SELECT {values} FROM (SELECT {tried}) AS missing ({child})
WHERE {wanted} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same_key}) {not_coming} ON CONFLICT DO NOTHING;
"""


def infer_members(
    connection: pg8000.native.Connection, rows: Staged, reference: Reference, parent: Parent, seq: int
) -> int:
    """Make a placeholder for each member that staged rows refer to and the dimension does not have.

    The ledger lists it as inferred, unless it knows the key already (as quarantined). A member that is
    itself among the staged rows is not missing. Returns the number of members made.
    """
    statement = _INFER.format(
        **_parts(rows, reference, parent),
        stage=rows.stage,
        wanted=" AND ".join(f"s.{identifier(name)} IS NOT NULL" for name in reference.columns),
        printed=dimension_key("d", parent.model.key),
        hash=dimension_hash(parent.table, "d", parent.model.key, SEQ),
        seq=SEQ,
    )
    names = {"driving": parent.model.driving, "dimension": parent.table.name}
    return int(connection.run(statement, **names, seq=seq)[0][0])


def placeholder(into: str, rows: Staged, reference: Reference, parent: Parent) -> str:
    """Return the statement of PL/pgSQL that puts the placeholder which the row `tried` needs, if it needs
    one, into a table that looks like the dimension, given quoted."""
    return _PLACEHOLDER.format(
        **_parts(rows, reference, parent),
        into=into,
        tried=", ".join(f"tried.{identifier(name)}" for name in reference.columns),
        wanted=" AND ".join(f"missing.{identifier(name)} IS NOT NULL" for name in reference.columns),
    )


def _parts(rows: Staged, reference: Reference, parent: Parent) -> dict[str, str]:
    """What both statements have in common."""
    table, key = parent.table, [identifier(name) for name in reference.parent_columns]
    child = [identifier(name) for name in reference.columns]
    filled = {
        column.name: column.stand_in
        for column in table.columns.values()
        if column.stand_in != "NULL" and column.name not in reference.parent_columns
    }
    not_coming = ""
    if table.name == rows.table.name:
        not_coming = f"AND NOT EXISTS (SELECT FROM {rows.stage} p WHERE {_equal(key, child)})"
    return {
        "parent": f"{identifier(rows.schema)}.{identifier(table.name)}",
        "columns": ", ".join([*key, *map(identifier, filled)]),
        "values": ", ".join([*(f"missing.{name}" for name in child), *filled.values()]),
        "child": ", ".join(child),
        "same_key": _equal(key, child),
        "not_coming": not_coming,
    }


def _equal(key: list[str], child: list[str]) -> str:
    return " AND ".join(f"p.{own} = missing.{other}" for own, other in zip(key, child, strict=True))

"""Staged rows that the star cannot hold go into quarantine; the rest of the batch loads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.fitting import KEY_COLUMN
from starlift.adapters.postgres.staging import Staged
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, StarColumn

_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)(\[\])?")

REJECTED = """
CREATE TEMPORARY TABLE IF NOT EXISTS _rejected (
    source_table text COLLATE "C", key text COLLATE "C", reason text, "row" jsonb
) ON COMMIT DROP
"""
"""Run once a batch, before it is staged: the source rows that go into quarantine."""


def find_rejected(
    connection: pg8000.native.Connection,
    staged: Sequence[Staged],
    calendar: tuple[int, int],
    models: Collection[str],
) -> None:
    """Note in `pg_temp._rejected` the rows that break a NOT NULL, a length, a precision, the calendar, or a
    reference to a table that no model makes.

    calendar: first and last year that a column referring to the date dimension may hold.
    """
    for rows in staged:
        _find(connection, rows, calendar, models)


def remove_rejected(connection: pg8000.native.Connection, staged: Sequence[Staged]) -> dict[str, int]:
    """Take the rows of `pg_temp._rejected` out of the staged ones. A source row makes one row in each of its
    star tables; if one of them is rejected, all are. Returns the number of rejected source rows per table."""
    counts = connection.run(
        "SELECT source_table, count(DISTINCT key) FROM pg_temp._rejected GROUP BY source_table"
    )
    rejected: dict[str, int] = dict(counts)
    for rows in (rows for rows in staged if rows.model.driving in rejected):
        connection.run(
            f"DELETE FROM {rows.stage} s USING pg_temp._rejected r "  # noqa: S608 identifiers only
            f"WHERE r.source_table = :driving AND r.key = s.{identifier(KEY_COLUMN)}",
            driving=rows.model.driving,
        )
    return rejected


def first_rejected(
    connection: pg8000.native.Connection, tables: Sequence[str], count: int
) -> list[tuple[str, str, str]]:
    """Return table, key and reason of the first rows of some source tables in `pg_temp._rejected`."""
    found = connection.run(
        "SELECT source_table, key, reason FROM pg_temp._rejected "
        "WHERE source_table = ANY (CAST(:tables AS text[])) ORDER BY source_table, key, reason LIMIT :count",
        tables=list(tables),
        count=count,
    )
    return [(table, key, reason) for table, key, reason in found]


def _find(
    connection: pg8000.native.Connection, rows: Staged, calendar: tuple[int, int], models: Collection[str]
) -> None:
    faults = [*_faults(rows, calendar), *_orphans(rows, models)]
    if not faults:
        return
    broken = " OR ".join(condition for condition, _, _ in faults)
    reasons = ", ".join(
        f"CASE WHEN {condition} THEN CAST(:reason_{number} AS text) || {value} END"
        for number, (condition, _, value) in enumerate(faults)
    )
    values = {f"reason_{number}": reason for number, (_, reason, _) in enumerate(faults)}
    connection.run(
        f"INSERT INTO pg_temp._rejected "  # noqa: S608 identifiers and years only
        f"SELECT :driving, {identifier(KEY_COLUMN)}, concat_ws('; ', {reasons}), "
        f"to_jsonb(s.*) - '{KEY_COLUMN}' FROM {rows.stage} s WHERE {broken}",
        driving=rows.model.driving,
        **values,
    )


def _faults(rows: Staged, calendar: tuple[int, int]) -> list[tuple[str, str, str]]:
    """Return what may be wrong: condition, the reason's text, and an SQL expression that ends it."""
    first, last = calendar
    faults = []
    for name in rows.columns:
        column, quoted = rows.table.columns[name], f"s.{identifier(name)}"
        where = f"{rows.table.name}.{name}"
        if column.not_null:
            faults.append((f"{quoted} IS NULL", f"{where} is NULL, which the star does not take", "''"))
        if column.length is not None:
            too_long = f"{where} is longer than {column.length} characters: "
            faults.append((f"char_length({quoted}) > {column.length}", too_long, f"left({quoted}, 100)"))
        if column.bends:
            alter = f"{where} is {column.type}, which would alter "
            faults.append((_bent(column, quoted), alter, f"left({quoted}::text, 100)"))
        if name in rows.table.dates:
            outside = f"{quoted} NOT BETWEEN make_date({first:d}, 1, 1) AND make_date({last:d}, 12, 31)"
            reason = f"{where} is outside the calendar {first} to {last}: "
            faults.append((outside, reason, f"{quoted}::text"))
    return faults


def _bent(column: StarColumn, value: str) -> str:
    """Return the condition that a value would be altered. A number that is too large would be an error."""
    number = _NUMERIC.fullmatch(column.type)
    if number is None:
        return f"CAST({value} AS {column.type}) <> {value}"
    digits, places, is_array = int(number[1]), int(number[2]), bool(number[3])
    one = "n" if is_array else value
    rounded = f"round({one}, {places})"
    bent = f"{one} <> 'NaN' AND ({rounded} <> {one} OR abs({rounded}) >= 10::numeric ^ {digits - places})"
    return f"EXISTS (SELECT FROM unnest({value}) AS n WHERE {bent})" if is_array else f"({bent})"


def _orphans(rows: Staged, models: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the same for what refers to a table that no model makes: nothing can stand in there."""
    for reference in rows.table.references:
        if reference.parent in (*models, DATE_DIMENSION):
            continue
        child = [f"s.{identifier(name)}" for name in reference.columns]
        pairs = zip(map(identifier, reference.parent_columns), child, strict=True)
        missing = (
            f"({' AND '.join(f'{name} IS NOT NULL' for name in child)} AND NOT EXISTS (SELECT FROM "
            f"{identifier(rows.schema)}.{identifier(reference.parent)} p "
            f"WHERE {' AND '.join(f'p.{own} = {name}' for own, name in pairs)}))"
        )
        reason = f"{rows.table.name} refers to {reference.parent}, which has no row "
        yield missing, reason, f"CAST(ROW({', '.join(child)}) AS text)"

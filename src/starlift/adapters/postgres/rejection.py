"""Staged rows that the star cannot hold go into quarantine; the rest of the batch loads."""

from __future__ import annotations

from collections.abc import Sequence

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.fitting import KEY_COLUMN
from starlift.adapters.postgres.staging import Staged

_REJECTED = """
CREATE TEMPORARY TABLE _rejected (
    source_table text COLLATE "C", key text COLLATE "C", reason text, "row" jsonb
) ON COMMIT DROP
"""


def reject(
    connection: pg8000.native.Connection, staged: Sequence[Staged], calendar: tuple[int, int]
) -> dict[str, int]:
    """Move rows that break a NOT NULL, a length, a precision or the calendar into `pg_temp._rejected`.

    calendar: first and last year that a column referring to the date dimension may hold. A source row
    makes one row in each of its star tables; if one of them is rejected, all are. Returns the number of
    rejected source rows per source table.
    """
    connection.run(_REJECTED)
    for rows in staged:
        _find(connection, rows, calendar)
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


def _find(connection: pg8000.native.Connection, rows: Staged, calendar: tuple[int, int]) -> None:
    faults = _faults(rows, calendar)
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
            bent = f"CAST({quoted} AS {column.type}) <> {quoted}"
            faults.append(
                (bent, f"{where} is {column.type}, which would alter ", f"left({quoted}::text, 100)")
            )
        if name in rows.table.dates:
            outside = f"{quoted} NOT BETWEEN make_date({first:d}, 1, 1) AND make_date({last:d}, 12, 31)"
            reason = f"{where} is outside the calendar {first} to {last}: "
            faults.append((outside, reason, f"{quoted}::text"))
    return faults

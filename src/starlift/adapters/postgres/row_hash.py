"""The hash of a star row as the load wrote it, kept beside the row: what `starlift verify` compares.

It covers the columns by name, those that are NULL left out, so that a column which the star's table gets
later changes no hash; and what the pipeline's own table says of the row, so that this is covered too.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.key_text import key_text
from starlift.adapters.postgres.star_catalogue import StarTable

_MOST_ARGUMENTS = 50
"""Of one call of concat; a function of PostgreSQL takes a hundred."""

SEQ = "CAST(:seq AS bigint)"
"""The batch, as a parameter."""

_KEEP = """
WITH written AS ({write} RETURNING {key} AS key, {hash} AS row_hash)
INSERT INTO dimension_row (dimension, key, row_hash, seq)
SELECT CAST(:dimension AS text), key, row_hash, {seq} FROM written
ON CONFLICT (dimension, key) DO UPDATE SET row_hash = excluded.row_hash, seq = excluded.seq
"""


def fact_hash(table: StarTable | None, row: str, version: Sequence[str]) -> str:
    """Return the expression of the hash of a fact's row and its version.

    row: alias of the star's row. version: its record_id, key, seq and op, as SQL. table: None of a version
    that has no row.
    """
    return hash_of_text(version, row_text(table, row) if table else "''")


def dimension_hash(table: StarTable, row: str, key: Sequence[str], seq: str) -> str:
    """Return the expression of the hash of a dimension's row. row: its alias. key: the dimension's."""
    return hash_of_text([dimension_key(row, key), seq], row_text(table, row))


def dimension_key(row: str, key: Sequence[str]) -> str:
    """Return the expression of the key text of a dimension's row. row: its alias. key: the dimension's."""
    return key_text(f"{row}.{identifier(name)}" for name in key)


def keeping(write: str, table: StarTable, row: str, key: Sequence[str], seq: str = SEQ) -> str:
    """Return the statement that writes rows of a dimension and keeps their hashes. It returns no rows, and
    counts those written; its parameters are those of `write`, `dimension` and `seq`.

    write: an INSERT or UPDATE without RETURNING, in which `row` is the alias of the dimension's rows.
    """
    hashed = dimension_hash(table, row, key, seq)
    return _KEEP.format(write=write, key=dimension_key(row, key), hash=hashed, seq=seq)


def hash_of_text(entry: Sequence[str], text: str) -> str:
    """Return the expression of a row's hash. entry: what the pipeline's own table says of it, as SQL. text:
    the row's, see `row_text`."""
    parts = [f"chr(31) || CAST({part} AS text)" for part in entry]
    return f"hashtextextended(concat({', '.join([*parts, text])}), 0)"


def row_text(table: StarTable, row: str) -> str:
    """Return the expression of what is hashed of a star's row. row: its alias."""
    columns = sorted(name for name, column in table.columns.items() if not column.generated)
    parts = [
        f"chr(31) || {_literal(name + '=')} || CAST({row}.{identifier(name)} AS text)" for name in columns
    ]
    calls = [
        f"concat({', '.join(parts[start : start + _MOST_ARGUMENTS])})"
        for start in range(0, len(parts), _MOST_ARGUMENTS)
    ]
    return " || ".join(calls) or "''"


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"

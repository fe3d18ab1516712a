"""Reads of a bounded part of a table, in the order of its key: what a chunk asks the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlift.adapters.postgres import source_sql as sql
from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.domains import BASE_TYPE
from starlift.core.polling import Read
from starlift.ports import Bound

# With search_path empty, an operator is looked up in pg_catalog only: > would compare a citext as text, while
# ORDER BY follows the type. And a collation that takes two texts for equal may have two keys at one place.
KEY = f"""
    SELECT a.attname::text, format_type(base.type, base.modifier),
           (SELECT typnamespace = 'pg_catalog'::regnamespace FROM pg_type WHERE oid = base.type)
           AND coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = a.attcollation), true)
    FROM pg_namespace AS n
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = :relation
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    {BASE_TYPE}
    WHERE n.nspname = :schema"""  # noqa: S608 - no value in it


@dataclass(frozen=True)
class KeyColumn:
    """A key column. type: as `format_type` prints it. natural: whether the operators of pg_catalog order it
    as an index does and hold different keys apart; else its text is compared, byte by byte."""

    name: str
    type: str
    natural: bool


def settings(read: Read) -> dict[str, str]:
    """Return the settings that carry the key behind which a read's rows lie."""
    return {f"starlift.key{number}": text for number, text in enumerate(read.after or ())}


def first_lines(read: Read, key: Sequence[KeyColumn], bound: Bound, *, utf8: bool = False) -> str:
    """Return the COPY of the first lines of a read in the order of the key, behind its `after`: so many
    rows at most, and only such as begin before so many bytes. utf8: whether the database is in UTF-8, so
    that a line need not be copied to be measured.

    Each line is made once (OFFSET 0), and they come out in the order in which they were made.
    """
    size = "octet_length(line)" if utf8 else "octet_length(convert_to(line, 'UTF8'))"
    rows = sql.rows(read)
    if read.after is not None:
        rows += f" AND ({_columns(read, key)}) > ({', '.join(map(_value, range(len(key)), key))})"
    rows += f" ORDER BY {_columns(read, key)}"
    if bound.rows is not None:
        rows += f" LIMIT {bound.rows:d}"
    return sql.out(
        f"SELECT line FROM (SELECT line, sum({size}) OVER (ROWS UNBOUNDED PRECEDING) - {size} AS before "  # noqa: S608 - identifiers and numbers
        f"FROM ({sql.lines(read, rows)} OFFSET 0) AS l) AS w WHERE before < {bound.bytes:d}"
    )


def _columns(read: Read, key: Sequence[KeyColumn]) -> str:
    return ", ".join(
        f"t.{identifier(column.name)}"
        if column.natural
        else f'({sql.printed(read, column.name)}) COLLATE "C"'
        for column in key
    )


def _value(number: int, column: KeyColumn) -> str:
    """Fetched in a scalar subquery: it is computed once, and an index on the key serves."""
    kind = column.type if column.natural else "text"
    return f"(SELECT current_setting('starlift.key{number}')::{kind})"

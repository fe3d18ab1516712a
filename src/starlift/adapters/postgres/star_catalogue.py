"""The star's tables as the warehouse's catalogue shows them: columns, keys and references."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pg8000.native

from starlift.adapters.postgres.domains import BASE_TYPE
from starlift.core.types import column_type

DATE_DIMENSION = "dim_date"
"""The dimension that the load makes itself, keyed by `date_id`."""

DATE_KEY = ("date_id",)
"""The date dimension's key."""

NOT_LOADED = "(not loaded)"
"""What a row that has not arrived shows for text that may not be NULL."""


@dataclass(frozen=True)
class StarColumn:
    """A column. type: as `format_type` prints it, the one under a domain. length: limit of a varchar.
    generated: the database computes it, so no model gives it. numbered: SERIAL or identity. unbounded: its
    type without length or precision, None where it has neither; text for the types that cut whatever they
    read, name and "char". domain: its type, where that is one. has_default: of a row that brings no value."""

    name: str
    type: str
    not_null: bool
    length: int | None
    is_text: bool
    generated: bool
    numbered: bool
    unbounded: str | None = None
    domain: str | None = None
    has_default: bool = False

    @property
    def needed(self) -> bool:
        """Whether a row must bring a value."""
        return self.not_null and not self.has_default

    @property
    def staged(self) -> str:
        """The type in which its values wait to be looked at: one that takes all of the model's."""
        unlimited = self.length is None and not self.bends
        return self.type if unlimited else self.unbounded or "character varying"

    @property
    def stand_in(self) -> str:
        """What a row that has not arrived has here, unless this is of its key: SQL."""
        if not self.not_null or self.generated:
            return "NULL"
        return f"CAST('{NOT_LOADED}' AS {self.type})"

    @property
    def bends(self) -> bool:
        """Whether writing a value that fits its model could round or cut it: a decimal is looked at before,
        a varchar by its length."""
        typed = column_type(self.type).arrow == "decimal128"
        return self.unbounded is not None and self.length is None and not typed


@dataclass(frozen=True)
class Reference:
    """A foreign key to a table of the star; the two lists of columns correspond."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class StarTable:
    """A table of the star. columns: by name, in order. primary_key: empty where there is none."""

    name: str
    columns: Mapping[str, StarColumn]
    primary_key: tuple[str, ...]
    references: tuple[Reference, ...]

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """The columns that refer to the date dimension, in order."""
        pointing = {r.columns[0] for r in self.references if r.parent == DATE_DIMENSION}
        return tuple(name for name in self.columns if name in pointing)


# as JSON, because the driver writes an array's 'null' as NULL
_NAMES = "(SELECT json_array_elements_text(CAST(:names AS json)))"

_COLUMNS = f"""
SELECT c.relname, a.attname, format_type(base.type, base.modifier), base.required,
       CASE WHEN base.type = 'varchar'::regtype AND base.modifier > 4 THEN base.modifier - 4 END,
       a.attcollation <> 0, a.attgenerated <> '',
       a.attidentity <> '' OR pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL,
       CASE WHEN base.type IN ('name'::regtype, '"char"'::regtype) THEN 'text' ELSE
           (SELECT format_type(t.oid, -1) FROM pg_type t WHERE t.oid = base.type
            AND base.modifier <> -1 AND t.typnamespace = 'pg_catalog'::regnamespace) END,
       CASE WHEN a.atttypid <> base.type THEN format_type(a.atttypid, a.atttypmod) END,
       a.atthasdef AND a.attgenerated = ''
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
{BASE_TYPE}
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relname IN {_NAMES}
  AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""  # noqa: S608 - no value in it

_KEYS = f"""
SELECT c.relname, ARRAY(
    SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum ORDER BY u.place)
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relname IN {_NAMES}
"""  # noqa: S608 - no value in it

_REFERENCES = f"""
SELECT c.relname, parent.relname,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum ORDER BY u.place),
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
          JOIN pg_attribute a ON a.attrelid = parent.oid AND a.attnum = u.attnum ORDER BY u.place)
FROM pg_class c
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
JOIN pg_class parent ON parent.oid = k.confrelid AND parent.relnamespace = c.relnamespace
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relname IN {_NAMES}
ORDER BY c.relname, k.conkey
"""  # noqa: S608 - no value in it


def read_star(
    connection: pg8000.native.Connection, schema: str, names: Iterable[str]
) -> dict[str, StarTable]:
    """Return those of the named tables that exist in the schema."""
    which = {"schema": schema, "names": json.dumps(list(names), ensure_ascii=False)}
    columns: dict[str, dict[str, StarColumn]] = {}
    for table, *facts in connection.run(_COLUMNS, **which):
        columns.setdefault(table, {})[facts[0]] = StarColumn(*facts)
    keys = {table: tuple(key) for table, key in connection.run(_KEYS, **which)}
    references: dict[str, list[Reference]] = {}
    for table, parent, own, others in connection.run(_REFERENCES, **which):
        references.setdefault(table, []).append(Reference(tuple(own), parent, tuple(others)))
    return {
        name: StarTable(name, found, keys.get(name, ()), tuple(references.get(name, ())))
        for name, found in columns.items()
    }

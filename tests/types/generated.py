"""Tables made for a test: hostile names, columns of many types, keys of one column and more, of any type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.core.config import TableSpec
from starlift.core.models import Model, parse_model

NAMES = (
    "a.b", ".", "..", "x y", " x", "x ", '"', '""', 'a"b', '"a"', '\\"', "\\", "\\n", "a\nb",
    "a\tb", "\r", "'", "''", "E'", "O'Keefe", "`", "n" * 63, "é" * 31, "e\u0301", "名前", "😀",
    "\u200d", "\ufeff", "\u2028", "İ", "ß", "1st", "1", "-1", "1e5", "select", "table", "from",
    "order", "user", "null", "true", "default", "group", "current_date", "current_user", "rowid",
    "row", "values", "struct", "r", "s", "t", "d", "f", "v", "c", "e", "p", "base", "key", "last",
    "missing", "record_id", "data", "%", "%s", "%(x)s", "%I", "{}", "{0}", "{key}", "{column}",
    ":name", ":", "::", ":=", "a:b", "$1", "$$", "$x$", "?", "@", "--", "-- ", "/*", "*/", "#", ";",
    "*", "(", ")", "[1]", ",", "a,b", "=", "a/b", "~", "|", "&", "!", "A", "MiXeD", "pg_class",
    "duckdb_tables", "information_schema", "starlift_shape", "_x", "_", "__index_level_0__",
    "; DROP TABLE canary; --", '"; DROP TABLE canary; --', "'; DROP TABLE canary; --",
    '" FROM canary; --', ":seq", ":fact", ":reason_0", ":driving", "schema", "_change", "_entry",
    "manifests", "nul",
)  # fmt: skip
"""Names of at most 63 bytes that break out where something forgets to quote. No two differ by case alone."""

_HISTORY = {"valid_from", "valid_to", "op", "seq", "record_id"}
"""Columns that a fact's table and views have of their own."""


@dataclass(frozen=True)
class Table:
    """A table to make. name: in the source. number: makes its star table's name. keys: its key's columns.
    columns: type by name, beside the keys. rows: texts in the order of keys, then columns; of those whose
    keys are equal the first is made. key_types: of the key's columns, where that is not text."""

    number: int
    schema: str
    name: str
    keys: tuple[str, ...]
    columns: dict[str, str]
    rows: tuple[tuple[str | None, ...], ...]
    key_types: tuple[str, ...] = ()

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Key columns, then the others."""
        return (*self.keys, *self.columns)

    @property
    def types(self) -> tuple[str, ...]:
        """Their types."""
        return (*(self.key_types or ("text",) * len(self.keys)), *self.columns.values())

    @property
    def spec(self) -> TableSpec:
        """Its declaration; a name that cannot be part of a file's is declared under another."""
        usable = self.name == self.name.strip() and not self.name.startswith(".")
        usable = usable and self.name.isprintable() and not set(self.name) & set("/\\,")
        name = self.name if usable else f"table {self.number}"
        return TableSpec(
            name, self.keys, self.all_columns, schema=self.schema, relation=self.name, mode="xid"
        )

    @property
    def source(self) -> str:
        """Its name, quoted for SQL."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    def make(self, owner: pg8000.native.Connection) -> None:
        """Make and fill it in the source."""
        pairs = zip(self.all_columns, self.types, strict=True)
        columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in pairs)
        owner.run(f"CREATE TABLE {self.source} ({columns}, PRIMARY KEY ({_listed(self.keys)}))")
        owner.run(f"GRANT SELECT ON {self.source} TO starlift_source")
        values = ", ".join(f"CAST(c->>{place} AS {kind})" for place, kind in enumerate(self.types))
        # a setting, because names may look like parameters
        owner.run("SELECT set_config('test.rows', :rows, false)", rows=json.dumps(self.rows))
        owner.run(
            f"INSERT INTO {self.source} SELECT {values} "
            "FROM json_array_elements(CAST(current_setting('test.rows') AS json)) AS c ON CONFLICT DO NOTHING"
        )

    @property
    def star_columns(self) -> tuple[str, ...]:
        """What its columns are called in the star: as in the source, where a model may say so."""
        taken = [
            f"c{n}" if name in _HISTORY or name[0] == "_" else name for n, name in enumerate(self.columns)
        ]
        return (*self.star_keys, *taken)

    @property
    def star_keys(self) -> tuple[str, ...]:
        """What its key's columns are called in the star."""
        return tuple(f"k_{number}" for number in range(len(self.keys)))

    def star(self, kind: str) -> str:
        """Return its star table's name."""
        return f"{kind[:4].removesuffix('e')}_{self.number}"

    def ddl(self, kind: str) -> str:
        """Return its star table's DDL."""
        pairs = zip(self.star_columns, self.types, strict=True)
        columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in pairs)
        key = f"PRIMARY KEY ({', '.join(self.star_keys)})"
        own = "record_id serial PRIMARY KEY" if kind == "fact" else key
        return f"CREATE TABLE {self.star(kind)} ({columns}, {own});\n"

    def model(self, kind: str) -> Model:
        """Return the model that selects its columns."""
        pairs = zip(self.all_columns, self.star_columns, strict=True)
        columns = ", ".join(f"t.{identifier(name)} AS {identifier(star)}" for name, star in pairs)
        key = ", ".join(self.star_keys)
        header = f"-- One row.\n-- kind: {kind}\n-- key: {key}\n-- from: {self.spec.name}\n"
        text = f"{header}SELECT {columns} FROM {identifier(self.spec.name)} AS t\n"
        return parse_model(self.star(kind), text, "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(identifier, names))


def printed(
    connection: pg8000.native.Connection, table: str, columns: Sequence[str]
) -> list[list[str | None]]:
    """Return the rows of a table as PostgreSQL prints them, in one order of their texts."""
    texts = ", ".join(f"{identifier(name)}::text" for name in columns)
    found = connection.run(f"SELECT {texts} FROM {table}") or []
    return sorted(found, key=lambda row: [(text is None, text or "") for text in row])

"""Whether the star's tables are such that the load can keep its promises on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pg8000.native
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.star_catalogue import NOT_LOADED, StarTable, read_star
from starlift.core.manifest import ModelRef
from starlift.core.models import HISTORY_COLUMNS
from starlift.errors import ConfigurationError

LONGEST_NAME = 63
"""Bytes of a name that PostgreSQL keeps; it cuts the rest, and two names may become one."""


def check_shape(
    connection: pg8000.native.Connection, schemas: Schemas, models: Sequence[ModelRef]
) -> list[StarTable]:
    """Return the facts' tables. Raises ConfigurationError with everything that is wrong with any table."""
    schema = schemas.star
    tables = read_star(connection, schema, [model.name for model in models]) if models else {}
    by_name = {model.name: model for model in models}
    faults = [fault for model in models for fault in _faults(model, tables.get(model.name), by_name)]
    faults += _strict_constraints(connection, schema, list(tables))
    for model, table in ((model, tables[model.name]) for model in models if model.name in tables):
        if model.kind == "dimension":
            faults += _stand_in_faults(connection, schema, table)
        else:
            faults += _order_faults(connection, model, table)
    if faults:
        known = schemas.live if schemas.building else schema
        raise ConfigurationError(
            f"the star in schema {known} does not fit its models: {'; '.join(faults)}",
            "put what is to change into a new file of sql/warehouse that begins with `-- schema: star`, "
            "then: starlift migrate",
        )
    return [tables[model.name] for model in models if model.kind == "fact"]


# A row that breaks one of these is at fault only together with others, perhaps of batches to come. What is
# unique over the columns of the primary key, and perhaps more, is never broken.
_STRICT = """
SELECT 'constraint', k.conname::text, c.relname::text
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relname = ANY(:names)
  AND k.contype IN ('u', 'x')
  AND NOT (k.contype = 'u' AND EXISTS (SELECT FROM pg_constraint p WHERE p.conrelid = c.oid
                                       AND p.contype = 'p' AND k.conkey @> p.conkey))
UNION ALL
SELECT 'unique index', x.relname::text, c.relname::text
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relname = ANY(:names)
  AND i.indisunique
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'p'
                  AND ARRAY(SELECT u.attnum FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u (attnum, place)
                            WHERE u.place <= i.indnkeyatts) @> p.conkey)
ORDER BY 3, 2
"""


def _strict_constraints(
    connection: pg8000.native.Connection, schema: str, tables: Sequence[str]
) -> Iterator[str]:
    for kind, name, table in connection.run(_STRICT, schema=schema, names=tables):
        yield (
            f"{kind} {name} of table {table} would keep out every batch with a row that breaks it: state it "
            "as a law in sql/checks"
        )


_CHECKS = """
SELECT conname::text, pg_get_expr(conbin, conrelid) FROM pg_constraint
WHERE conrelid = to_regclass(:table) AND contype = 'c' ORDER BY 1
"""


def _stand_in_faults(connection: pg8000.native.Connection, schema: str, table: StarTable) -> Iterator[str]:
    """Say what keeps a row out of which only key and text are known. Its key counts as unknown here."""
    known = f"a row that has not arrived, of which only key and text are known, the text as {NOT_LOADED!r}"
    columns = {column.name: column for column in table.columns.values()}
    values = {
        name: "NULL" if name in table.primary_key else column.stand_in for name, column in columns.items()
    }
    row = ", ".join(f"CAST({values[name]} AS {columns[name].type}) AS {identifier(name)}" for name in columns)
    quoted = f"{identifier(schema)}.{identifier(table.name)}"
    for name, check in connection.run(_CHECKS, table=quoted):
        if not _holds(connection, f"SELECT ({check}) IS NOT FALSE FROM (SELECT {row}) AS stand_in"):  # noqa: S608
            yield f"constraint {name} of table {table.name} keeps out {known}"
    for name, column in columns.items():
        value = f"CAST(CAST({values[name]} AS {column.type}) AS {column.domain})"
        if name in table.primary_key or not column.domain:
            continue
        if not _holds(connection, f"SELECT count({value}) >= 0"):
            yield f"the type of {table.name}.{name} keeps out {known}"


def _order_faults(connection: pg8000.native.Connection, model: ModelRef, table: StarTable) -> Iterator[str]:
    """Name the key columns by which the load could not number a fact's rows."""
    for column in (table.columns[name] for name in model.key if name in table.columns):
        typed = f"SELECT CAST(NULL AS {column.type}) AS key"
        if not _holds(connection, f"SELECT count(*) > 0 FROM ({typed} ORDER BY key) AS sorted"):  # noqa: S608
            yield f"fact {table.name} has a key of {column.type}, which has no order: make {column.name} text"


def _holds(connection: pg8000.native.Connection, query: str) -> bool:
    """Whether a query returns true; one that fails does not."""
    connection.run("SAVEPOINT asked")
    try:
        return bool(connection.run(query)[0][0])
    except DatabaseError:
        connection.run("ROLLBACK TO SAVEPOINT asked")
        return False


def _faults(model: ModelRef, table: StarTable | None, models: Mapping[str, ModelRef]) -> Iterator[str]:
    if table is None:
        yield f"table {model.name} does not exist"
        return
    if missing := [name for name in model.key if name not in table.columns]:
        yield f"table {table.name} lacks the key column {', '.join(missing)}"
        return
    yield from _fact_faults(model, table) if model.kind == "fact" else _dimension_faults(model, table)
    for reference in table.references:
        parent = models.get(reference.parent)
        if parent and (parent.kind == "fact" or set(parent.key) != set(reference.parent_columns)):
            columns = ", ".join(reference.columns)
            yield f"the foreign key {table.name} ({columns}) does not refer to the key of a dimension"


def _fact_faults(model: ModelRef, table: StarTable) -> Iterator[str]:
    key = table.primary_key
    if len(key) != 1 or key[0] in model.key or not table.columns[key[0]].numbered:
        yield f"fact {table.name} needs one SERIAL column of its own as primary key"
    if taken := [name for name in HISTORY_COLUMNS if name in table.columns]:
        yield (
            f"fact {table.name} has a column {', '.join(taken)}, and its view history_{table.name} has one "
            "of its own: let model and table call it otherwise"
        )
    if len(f"history_{table.name}") > LONGEST_NAME:
        yield f"fact {table.name} leaves no room in a name for history_: call it by one of 55 bytes at most"


def _dimension_faults(model: ModelRef, table: StarTable) -> Iterator[str]:
    if set(table.primary_key) != set(model.key):
        yield f"dimension {table.name} needs the primary key ({', '.join(model.key)})"
    for column in table.columns.values():
        # a list of texts has a collation too, but '(not loaded)' is no list
        words = column.is_text and not column.type.endswith("[]")
        if column.not_null and not (words or column.generated or column.name in model.key):
            name = f"{table.name}.{column.name}"
            yield f"{name} is NOT NULL, but of a row that has not arrived only key and text are known"

"""Whether the star's tables are such that the load can keep its promises on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pg8000.native

from starlift.adapters.postgres.star_catalogue import StarTable, read_star
from starlift.core.manifest import ModelRef
from starlift.errors import ConfigurationError


def check_shape(
    connection: pg8000.native.Connection, schema: str, models: Sequence[ModelRef]
) -> list[StarTable]:
    """Return the facts' tables. Raises ConfigurationError with everything that is wrong with any table."""
    tables = read_star(connection, schema, [model.name for model in models]) if models else {}
    by_name = {model.name: model for model in models}
    faults = [fault for model in models for fault in _faults(model, tables.get(model.name), by_name)]
    if faults:
        raise ConfigurationError(
            f"the star in schema {schema} does not fit its models: {'; '.join(faults)}",
            "put what is missing into a new file of sql/warehouse, then: starlift migrate",
        )
    return [tables[model.name] for model in models if model.kind == "fact"]


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


def _dimension_faults(model: ModelRef, table: StarTable) -> Iterator[str]:
    if set(table.primary_key) != set(model.key):
        yield f"dimension {table.name} needs the primary key ({', '.join(model.key)})"
    for column in table.columns.values():
        # a list of texts has a collation too, but '(not loaded)' is no list
        words = column.is_text and not column.type.endswith("[]")
        if column.not_null and not (words or column.generated or column.name in model.key):
            name = f"{table.name}.{column.name}"
            yield f"{name} is NOT NULL, but of a row that has not arrived only key and text are known"

"""Whether a model's rows fit the star's table as they are, without rounding, cutting or guessing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from starlift.adapters.postgres.star_catalogue import StarColumn, StarTable
from starlift.core.manifest import ModelRef
from starlift.core.types import column_type, read_as
from starlift.errors import ConfigurationError

KEY_COLUMN = "_key"
"""The column of a star file that carries the driving row's key text."""

_BASE_TYPE = re.compile(r"\(\d+(,-?\d+)?\)")
_DECIMAL = re.compile(r"numeric\((\d+),(-?\d+)\)")

_TAKES: dict[pa.DataType, tuple[str, ...]] = {
    pa.bool_(): ("boolean",),
    pa.int16(): ("smallint", "integer", "bigint"),
    pa.int32(): ("integer", "bigint"),
    pa.int64(): ("bigint",),
    pa.float32(): ("real", "double precision"),
    pa.float64(): ("double precision",),
    pa.date32(): ("date",),
    pa.time64("us"): ("time without time zone",),
    pa.timestamp("us"): ("timestamp without time zone",),
}


def require_table(schema: str, table: StarTable | None, model: ModelRef) -> StarTable:
    """Return a model's table, which must be there, a fact's with a surrogate key.

    schema: the star's, for the message. Raises ConfigurationError."""
    if table is not None and (model.kind == "dimension" or len(table.primary_key) == 1):
        return table
    problem = "does not exist" if table is None else "has no surrogate key"
    raise ConfigurationError(
        f"star table {schema}.{model.name} {problem}",
        "put its DDL into a new file of sql/warehouse that begins with `-- schema: star`, then: "
        "starlift migrate",
    )


def surrogate(table: StarTable, model: ModelRef) -> str | None:
    """Return a fact's surrogate key column, which the model does not make; None for a dimension."""
    return table.primary_key[0] if model.kind == "fact" else None


def made_columns(table: StarTable, model: ModelRef) -> tuple[str, ...]:
    """Return the columns of a star table that the model may make, in the table's order."""
    own = surrogate(table, model)
    return tuple(name for name, column in table.columns.items() if name != own and not column.generated)


def check_columns(schema: pa.Schema, table: StarTable, model: ModelRef) -> None:
    """Raise ConfigurationError, naming table and column, unless what a model makes fits its table.

    A column that may be NULL or has a default can be missing: rows of a model that takes whatever its tables
    have (SELECT *) may be older than the column.
    """
    made = made_columns(table, model)
    given = schema.names
    if missing := [name for name in made if name not in given and table.columns[name].needed]:
        raise _unfit(table.name, f"the model does not make {_listed(missing)}")
    if unknown := [name for name in given if name not in made]:
        raise _unfit(table.name, f"the star's table has no {_listed(unknown)}")
    for name in given:
        if not takes(table.columns[name], schema.field(name).type):
            raise _unfit(
                table.name,
                f"the model makes column {name} as {schema.field(name).type}, "
                f"which does not go into {table.columns[name].type} unchanged",
            )


def check_fit(schema: pa.Schema, table: StarTable, model: ModelRef) -> None:
    """Raise ConfigurationError as `check_columns` does, for a file of the model's rows."""
    if KEY_COLUMN not in schema.names:
        raise _unfit(table.name, f"its rows carry no {KEY_COLUMN}")
    check_columns(schema.remove(schema.get_field_index(KEY_COLUMN)), table, model)


def takes(column: StarColumn, given: pa.DataType) -> bool:
    """Whether the column holds every value of the Arrow type exactly, or says so at COPY.

    Text goes where values travel as text; elsewhere it is a model that forgot to type it. It does not go
    where its meaning would be the warehouse's own: money is read by lc_monetary."""
    base = _BASE_TYPE.sub("", column.type)
    if pa.types.is_string(given) or pa.types.is_large_string(given):
        return column_type(column.type).arrow == "string" and not read_as(column.type)
    if pa.types.is_decimal(given):
        return base == "numeric" and _holds(column.type, given.precision, given.scale)
    if pa.types.is_timestamp(given) and given.tz is not None:
        return given.unit == "us" and base == "timestamp with time zone"
    return base in _TAKES.get(given, ())


def _holds(numeric: str, precision: int, scale: int) -> bool:
    match = _DECIMAL.fullmatch(numeric)
    if match is None:
        return True
    digits, places = int(match[1]), int(match[2])
    return places >= scale and digits - places >= precision - scale


def _listed(names: Sequence[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _unfit(table: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"star table {table}: {problem}",
        f"bring sql/models/{table}.sql and its DDL together, by a new file of sql/warehouse that begins with "
        "`-- schema: star`, then: starlift migrate",
    )

"""Columns that a batch adds to a table are filled into the star's rows, and are no change of them.

To tell the two apart, the models of facts run a second time, over tables without the added columns, as
they were in the batch before; or, where a model needs them, over NULL in their place, as they are in the
batches before when a rebuild makes those again. Where a row so made is what the star has, only the columns
are new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from starlift.core.models import Model
from starlift.errors import ConfigurationError
from starlift.ports import Engine, RowError
from starlift.stages.emission import Emission, in_key_order, keyed, visible, without

Added = Mapping[str, Sequence[str]]
"""The columns that a batch adds, by source table."""


def rows_without(
    engine: Engine,
    models: Sequence[Model],
    emission: Emission,
    tables: Mapping[str, pa.Table],
    key: Sequence[str],
    added: Added,
) -> dict[str, pa.Table]:
    """Return, by fact, the emitted rows as they would be without the added columns, `_key` last.

    models: those of one driving table. tables: typed rows of the tables that they read. key: the driving
    table's. A fact is left out where the columns make no difference to it, and where none can be told: a
    model that refuses rows without them, or makes columns of other types with them, has ordinary versions.
    """
    found = {}
    for model in (model for model in models if model.kind == "fact" and added.keys() & set(model.tables)):
        if set(key) & set(added.get(model.driving, ())):
            continue
        star = emission.star[model.name]
        rows = without(in_key_order(tables[model.driving], key), emission.rejected)
        for as_before in (_absent, _null):
            before = {
                name: as_before(table, added.get(name, ()))
                for name, table in {**tables, model.driving: rows}.items()
                if name in model.tables
            }
            made = _made(engine, model, before, key)
            if made is not None and _is_part(made.schema, star.schema):
                if not made.equals(star):
                    found[model.name] = made
                break
    return found


def _absent(rows: pa.Table, added: Sequence[str]) -> pa.Table:
    return rows.select([name for name in rows.column_names if name not in added])


def _null(rows: pa.Table, added: Sequence[str]) -> pa.Table:
    for name in added:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, name, pa.nulls(rows.num_rows, rows.schema.field(name).type))
    return rows


def _made(
    engine: Engine, model: Model, tables: Mapping[str, pa.Table], key: Sequence[str]
) -> pa.Table | None:
    try:
        made = engine.run(model, {name: visible(rows) for name, rows in tables.items()})
        return keyed(model, made, tables[model.driving], key)
    except (RowError, ConfigurationError):
        return None


def _is_part(part: pa.Schema, whole: pa.Schema) -> bool:
    return all(field in whole for field in part)

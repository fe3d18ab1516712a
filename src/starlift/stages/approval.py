"""Whether the models can be made of the tables as they are about to be taken: asked before a batch is.

A committed batch never changes, so one whose columns or keys do not fit the models would hold the
pipeline until it is started anew. Here the models run over empty tables of the batch's very types.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from starlift.core.manifest import Column
from starlift.core.models import Model
from starlift.core.typing import schema_of
from starlift.errors import ConfigurationError
from starlift.ports import Engine
from starlift.stages.emission import check_key
from starlift.stages.readiness import check_keys


def approve(
    models: Sequence[Model],
    engine: Engine,
    schema: Mapping[str, tuple[Column, ...]],
    keys: Mapping[str, tuple[str, ...]],
    rekeyed: Collection[str] = (),
) -> dict[str, pa.Schema]:
    """Return the columns that each model makes of the tables. Reads and writes no row.

    schema, keys: columns and key columns by table, as the manifest of the batch will have them. rekeyed:
    tables of which the models still have the key that was. Raises ConfigurationError unless every model fits
    the tables, by what it reads and by its key; the message names the model and the table or column that is
    missing.
    """
    columns = {}
    check_keys(models, keys, rekeyed)
    tables = {name: schema_of(columns).empty_table() for name, columns in schema.items()}
    for model in models:
        for name in model.tables:
            if name not in tables:
                raise ConfigurationError(
                    f"model {model.name} reads table {name}, which is not among the tables that are taken",
                    f"edit sql/pipeline.toml or sql/models/{model.name}.sql, then: starlift run",
                )
        try:
            made = engine.run(model, {name: tables[name] for name in model.tables})
            check_key(model, made.schema, tables[model.driving].schema, keys[model.driving])
            columns[model.name] = made.schema
        except ConfigurationError as error:
            raise ConfigurationError(
                f"model {model.name} does not fit the tables that are taken: {error.message}",
                f"edit sql/pipeline.toml or sql/models/{model.name}.sql, then: starlift run",
            ) from error
    return columns

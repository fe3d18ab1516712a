"""Whether the models can use what a poll is about to land: asked before a batch is the first to have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlift.core.manifest import Column
from starlift.core.models import Model
from starlift.errors import ConfigurationError
from starlift.ports import Engine
from starlift.stages.emission import emit
from starlift.stages.source_rows import typed_schema


def approve(
    models: Sequence[Model],
    engine: Engine,
    schema: Mapping[str, tuple[Column, ...]],
    keys: Mapping[str, tuple[str, ...]],
) -> None:
    """Raise ConfigurationError where a model names a table or column that is not taken, or its key is not
    the driving table's: every model is run over tables without rows. schema, keys: by source table."""
    empty = {name: typed_schema(columns).empty_table() for name, columns in schema.items()}
    for model in models:
        for table in model.tables:
            if table not in empty:
                raise ConfigurationError(
                    f"model {model.name} reads table {table}, which is not taken",
                    f"declare [tables.{table}] in sql/pipeline.toml, or take sql/models/{model.name}.sql "
                    "away, then: starlift run",
                )
        joined = {name: empty[name] for name in model.joins}
        emit(engine, [model], empty[model.driving], keys[model.driving], joined)

"""Models are held to the tables that are about to be taken before a batch of them is committed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core.manifest import Column
from starlift.core.models import Model
from starlift.errors import ConfigurationError
from starlift.stages.approval import approve
from tests.transform.lakes import DIM_STAFF, FACT_SALE, SMALL, table

Tables = Mapping[str, tuple[tuple[Column, ...], tuple[str, ...]]]


def ask(engine: DuckDBEngine, tables: Tables, *models: Model) -> None:
    schema = {name: columns for name, (columns, _) in tables.items()}
    approve(models, engine, schema, {name: key for name, (_, key) in tables.items()})


def refusal(engine: DuckDBEngine, tables: Tables, *models: Model) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        ask(engine, tables, *models)
    return caught.value


def test_models_that_fit_their_tables_are_approved(engine: DuckDBEngine) -> None:
    ask(engine, SMALL, DIM_STAFF, FACT_SALE)


@pytest.mark.parametrize("missing", ["staff", "department"])
def test_a_table_that_is_not_taken_is_named_with_its_model(engine: DuckDBEngine, missing: str) -> None:
    error = refusal(engine, {name: SMALL[name] for name in SMALL if name != missing}, FACT_SALE, DIM_STAFF)
    assert error.message.startswith(f"model dim_staff reads table {missing}, which is not among the tables")
    assert error.hint == "edit sql/pipeline.toml or sql/models/dim_staff.sql, then: starlift run"


def test_a_table_with_another_key_needs_another_model(engine: DuckDBEngine) -> None:
    schema = {name: columns for name, (columns, _) in SMALL.items()}
    keys = {name: key for name, (_, key) in SMALL.items()}
    approve([DIM_STAFF, FACT_SALE], engine, schema, keys, ["department"])
    with pytest.raises(ConfigurationError, match="model dim_staff has still the one before") as caught:
        approve([DIM_STAFF, FACT_SALE], engine, schema, keys, ["staff"])
    assert "sql/models/dim_staff.sql" in caught.value.hint


UNFIT = [
    ("staff", table("staff_id", staff_id="integer", department_id="integer"), '"name" not found'),
    ("department", table("department_id", department_id="integer", since="date"), '"title" not found'),
    (
        "staff",
        table("name", staff_id="integer", name="text", department_id="integer"),
        "is int32, name of staff",
    ),
    (
        "staff",
        table("staff_id,name", staff_id="integer", name="text", department_id="integer"),
        "its key has 1 columns, that of staff 2",
    ),
    (
        "department",
        table("department_id", department_id="integer", title="text", Title="text"),
        "columns title and Title of department differ only in case",
    ),
    ("department", table("department_id", department_id="text", title="text"), "text is read as INTEGER"),
]


@pytest.mark.parametrize(("name", "changed", "fault"), UNFIT)
def test_columns_and_keys_that_do_not_fit_a_model_are_named_with_it(
    engine: DuckDBEngine, name: str, changed: tuple[tuple[Column, ...], tuple[str, ...]], fault: str
) -> None:
    error = refusal(engine, {**SMALL, name: changed}, FACT_SALE, DIM_STAFF)
    assert error.message.startswith("model dim_staff does not fit the tables that are taken: ")
    assert fault in error.message
    assert error.hint == "edit sql/pipeline.toml or sql/models/dim_staff.sql, then: starlift run"


def test_a_table_that_no_model_reads_may_have_any_columns(engine: DuckDBEngine) -> None:
    wide = table("id", id="integer", ID="text", other="interval")
    ask(engine, {**SMALL, "audit": wide}, FACT_SALE)

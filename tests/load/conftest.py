"""A migrated warehouse, as its owner uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from starlift.adapters.embedded.provision import run_script
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.warehouse import PostgresWarehouse
from starlift.adapters.sql_files import load_models
from starlift.core.config import Limits, PipelineConfig
from starlift.core.models import Model, parse_model
from starlift.ports import Loaded
from tests.load.batches import History
from tests.postgres import SQL, PostgresForTests, WarehouseDatabase, connected, end_sessions, script

CONFIG = PipelineConfig(
    "totesys", "public", "public", tables={}, limits=Limits(lock_wait=timedelta(seconds=5))
)
PIPELINE_DDL = (SQL / "warehouse" / "010_pipeline.sql").read_text()


@dataclass
class Star:
    """A warehouse under test, and the lake's history whose batches it is given."""

    database: WarehouseDatabase
    config: PipelineConfig = CONFIG
    sql: Path = SQL
    pipeline: str = "starlift"
    history: History = field(default_factory=History)

    def open(self) -> PostgresWarehouse:
        """Return the warehouse as a process would make it."""
        schemas = Schemas(self.config.warehouse_schema, self.pipeline)
        return PostgresWarehouse(Dsn.parse(self.database.owner), self.config, self.sql, schemas)

    def migrate(self, models: Sequence[Model] | None = None) -> tuple[str, ...]:
        """Run `starlift migrate`, for Totesys' models where none are given."""
        with self.open() as warehouse:
            return warehouse.migrate(load_models(SQL) if models is None else models)

    def load(self, star: Any = None, **parts: Any) -> Loaded:
        """Apply the next batch, made of the given parts."""
        return self.apply(self.history.batch(star, **parts))

    def apply(self, batch: Any) -> Loaded:
        """Apply a batch, as a process would."""
        with self.open() as warehouse:
            return warehouse.apply(batch)

    def rows(self, query: str, **values: Any) -> list[list[Any]]:
        """Run a query as the owner."""
        with connected(self.database.owner) as connection:
            return connection.run(query, **values) or []

    def value(self, query: str, **values: Any) -> Any:
        """Run a query of one value as the owner."""
        return self.rows(query, **values)[0][0]

    def in_schema(self, schema: str) -> PipelineConfig:
        """Return the configuration with the star in another schema."""
        return replace(self.config, warehouse_schema=schema)

    def waiting(self, seconds: float) -> Star:
        """The same with another patience."""
        limits = replace(self.config.limits, lock_wait=timedelta(seconds=seconds))
        return replace(self, config=replace(self.config, limits=limits))


def own_sql(folder: Path, ddl: str, laws: Mapping[str, str] | None = None) -> Path:
    """Fill a folder with the pipeline's own tables, a star's DDL and laws, as sql/ has them."""
    for name, files in (
        ("warehouse", {"010_pipeline.sql": PIPELINE_DDL, "020_star.sql": f"-- schema: star\n{ddl}"}),
        ("checks", laws or {}),
    ):
        (folder / name).mkdir(exist_ok=True)
        for file, text in files.items():
            (folder / name / file).write_text(text)
    return folder


def model(name: str, kind: str, key: str, driving: str) -> Model:
    """Return a model of which only the header matters."""
    return parse_model(name, f"-- One row.\n-- kind: {kind}\n-- key: {key}\n-- from: {driving}\n", name)


@pytest.fixture(scope="session")
def one_warehouse(postgres: PostgresForTests) -> Iterator[WarehouseDatabase]:
    """One database for all tests of the load: emptying it takes a fifth of the time of making another."""
    with postgres.warehouse() as database:
        yield database


def emptied(database: WarehouseDatabase) -> WarehouseDatabase:
    """Take everything out of a warehouse but roles and privileges."""
    with connected(database.admin) as admin:
        end_sessions(admin)
        for role in ("starlift_analyst", "starlift_warehouse"):
            admin.run(f"DROP OWNED BY {role} CASCADE")
        for role in ("warehouse", "analyst"):
            run_script(admin, script(f"roles/{role}.sql"))
    return database


def migrated(database: WarehouseDatabase) -> Star:
    """Return an empty star."""
    found = Star(emptied(database))
    found.migrate()
    return found


@pytest.fixture
def empty_warehouse(one_warehouse: WarehouseDatabase) -> WarehouseDatabase:
    """A warehouse that is not migrated."""
    return emptied(one_warehouse)


@pytest.fixture
def star(one_warehouse: WarehouseDatabase) -> Star:
    """An empty star, migrated."""
    return migrated(one_warehouse)

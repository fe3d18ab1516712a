"""A place for pipelines of generated tables: one pair of databases, each pipeline in schemas of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.adapters.postgres.connection import identifier
from starlift.ports import StarCounts
from tests.load.conftest import own_sql
from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase, connected
from tests.types.generated import Table, printed
from tests.types.journey import SETTINGS, Pipeline

KINDS = ("dimension", "fact")
LEDGER = "led:ger \"'"


@dataclass
class Ground:
    """Two databases and an engine for many pipelines, one after the other. canary: a table of each
    database that a name which breaks out of its quotes would drop."""

    source: SourceDatabase
    warehouse: WarehouseDatabase
    folder: Path
    engine: DuckDBEngine = field(default_factory=DuckDBEngine)
    numbers: Iterator[int] = field(default_factory=count)

    def check(self, tables: Sequence[Table], star: str, kinds: Sequence[str] = KINDS) -> None:
        """Run a pipeline over the tables, twice, and hold the star, in a schema, against the source.

        kinds: of star tables to make of each."""
        folder = self.folder / str(next(self.numbers))
        folder.mkdir()
        sql = own_sql(folder, "".join(table.ddl(kind) for table in tables for kind in kinds))
        models = [table.model(kind) for table in tables for kind in kinds]
        specs = {table.spec.name: table.spec for table in tables}
        pipeline = Pipeline(self.source, self.warehouse, specs, models, sql, star, LEDGER)
        try:
            self._make(tables)
            self._run(pipeline, tables, kinds)
        finally:
            self._clear(self.source, {table.schema for table in tables})
            self._clear(self.warehouse, {star, LEDGER})

    def _make(self, tables: Sequence[Table]) -> None:
        with connected(self.source.admin) as owner:
            for schema in {table.schema for table in tables}:
                owner.run(f"CREATE SCHEMA {identifier(schema)}")
                owner.run(f"GRANT USAGE ON SCHEMA {identifier(schema)} TO starlift_source")
            for table in tables:
                table.make(owner)

    def _run(self, pipeline: Pipeline, tables: Sequence[Table], kinds: Sequence[str]) -> None:
        pipeline.migrate()
        made, _ = pipeline.run(self.engine)
        assert made.quarantined == 0
        rows = self._compare(tables, pipeline.star, kinds)
        with connected(self.source.admin) as owner:
            for table in tables:
                key = identifier(table.keys[0])
                owner.run(f"UPDATE {table.source} SET {key} = {key}")
        _, again = pipeline.run(self.engine)
        assert again.star == {
            table.star(kind): StarCounts(unchanged=rows[table.name]) for table in tables for kind in kinds
        }

    def _compare(
        self, tables: Sequence[Table], warehouse_schema: str, kinds: Sequence[str]
    ) -> dict[str, int]:
        """Return how many rows each table has, all of them in the star."""
        rows = {}
        with connected(self.source.admin) as source, connected(self.warehouse.owner) as warehouse:
            for connection in (source, warehouse):
                connection.run(SETTINGS)
            for table in tables:
                sent = printed(source, table.source, table.all_columns)
                rows[table.name] = len(sent)
                for kind in kinds:
                    star = f"{identifier(warehouse_schema)}.{table.star(kind)}"
                    assert printed(warehouse, star, table.star_columns) == sent, table.name
        return rows

    def _clear(self, database: SourceDatabase | WarehouseDatabase, schemas: Iterable[str]) -> None:
        with connected(database.admin) as admin:
            for schema in schemas:
                admin.run(f"DROP SCHEMA IF EXISTS {identifier(schema)} CASCADE")
            assert admin.run("SELECT sings FROM public.canary") == [[True]]


@pytest.fixture(scope="module")
def ground(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Two databases with a canary each."""
    with postgres.source() as source, postgres.warehouse() as warehouse:
        for database in (source, warehouse):
            with connected(database.admin) as admin:
                admin.run("CREATE TABLE public.canary AS SELECT true AS sings")
        ground = Ground(source, warehouse, tmp_path_factory.mktemp("sql"))
        yield ground
        ground.engine.close()

"""One journey of every odd value: source, extract, lake, transform, load, warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pg8000.native

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.adapters.memory import MemoryLake
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.source import PostgresSource
from starlift.adapters.postgres.warehouse import PostgresWarehouse
from starlift.core.config import Limits, PipelineConfig, TableSpec
from starlift.core.manifest import Manifest
from starlift.core.models import Model, parse_model
from starlift.ports import Loaded
from starlift.stages import log
from starlift.stages.extract import Run, extract
from starlift.stages.load import load
from starlift.stages.transform import Transformed, transform
from tests.load.conftest import own_sql
from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase, connected
from tests.types.corpus import CASES, ODD, TYPES_DDL, Case

LIMITS = Limits(margin=timedelta(), lock_wait=timedelta(seconds=5), memory=1_000_000_000)
"""With memory for all values in one batch."""
SETTINGS = "SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'"


@dataclass
class Pipeline:
    """Two databases with two lakes in memory between them, and the stages as a run has them."""

    source: SourceDatabase
    warehouse: WarehouseDatabase
    tables: Mapping[str, TableSpec]
    models: Sequence[Model]
    sql: Path
    star: str = "public"
    ledger: str = "starlift"
    ingestion: MemoryLake = field(default_factory=lambda: MemoryLake("ingestion"))
    processed: MemoryLake = field(default_factory=lambda: MemoryLake("processed"))
    polls: int = 0

    @property
    def config(self) -> PipelineConfig:
        """The declaration."""
        return PipelineConfig("odd", "public", self.star, dict(self.tables), LIMITS)

    def migrate(self) -> None:
        """Make the star."""
        with self._opened() as warehouse:
            warehouse.migrate(self.models)

    def run(self, engine: DuckDBEngine) -> tuple[Transformed, Loaded]:
        """One run that finds something."""
        self.polls += 1
        with PostgresSource(Dsn.parse(self.source.reader)) as source:
            extract(source, self.ingestion, self.config, Run(f"run{self.polls}", "test"))
        (made,) = transform(self.ingestion, self.processed, self.models, engine, "test")
        with self._opened() as warehouse:
            (loaded,) = load(self.processed, warehouse)
        return made, loaded

    @contextmanager
    def _opened(self) -> Iterator[PostgresWarehouse]:
        schemas = Schemas(self.config.warehouse_schema, self.ledger)
        with PostgresWarehouse(Dsn.parse(self.warehouse.owner), self.config, self.sql, schemas) as warehouse:
            yield warehouse


@dataclass(frozen=True)
class Outcome:
    """What became of one value. type: as `format_type` prints it, domains resolved. value: as the source
    prints it. sent: that with the bits of a float; arrived: the same of the warehouse. reason: of its
    quarantine."""

    case: Case
    column: str
    type: str
    value: str | None
    sent: str | None
    arrived: str | None
    reason: str

    @property
    def unchanged(self) -> bool:
        """Whether it arrived exactly; a row in quarantine did not, also where it is NULL."""
        return self.sent == self.arrived and not self.reason


@dataclass(frozen=True)
class Journey:
    """What became of all values, in a dimension and in a fact; and what loading them again did.
    version: the server's major one, of two the older's."""

    dimension: list[Outcome]
    fact: list[Outcome]
    again: Loaded
    version: int


Columns = Mapping[str, Case]
"""The table's columns, by name; a server before a type came has none of it."""

_FILL = """
CREATE FUNCTION pg_temp.fill(number int, type text, value text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- a "char" before PostgreSQL 15 is not always text
    EXECUTE format('SELECT convert_from(textsend(CAST($1 AS %s)::text), ''UTF8'')', type) USING value;
    EXECUTE format('INSERT INTO odd (which, %I) VALUES ($1, CAST($2 AS %s))', 'v' || number, type)
    USING number, value;
EXCEPTION WHEN OTHERS THEN
    RAISE DEBUG 'not a value of the type';
END $$
"""


def travel(
    postgres: PostgresForTests, folder: Path, engine: DuckDBEngine, to: PostgresForTests | None = None
) -> Journey:
    """Let every value of the corpus travel, to another server where one is given."""
    to = to or postgres
    version = min(postgres.version, to.version)
    with postgres.source() as source, to.warehouse() as warehouse:
        for database in (source, warehouse):
            with connected(database.admin) as admin:
                admin.run("CREATE EXTENSION hstore SCHEMA public")
        columns = _columns(version)
        if to is not postgres:
            # servers with and without libxml are no matter of the version
            columns = {name: case for name, case in columns.items() if case.type != "xml"}
        _fill(source, columns)
        sql = own_sql(folder, _star_ddl(columns))
        pipeline = Pipeline(source, warehouse, {"odd": _spec(columns)}, _models(columns), sql)
        pipeline.migrate()
        pipeline.run(engine)
        dimension, fact = (_outcomes(pipeline, name, columns) for name in ("dim_odd", "fact_odd"))
        with connected(source.admin) as admin:
            admin.run("UPDATE odd SET touched = true")
        _, again = pipeline.run(engine)
        return Journey(dimension, fact, again, version)


def _columns(version: int) -> Columns:
    return {f"v{number}": case for number, case in enumerate(CASES) if case.since <= version}


def _typed(columns: Columns) -> str:
    return ", ".join(f"{name} {case.type}" for name, case in columns.items())


def _star(columns: Columns) -> str:
    return ", ".join(f"{name} {case.star}" for name, case in columns.items())


def _spec(columns: Columns) -> TableSpec:
    return TableSpec("odd", ("id",), ("id", "which", *columns), mode="xid")


def _star_ddl(taken: Columns) -> str:
    columns = f"id integer{{}}, which integer, {_star(taken)}"
    return (
        f"{TYPES_DDL} CREATE TABLE dim_odd ({columns.format(' PRIMARY KEY')});"
        f"CREATE TABLE fact_odd (record_id serial PRIMARY KEY, {columns.format('')});"
    )


def _models(columns: Columns) -> list[Model]:
    select = f"SELECT id, which, {', '.join(columns)} FROM odd"
    return [
        parse_model(
            f"{short}_odd", f"-- One row a value.\n-- kind: {kind}\n-- key: id\n-- from: odd\n{select}", ""
        )
        for short, kind in (("dim", "dimension"), ("fact", "fact"))
    ]


def _fill(source: SourceDatabase, columns: Columns) -> None:
    candidates = [
        (int(name[1:]), case.type, value)
        for name, case in columns.items()
        for value in (None, *dict.fromkeys((*case.values, *ODD)))
    ]
    with connected(source.admin) as admin:
        admin.run(TYPES_DDL)
        admin.run(
            f"CREATE TABLE odd (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, which integer, "
            f"touched boolean, {_typed(columns)})"
        )
        admin.run(_FILL)
        admin.run(
            "SELECT pg_temp.fill(CAST(c->>0 AS int), c->>1, c->>2) "
            "FROM json_array_elements(CAST(:all AS json)) AS c",
            all=json.dumps(candidates),
        )
        admin.run("GRANT SELECT ON odd TO starlift_source")


def _printed(
    connection: pg8000.native.Connection, table: str, columns: Columns
) -> dict[int, tuple[int, str | None, str | None]]:
    """Return, by id, the case's number, the value as printed, and that with the bits of a float."""
    texts = ", ".join(case.text(name) for name, case in columns.items())
    bits = ", ".join(
        f"encode({'float4' if case.type == 'real' else 'float8'}send({name}), 'hex')"
        for name, case in columns.items()
        if case.type in ("real", "double precision")
    )
    connection.run(SETTINGS)
    rows = connection.run(
        f"SELECT id, which, coalesce({texts}), concat_ws(' ', coalesce({texts}), {bits}) FROM {table}"
    )
    return {
        number: (which, value, exact if value is not None else None) for number, which, value, exact in rows
    }


def _outcomes(pipeline: Pipeline, table: str, taken: Columns) -> list[Outcome]:
    with connected(pipeline.source.admin) as source, connected(pipeline.warehouse.owner) as warehouse:
        sent, arrived = _printed(source, "odd", taken), _printed(warehouse, table, taken)
        reasons = dict(warehouse.run("SELECT key, reason FROM starlift.quarantine"))
    (schema,) = Manifest.decode(log.read(pipeline.ingestion, 1)).schema.values()
    columns = {column.name: column.type for column in schema}
    return [
        Outcome(
            case=CASES[which],
            column=f"v{which}",
            type=columns[f"v{which}"],
            value=value,
            sent=exact,
            arrived=arrived[number][2] if number in arrived else None,
            reason=reasons.get(f"({number})", ""),
        )
        for number, (which, value, exact) in sorted(sent.items())
    ]

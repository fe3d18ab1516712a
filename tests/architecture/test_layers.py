"""The core is pure, stages know ports, only adapters know drivers."""

from __future__ import annotations

import pytest

from tests.architecture.layers import LAYERS, impurities, wrong_imports
from tests.architecture.tree import PACKAGE, broken_places


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_one_it_must_not_know(layer: str) -> None:
    files = (PACKAGE / layer).rglob("*.py")
    assert not [place for f in files for place in broken_places(f, wrong_imports(layer, f.read_text()))]


def test_the_core_reaches_no_driver_environment_clock_or_file() -> None:
    files = (PACKAGE / "core").rglob("*.py")
    assert not [place for f in files for place in broken_places(f, impurities(f.stem, f.read_text()))]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("core", "import starlift.adapters.memory"),
        ("core", "from starlift.stages import extract"),
        ("core", "from starlift.ports import Lake"),
        ("core", "from starlift import settings"),
        ("core", "from ..stages import extract"),
        ("stages", "def run():\n    from starlift.adapters.folder import FolderLake"),
        ("stages", "from starlift import adapters"),
        ("stages", "from starlift.entrypoints import cli"),
        ("stages", "import starlift.bootstrap"),
        ("stages", "import boto3.session"),
        ("stages", "from pg8000.native import Connection"),
        ("adapters", "from starlift.stages.load import load"),
        ("adapters", "import starlift.entrypoints.cli"),
    ],
)
def test_an_import_across_the_layers_is_found(layer: str, text: str) -> None:
    assert len(wrong_imports(layer, text)) == 1


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("core", "from starlift.core.manifest import File\nfrom starlift.errors import HeldError"),
        ("stages", "from starlift import __version__\nfrom starlift.ports import Lake\nimport zstandard"),
        ("adapters", "import boto3\nfrom starlift.adapters.keys import check\nimport starlift.ports"),
    ],
)
def test_an_import_within_its_layer_is_let_through(layer: str, text: str) -> None:
    assert wrong_imports(layer, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from pathlib import Path",
        "import sys",
        "import socket",
        "import subprocess",
        "from time import monotonic",
        "import logging",
        "import random",
        "from uuid import uuid4",
        "import pyarrow.compute as pc",
        "import duckdb",
        "text = open('sql/pipeline.toml').read()",
        "from datetime import datetime\nstamp = datetime.now()",
        "import datetime\nday = datetime.date.today()",
        "from datetime import datetime\nstamp = datetime.utcnow()",
    ],
)
def test_a_reach_out_of_the_core_is_found(text: str) -> None:
    assert len(impurities("polling", text)) == 1


def test_columns_of_rows_are_let_into_the_modules_that_are_for_them() -> None:
    assert impurities("typing", "import pyarrow as pa\nfrom datetime import datetime, UTC") == []

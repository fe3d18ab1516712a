"""Importing a module does nothing but define what is in it, and the core loads no driver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.layers import DRIVERS
from tests.architecture.tree import PACKAGE

PROBE = Path(__file__).with_name("import_probe.py")


def probe(folder: Path, package: str) -> dict[str, Any]:
    """Import all of a package in a process of its own."""
    command = [sys.executable, "-I", "-B", str(PROBE), str(folder), package]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_importing_the_core_loads_no_driver() -> None:
    loaded = probe(PACKAGE.parent, "starlift.core")["loaded"]
    assert "starlift.core.manifest" in loaded
    assert DRIVERS.isdisjoint(loaded)


def test_importing_any_module_does_no_work() -> None:
    found = probe(PACKAGE.parent, "starlift")
    assert "starlift.entrypoints.cli" in found["loaded"]
    assert found["done"] == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("open('left_behind', 'w').close()", "open"),
        ("from pathlib import Path\nPath('folder').mkdir()", "os.mkdir"),
        ("import socket\nsocket.socket().connect_ex(('127.0.0.1', 9))", "socket.connect"),
        ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])", "subprocess.Popen"),
        ("import os\nos.environ['PLANTED'] = '1'", "environment"),
        ("import logging\nlogging.basicConfig()", "logging"),
        ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()", "thread"),
    ],
)
def test_work_done_by_an_import_is_found(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "__init__.py").touch()
    (tmp_path / "planted" / "module.py").write_text(text)
    assert any(what in done for done in probe(tmp_path, "planted")["done"])


def test_a_driver_loaded_by_an_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "__init__.py").write_text("import pg8000")
    assert "pg8000" in probe(tmp_path, "planted")["loaded"]

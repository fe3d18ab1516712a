"""The repository as the tests of its architecture read it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "starlift"


@cache
def tracked() -> list[Path]:
    """Return the files git knows, as far as they are there and are text."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()]


def python_files() -> list[Path]:
    """Return the Python files of the package, the tests, the scripts and the benchmarks."""
    return [file for folder in ("src", "tests", "scripts", "bench") for file in (ROOT / folder).rglob("*.py")]


def broken_places(file: Path, places: list[str]) -> list[str]:
    """Return places with the file's name, to click on."""
    return [f"{file.relative_to(ROOT)}:{place}" for place in places]

"""Python's bytecode for a function's files: Lambda's folder is read-only, so a function that brings none
compiles all that it imports at every cold start, which takes longer than all the rest of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

PYTHON = "3.13"
TASK = "/var/task"
"""Where Lambda has a function's files; tracebacks name them so."""


@cache
def find_python() -> str | None:
    """Return a Python 3.13, None where there is none: that of the path, or of pyenv."""
    candidates = [f"python{PYTHON}"]
    if shutil.which("pyenv"):
        told = subprocess.run(["pyenv", "prefix", PYTHON], capture_output=True, text=True, check=False)
        candidates += [f"{told.stdout.strip()}/bin/python{PYTHON}"] if told.returncode == 0 else []
    for candidate in candidates:
        # run it rather than look it up: a version manager's shim exists without its Python
        program = shutil.which(candidate)
        if program and subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
            return program
    return None


def compiled(files: Mapping[str, bytes], python: str) -> dict[str, bytes]:
    """Return the bytecode of a function's Python files, by path. It depends on the files and on the Python
    alone, and is taken without a look at the file that it is of."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in (name for name in files if name.endswith(".py")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(files[name])
        places = ("-s", folder, "-p", TASK, folder)
        subprocess.run(
            [python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *places],
            capture_output=True,
            check=True,
        )
        found = sorted(folder.rglob("__pycache__/*.pyc"))
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}

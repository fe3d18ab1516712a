"""Runs named sections, or one of them, and says how each went: for run_checks.py and soak.py.

A section that fails does not stop the next; the failing and the skipped ones are named at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

MEMORY = Path("/dev/shm")  # noqa: S108 - Linux' own; the folder in it is ours
ROOM = 4 << 30
"""Bytes. The tests need less than half of it."""

Section = Callable[[], bool]

_SKIP = 3
"""Exit code of `python -m tests.versions` where this machine has no such version and gets none."""


class Skipped(Exception):
    """A section that cannot run here, with what is missing and why."""


def run_sections(name: str, sections: Mapping[str, Section]) -> int:
    """Run what the command line asks for. Return the exit code, 1 where a section failed."""
    options = argparse.ArgumentParser(prog=name)
    options.add_argument("--only", choices=sections, metavar="SECTION", help=", ".join(sections))
    only = options.parse_args().only
    report: list[str] = []
    ended: dict[str, list[str]] = {"ok": [], "FAILED": [], "skipped": []}
    for section, check in sections.items():
        if only not in (None, section):
            continue
        print(f"\n== {section}", flush=True)
        began, note = time.monotonic(), ""
        try:
            verdict = "ok" if check() else "FAILED"
        except Skipped as reason:
            verdict, note = "skipped", f"  {reason}"
            print(f"skipped: {reason}")
        ended[verdict].append(section)
        report.append(f"{verdict:7} {section:11} {time.monotonic() - began:6.1f} s{note}")
    print("", *report, sep="\n")
    for verdict in ("skipped", "FAILED"):
        if ended[verdict]:
            print(f"{name}: {verdict.lower()}: {', '.join(ended[verdict])}")
    if ended["FAILED"]:
        return 1
    print(f"{name}: {'the others' if ended['skipped'] else 'all'} passed")
    return 0


def run(*command: str | Path, folder: Path = ROOT, **environment: str) -> bool:
    """Run a tool of the environment that this script runs in. Return whether it succeeded."""
    words = [str(word) for word in command]
    print("$", *(f"{name}={value}" for name, value in environment.items()), *words, flush=True)
    ended = subprocess.run(
        [BIN / words[0], *words[1:]], cwd=folder, env={**os.environ, **environment}, check=False
    )
    return ended.returncode == 0


def tests_on(version: str, *tests: str) -> bool:
    """Run tests on a major version of PostgreSQL. Raises Skipped where it is not to be had."""
    command = [sys.executable, "-m", "tests.versions", version]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode == _SKIP:
        raise Skipped(f"PostgreSQL {version} ({found.stderr.strip()})")
    if found.returncode != 0:
        print(found.stderr, end="")
        return False
    with files_in_memory():
        return run("pytest", *WORKERS, *tests, STARLIFT_TEST_POSTGRES=found.stdout.strip())


@contextmanager
def files_in_memory() -> Iterator[None]:
    """Have the temporary files of what is run in a block in memory, where this machine has room for them:
    the tests' lakes sync each of their files, and on a disk wait for that. A TMPDIR that is set stays."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="starlift-", dir=MEMORY) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL, which does not run as root, passes through
        os.environ["TMPDIR"] = folder
        try:
            yield
        finally:
            del os.environ["TMPDIR"]


# a worker per core, each with a PostgreSQL of its own; four are enough on a big machine
WORKERS = ("-n", str(min(4, os.cpu_count() or 1)), "--dist=worksteal")
"""Options of pytest."""
SIMULATED = ("--workers", WORKERS[1])
"""Options of tests.simulation."""

"""Prove in some two minutes that no row is lost, and print it as one table. This is what `make prove` runs.

    .venv/bin/python scripts/prove.py [--only SECTION]

The exit code is 1 where a section shows otherwise. docs/proof.md says what each does, and has longer runs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable

from sections import ROOT, SIMULATED, WORKERS

Proof = Callable[[], tuple[str, bool]]
"""Returns what to print, and whether it holds."""


def stress() -> tuple[str, bool]:
    """Writers of every kind, and polls of several methods, at once."""
    return said("-m", "tests.stress", "--seconds", "10", "--table")


def peers() -> tuple[str, bool]:
    """Five changes, with dlt, sling and starlift."""
    return said("-m", "bench.peers", "--table")


def simulation() -> tuple[str, bool]:
    """Histories of the real stages over ports in memory."""
    text, holds = said("-m", "tests.simulation", *SIMULATED, "--seconds", "25")
    return text.splitlines()[-1] if holds else text, holds


def kills() -> tuple[str, bool]:
    """A SIGKILL at every kind of step that a command takes."""
    text, passed = said(
        *("-m", "pytest", "-q", "-rP", *WORKERS, "-p", "no:cacheprovider"),
        *("tests/e2e/test_kills.py", "-k", "any_step"),
    )
    killed = sum(map(int, re.findall(r"^(\d+) kills at ", text, re.MULTILINE)))
    if not passed or not killed:
        return text, False
    return kills_line(killed), True


def kills_line(killed: int) -> str:
    """Return what is said of so many kills, after each of which the star was what a snapshot had shown."""
    return f"{killed} commands killed, at every kind of step that they take; rows wrong after any of them: 0"


PROOFS: dict[str, Proof] = {"stress": stress, "peers": peers, "simulation": simulation, "kills": kills}


def said(*words: str) -> tuple[str, bool]:
    """Run Python with these words in the repository; return its stdout, and whether it ended well."""
    ended = subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return ended.stdout.strip(), ended.returncode == 0


def main() -> int:
    """Prove what the command line asks for."""
    options = argparse.ArgumentParser(prog="prove")
    options.add_argument("--only", choices=PROOFS, metavar="SECTION", help=", ".join(PROOFS))
    only = options.parse_args().only
    began, failed = time.monotonic(), []
    for name, proof in PROOFS.items():
        if only in (None, name):
            if sys.stderr.isatty():  # overwritten by what it comes to
                print(f"{name} ...", end="\r", file=sys.stderr, flush=True)
            text, holds = proof()
            print(f"{text}\n", flush=True)
            if not holds:
                failed.append(name)
    lasted = time.monotonic() - began
    print(f"FAILED: {', '.join(failed)}" if failed else f"All of it holds ({lasted:.0f} s; docs/proof.md)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

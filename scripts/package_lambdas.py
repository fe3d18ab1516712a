"""Build the zips of the functions for AWS Lambda. This is what `make package` runs.

    .venv/bin/python scripts/package_lambdas.py [--sql sql] [--ca-bundle ca.pem] [--check]

Writes dist/lambda/{extract,transform,load}-{arm64,x86_64}.zip; `reconcile` shares extract's. Prints their
sizes, and how long a function's imports take in a process that is new, where this machine has Python 3.13.
--check builds one of them twice instead, and tries two; exit code 3 where that cannot be done here.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from lambda_bytecode import PYTHON, find_python
from lambda_wheels import FUNCTIONS, PLATFORMS, Unavailable
from lambda_zip import NoProject, TooLarge, Zip, contents, write
from sections import ROOT

ZIPS = ROOT / "dist" / "lambda"

LOADS = {
    "extract": (
        "starlift.adapters.postgres.source",
        "starlift.adapters.lakes",
        "starlift.adapters.s3",
        "starlift.adapters.secrets",
        "starlift.adapters.sql_files",
        "starlift.stages.extract",
    ),
    "transform": (
        "starlift.adapters.duckdb_driving",
        "starlift.adapters.duckdb_engine",
        "starlift.adapters.lakes",
        "starlift.adapters.s3",
        "starlift.adapters.sql_files",
        "starlift.stages.key_lists",
        "starlift.stages.processed_files",
        "starlift.stages.star_batch",
        "starlift.stages.transform",
    ),
    "load": (
        "starlift.adapters.postgres.loading",
        "starlift.adapters.postgres.warehouse",
        "starlift.adapters.lakes",
        "starlift.adapters.s3",
        "starlift.adapters.secrets",
        "starlift.stages.load",
        "starlift.stages.processed_files",
    ),
}
"""What a function loads when there is work, beside what its handler loads at once."""

ALL_LOAD = ("starlift.entrypoints.lambdas", "aws_lambda_powertools.logging", "aws_lambda_powertools.metrics")

TRIES = 5
CANNOT = 3

_TIMED = """
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.process_time()
for name in sys.argv[2:]:
    __import__(name)
print(time.process_time() - began)
"""


def native() -> str | None:
    """Return the architecture of this machine, None for one that Lambda has not."""
    machine = {"aarch64": "arm64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    return machine if machine in PLATFORMS and sys.platform == "linux" else None


def import_seconds(python: str, unpacked: Path, function: str, tries: int = TRIES) -> float:
    """Return the median of the seconds of a processor that a function's imports take in new processes, where
    no other package is at hand and no bytecode but their own, as in Lambda, whose folder is read-only.

    Raises RuntimeError where one of them fails."""
    found = []
    for _ in range(tries):
        ended = subprocess.run(
            [python, "-I", "-B", "-S", "-c", _TIMED, unpacked, *ALL_LOAD, *LOADS[function]],
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{function} cannot be imported from its zip:\n{ended.stderr}")
        found.append(float(ended.stdout))
    return statistics.median(found)


def tried(python: str, built: Zip, function: str, tries: int = TRIES) -> float:
    """Unpack a zip, and return how long the imports of its function take from there."""
    with TemporaryDirectory() as folder:
        with zipfile.ZipFile(built.path) as archive:
            archive.extractall(folder)
        return import_seconds(python, Path(folder), function, tries)


def table(built: dict[tuple[str, str], Zip], seconds: dict[str, float]) -> str:
    """Return the sizes of zips by function and architecture, and the seconds of a function's imports."""
    lines = [f"{'function':10} {'arm64, MB':>18} {'x86_64, MB':>18} {'imports, s of CPU':>18}"]
    for function in FUNCTIONS:
        sizes = [
            f"{made.size / 1e6:.1f} ({made.unzipped / 1e6:.0f})" if made else "-"
            for made in (built.get((function, arch)) for arch in PLATFORMS)
        ]
        taken = f"{seconds[function]:.2f}" if function in seconds else "-"
        lines.append(f"{function:10} {sizes[0]:>18} {sizes[1]:>18} {taken:>18}")
    return "\n".join(lines)


def package(sql: Path, certificates: Path | None) -> None:
    """Build all zips, try those that run here, and print the table."""
    built = {
        (function, arch): write(ZIPS / f"{function}-{arch}.zip", contents(function, arch, sql, certificates))
        for function in FUNCTIONS
        for arch in PLATFORMS
    }
    seconds = {}
    python, here = find_python(), native()
    if not python:
        print(f"skipped: bytecode (there is no python{PYTHON} here); imports take twice as long without")
    if python and here:
        seconds = {function: tried(python, built[function, here], function) for function in FUNCTIONS}
    for arch in PLATFORMS:
        if not python:
            print(f"skipped: imports of {arch} (there is no python{PYTHON} here)")
        elif arch != here:
            print(f"skipped: imports of {arch} (this machine is {platform.machine()})")
    print(f"{ZIPS.relative_to(ROOT)}: zipped, and unzipped in brackets; imports in a new process")
    print(table(built, seconds))


def check(sql: Path) -> int:
    """Build one zip twice, which must be the same, and try it and the largest. Return the exit code."""
    python, arch = find_python(), native()
    if not (python and arch):
        print(f"there is no python{PYTHON} here" if arch else f"Lambda has no {platform.machine()}")
        return CANNOT
    with TemporaryDirectory() as folder:
        twice = [write(Path(folder, f"{n}.zip"), contents("extract", arch, sql)) for n in range(2)]
        digests = {hashlib.sha256(built.path.read_bytes()).hexdigest() for built in twice}
        if len(digests) > 1:
            print("two builds of extract differ")
            return 1
        print(f"extract: {digests.pop()}, twice; imports {tried(python, twice[0], 'extract', 1):.2f} s")
        largest = write(Path(folder, "transform.zip"), contents("transform", arch, sql))
        taken = tried(python, largest, "transform", 1)
        print(f"transform: {largest.unzipped / 1e6:.0f} MB; imports {taken:.2f} s")
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Build, or check. Return the exit code."""
    options = argparse.ArgumentParser(prog="package", description=__doc__)
    options.add_argument("--sql", type=Path, default=ROOT / "sql", help="the folder with pipeline.toml")
    options.add_argument("--ca-bundle", type=Path, help="certificates of the databases' CA, in PEM")
    options.add_argument("--check", action="store_true")
    asked = options.parse_args(words)
    try:
        if asked.check:
            return check(asked.sql)
        package(asked.sql, asked.ca_bundle)
    except Unavailable as error:
        print(f"the package index cannot be used: {error}")
        return CANNOT
    except (NoProject, TooLarge, RuntimeError, OSError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

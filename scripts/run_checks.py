"""Run every check, or one section of them. This is what `make run-checks` and CI run.

    .venv/bin/python scripts/run_checks.py [--only SECTION]

A section that fails does not stop the next; the failing ones are named at the end, and the exit code is 1.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from package_lambdas import CANNOT as CANNOT_PACKAGE
from sections import (
    ROOT,
    SIMULATED,
    WORKERS,
    Section,
    Skipped,
    files_in_memory,
    run,
    run_sections,
    tests_on,
)

KNOWN_VULNERABLE = "https://pypi.org/pypi/requests/2.19.0/json"
"""What pip-audit asks of its service, for a version with known vulnerabilities."""

IN_BETWEEN = (
    "tests/types/test_corpus.py",
    "tests/extract/test_chunk_reads.py",
    "tests/extract/test_inventories.py",
    "tests/extract/test_polls.py",
    "tests/extract/test_source.py",
    "tests/extract/test_source_kinds.py",
    "tests/extract/test_traps.py",
    "tests/load/test_bulk.py",
    "tests/load/test_migrate.py",
    "tests/load/test_publish.py",
    "tests/load/test_star_ddl.py",
    "tests/load/test_turns.py",
    "tests/load/test_values.py",
    "tests/e2e/test_first_load.py",
)
"""Tests on a version between the oldest and the newest: values, snapshots, kinds of source, DDL, locks."""

ON_THE_OLDEST = (
    *IN_BETWEEN,
    "tests/types",
    "tests/connection",
    "tests/doctor",
    "tests/extract/test_drift.py",
    "tests/extract/test_personal_data.py",
    "tests/initialise/test_drafts.py",
    "tests/load",
    "tests/totesys/test_loading.py",
    "tests/totesys/test_roles.py",
    "tests/totesys/test_schema.py",
    "tests/transform/test_against_postgresql.py",
)
"""And every value, what the catalogue tells, PostgreSQL's own hashes, and all of the load.

What else runs on a server asks it for nothing that these do not; `make soak` runs all.
"""

CHECKOV = "tests/terraform/test_checkov.py"
ELSEWHERE = ("--ignore=tests/simulation", "--ignore=tests/terraform", "--ignore=tests/workflows")
"""Tests that have a section of their own, where no coverage is measured."""


def check_format() -> bool:
    return run("ruff", "format", "--check", ".")


def check_lint() -> bool:
    return run("ruff", "check", ".")


def check_types() -> bool:
    return run("mypy", "src", "tests", "scripts", "bench")


def check_tests() -> bool:
    """Tests that no other section runs, and the branches they cover: all of the core, 95 % of everything."""
    with files_in_memory():
        passed = run("pytest", *WORKERS, *ELSEWHERE, "--cov", "--cov-report=")
    core = run("coverage", "report", "--include=src/starlift/core/*", "--fail-under=100")
    return run("coverage", "report", "--fail-under=95") and core and passed


def check_simulation() -> bool:
    """Histories of the real stages over ports in memory, and breakages that they have to find."""
    found = run("pytest", *WORKERS, "tests/simulation")  # measuring coverage would take half as long again
    simulation = ("python", "-m", "tests.simulation", *SIMULATED)
    return run(*simulation, "--seconds", "60", "--least", "2000", "--coverage") and found


def check_terraform() -> bool:
    """What terraform would make keeps its laws, and planted mistakes are found. No account is needed."""
    passed = run("pytest", "-n", "0", "tests/terraform", f"--ignore={CHECKOV}")
    if passed and shutil.which("terraform") is None:
        raise Skipped("terraform not found")
    if passed:
        require_environment("tests/terraform/offline/provider.txt")
    return passed


def check_checkov() -> bool:
    """checkov finds nothing in terraform/. Its hundred packages are installed once, into the user's cache."""
    require_environment("tests/terraform/checkov.txt")
    return run("pytest", "-n", "0", CHECKOV)


def check_workflows() -> bool:
    """zizmor and actionlint find nothing in the workflows, and what is planted."""
    require_environment("tests/workflows/linters.txt")
    return run("pytest", "-n", "0", "tests/workflows")


def require_environment(lock: str) -> None:
    """Raise Skipped where the tools that a lock names are not here and cannot be installed."""
    made = [sys.executable, "-m", "tests.environments", lock]
    ended = subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise Skipped(f"{lock} cannot be installed ({ended.stderr.strip()})")


def check_docs() -> bool:
    """The examples in docstrings do what they show. Links and commands in documents are tests."""
    return run("pytest", "--doctest-modules", "src/starlift", "-p", "no:cacheprovider")


def check_security() -> bool:
    patterns = run("bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", "src")
    if reason := vulnerability_service_is_down():
        print(f"skipped: pip-audit (its service cannot be reached: {reason})")
        return patterns
    lock = ("--requirement", "requirements/dev.lock", "--require-hashes", "--disable-pip")
    return run("pip-audit", *lock, "--strict", "--progress-spinner=off") and patterns


def vulnerability_service_is_down() -> str:
    """Return why pip-audit could not find anything, or nothing. A package index that answers without its
    vulnerabilities would clear every version."""
    try:
        with urllib.request.urlopen(KNOWN_VULNERABLE, timeout=20) as answer:
            known = json.load(answer).get("vulnerabilities")
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        return str(error)
    return "" if known else "it knows of no vulnerability"


def check_packaging() -> bool:
    """The wheel, built offline, holds the package and sql/, and `starlift init` works from it alone."""
    with TemporaryDirectory() as scratch:
        clone, wheels, unpacked, project = (
            Path(scratch, name) for name in ("clone", "wheels", "unpacked", "project")
        )
        # only what git tracks: a wheel built in place also takes what an older build left behind
        copy_tracked(clone)
        offline = ("--no-index", "--no-deps", "--no-build-isolation", "--quiet")
        if not run("python", "-m", "pip", "wheel", *offline, "--wheel-dir", wheels, ".", folder=clone):
            return False
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            wheel.extractall(unpacked)
        project.mkdir()
        init = (
            f"import sys; sys.path.insert(0, {str(unpacked)!r});"
            "from starlift.entrypoints.cli import main; sys.exit(main(['init']))"
        )
        return (
            same_files("the wheel", files_below(unpacked / "starlift"), packaged())
            and run("python", "-I", "-c", init, folder=project)
            and same_files("starlift init", files_below(project), {".env", *tracked("sql")})
        )


def check_lambdas() -> bool:
    """A function's zip is the same when it is built again, and what it needs is in it."""
    ended = subprocess.run(
        [sys.executable, ROOT / "scripts" / "package_lambdas.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == CANNOT_PACKAGE:
        raise Skipped(f"the functions' packages ({ended.stdout.strip()})")
    print(ended.stdout + ended.stderr, end="")
    return ended.returncode == 0


def tracked(folder: str) -> set[str]:
    """Return the files and links that git knows below a folder of the repository and that are there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


def copy_tracked(target: Path) -> None:
    for name in tracked("."):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


def packaged() -> set[str]:
    """Return what the wheel's starlift/ must hold: the package's files, and sql/ as its `reference`."""
    package = tracked("src/starlift") - {"src/starlift/reference"}  # the link to sql/
    reference = {str(PurePosixPath("reference", *Path(name).parts[1:])) for name in tracked("sql")}
    return reference | {str(PurePosixPath(name).relative_to("src/starlift")) for name in package}


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def same_files(where: str, found: set[str], expected: set[str]) -> bool:
    if found == expected:
        return True
    print(f"{where} lacks {sorted(expected - found)}; not expected: {sorted(found - expected)}")
    return False


SECTIONS: dict[str, Section] = {
    "format": check_format,
    "lint": check_lint,
    "types": check_types,
    "docs": check_docs,
    "tests": check_tests,
    "simulation": check_simulation,
    "terraform": check_terraform,
    "checkov": check_checkov,
    "postgres-15": partial(tests_on, "15", *IN_BETWEEN),
    "postgres-13": partial(tests_on, "13", *ON_THE_OLDEST),
    "security": check_security,
    "workflows": check_workflows,
    "packaging": check_packaging,
    "lambdas": check_lambdas,
}


if __name__ == "__main__":
    sys.exit(run_sections("run-checks", SECTIONS))

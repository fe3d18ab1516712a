"""As whom the server's programs run, and what that account can reach.

PostgreSQL refuses to run as root. Started by root, it runs as whoever owns its data, at first `nobody`.
"""

from __future__ import annotations

import os
import pwd
import subprocess  # nosec B404
from pathlib import Path
from typing import NamedTuple

from starlift.errors import ConfigurationError

UNPRIVILEGED = "nobody"


class Account(NamedTuple):
    """An unprivileged account that root becomes for the server's programs."""

    uid: int
    gid: int


def account_for(data: Path, name: str = UNPRIVILEGED) -> Account | None:
    """Return whom to run as: the owner of existing data, else `name`; None unless this is root.

    Raises ConfigurationError where root has no account to become.
    """
    if os.geteuid() != 0:
        return None
    if data.exists():
        owner = data.stat()
        return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and there is no user {name!r} to run it as",
            f"run this command as another user, or: useradd --system {name}",
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def run_as(account: Account | None, command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as the account, with an environment of its own.

    The caller's PG* and locale variables must not reach the server, nor its working directory, which
    the account may not be able to enter. LOCPATH does: it chooses no locale, it says where they are.
    Raises PermissionError, subprocess.TimeoutExpired.
    """
    places = {name: os.environ[name] for name in ("LOCPATH",) if name in os.environ}
    # no shell, and the arguments are ours
    return subprocess.run(  # nosec B603
        command,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        env={"PATH": os.defpath, "LC_ALL": "C", **places},
        cwd="/",
        umask=0o077,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def can(account: Account | None, permission: str, path: Path) -> bool:
    """Tell whether the account has `r`, `w` or `x` on a path, by trying: modes alone do not show access
    lists, or a parent folder that it cannot enter."""
    test = ["/bin/sh", "-c", f'test -{permission} "$0"', str(path)]
    return run_as(account, test, timeout=10).returncode == 0


def give(path: Path, account: Account | None) -> None:
    """Make a folder and all in it the account's; a no-op when programs run as the caller."""
    if account is None:
        return
    for place in (path, *path.rglob("*")):
        os.chown(place, *account, follow_symlinks=False)

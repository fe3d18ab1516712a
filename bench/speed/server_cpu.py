"""What the server has worked, for whomever it worked: no part of a client's figures, shown beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pg8000.native

_TICKS = os.sysconf("SC_CLK_TCK")


def postmaster(connection: pg8000.native.Connection) -> int:
    """Return the process that a connection's server began with, which must run on this machine."""
    return int(_stat(connection.run("SELECT pg_backend_pid()")[0][0])[1])


def worked(root: int) -> float:
    """Return the user and system seconds of a server's processes so far, also of those that have ended."""
    own = sum(int(ticks) for ticks in _stat(root)[11:15])
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return (own + sum(_alive(int(child)) for child in children)) / _TICKS


def _alive(child: int) -> int:
    try:
        return sum(int(ticks) for ticks in _stat(child)[11:13])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended; the postmaster has its seconds


def _stat(pid: int) -> list[str]:
    """Return a process's figures from its state on: what is before may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()

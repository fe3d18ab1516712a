"""What a data folder's postmaster.pid says about its server, and whether to believe it."""

from __future__ import annotations

import subprocess  # nosec B404
from pathlib import Path
from typing import Literal, NamedTuple

Status = Literal["starting", "ready", "stopping"]

_NO_PROCESS = 2**31 - 1
"""Above any system's largest process id."""


class Postmaster(NamedTuple):
    """A live server of a data folder."""

    pid: int
    status: Status


def find(data: Path) -> Postmaster | None:
    """Return the live server of a data folder, or None: none was started, or it is dead.

    The pid alone proves nothing: after a hard kill it may be a zombie's (a container's first process
    may never reap), or by now a stranger's. So the process must have been started on this folder.
    """
    lines = _lines(data)
    pid = _pid(lines)
    if pid is None or not _was_started_on(pid, data):
        return None
    word = lines[7].strip() if len(lines) > 7 else "starting"
    if word in ("ready", "stopping"):
        return Postmaster(pid, "ready" if word == "ready" else "stopping")
    return Postmaster(pid, "starting")


def disown(data: Path) -> None:
    """Make a dead server's pid file name no process, so that a zombie or stranger with that pid does not
    stop the next start. The rest must stay: by its shared memory key PostgreSQL waits for orphaned
    children of the old server."""
    lines = _lines(data)
    if _pid(lines) is not None:
        (data / "postmaster.pid").write_text("\n".join([str(_NO_PROCESS), *lines[1:]]) + "\n")


def _lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _pid(lines: list[str]) -> int | None:
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def _was_started_on(pid: int, data: Path) -> bool:
    """By the process's command line, which a zombie has no more."""
    return (_in_proc if Path("/proc/self/cmdline").exists() else in_ps)(pid, data)


def _in_proc(pid: int, data: Path) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return str(data) in line.split("\0")


def in_ps(pid: int, data: Path) -> bool:
    """Tell the same where there is no /proc (macOS)."""
    # a fixed command, and the pid is a number
    listed = subprocess.run(  # nosec B603 B607
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return f" {data} " in f"{listed.stdout.strip()} "

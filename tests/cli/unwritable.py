"""Folders that nobody may write, root included."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.project import STARLIFT, Project, Said, environment

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24

ROOT = os.geteuid() == 0
CAN_LOCK = not ROOT or sys.platform == "linux"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Take the right to write a folder from everybody, for a block."""
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(mode)


def starlift_without_override(project: Project, *words: str) -> Said:
    """Run a command as a user to whom permissions apply: root may ignore them, unless it gives that up."""
    process = subprocess.Popen(
        [*STARLIFT, *words],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_obey if ROOT else None,  # noqa: PLW1509 - one system call, and no thread holds a lock
    )
    return project.ended(process)


def _obey() -> None:
    # root has the capabilities of the bounding set anew in each program it starts, so there it must go
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the right to ignore permissions cannot be given up")

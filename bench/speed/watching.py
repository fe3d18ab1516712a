"""A command that is run and watched: its time, and the processor time and memory of all its processes.

What a server does for it is not counted: a server is no child of its client. Linux only.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

EVERY = 0.02
"""Seconds between two looks at the memory."""


@dataclass(frozen=True)
class Run:
    """A command that has ended.

    seconds: from start to end. cpu: user and system seconds of its processes. pss: the most bytes they had
    at one time, each shared page divided among those that share it. hwm: the most that the largest resident
    sets of processes living at one time came to, a check on `pss`, which is only sampled, `looks` times.
    code: negative where a signal ended it. within: whether it kept to the limit it was given.
    """

    seconds: float
    cpu: float
    pss: int
    hwm: int
    looks: int
    code: int
    stdout: str
    stderr: str
    within: bool = True


class Tree:
    """The processes below one, itself included, and the most memory that they were seen to have."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.pss = 0
        self.hwm = 0
        self.looks = 0

    def look(self) -> int:
        """Measure once; return the bytes that they have now."""
        members = self.members()
        now = sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in members) * 1024
        self.pss = max(self.pss, now)
        self.looks += 1
        self.hwm = max(self.hwm, sum(_kilobytes(pid, "status", "VmHWM:") for pid in members) * 1024)
        return now

    def members(self) -> list[int]:
        """Return the processes that live."""
        found = [self.root]
        for pid in found:
            found += _children(pid)
        return found

    def kill(self) -> None:
        """End them all, at once."""
        for pid in reversed(self.members()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def watch(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    limit: float = math.inf,
    until: Callable[[float], bool] = lambda _: False,
) -> Run:
    """Run a command in a folder to its end.

    limit: bytes above which it is killed. until: told the seconds since the start, has it killed too.
    """
    with (folder / "stdout").open("w+") as out, (folder / "stderr").open("w+") as err:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        tree, within = Tree(process.pid), True
        end = _End(process)
        while end.is_alive():
            within = within and tree.look() <= limit
            if not within or until(time.monotonic() - began):
                tree.kill()
            end.join(EVERY)
        return Run(
            seconds=end.at - began,
            cpu=end.cpu,
            pss=tree.pss,
            hwm=tree.hwm,
            looks=tree.looks,
            code=process.returncode,
            stdout=_read(out),
            stderr=_read(err),
            within=within,
        )


class _End(threading.Thread):
    """Waits for a process: a loop that looks now and then would see its end late."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.at = self.cpu = 0.0
        self._process = process
        self.start()

    def run(self) -> None:
        _, status, usage = os.wait4(self._process.pid, 0)
        self.at = time.monotonic()
        self.cpu = usage.ru_utime + usage.ru_stime
        self._process.returncode = os.waitstatus_to_exitcode(status)


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has just ended


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0  # it has just ended
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()

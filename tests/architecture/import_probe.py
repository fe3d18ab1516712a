"""Imports every module of a package and prints, as JSON, what that loaded and what it did.

    python -I -B import_probe.py FOLDER PACKAGE

Run in a process of its own: an audit hook cannot be taken away again.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

WORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec",
        "os.mkdir", "os.remove", "os.rename", "os.putenv", "shutil.")  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def modules(folder: Path, package: str) -> list[str]:
    """Return the names of a package's modules, `__main__` left out."""
    root = folder.joinpath(*package.split("."))
    names = {".".join(file.relative_to(folder).with_suffix("").parts) for file in root.rglob("*.py")}
    return sorted(name.removesuffix(".__init__") for name in names if not name.endswith("__main__"))


def ours(frame: FrameType | None, folder: Path) -> bool:
    """Return whether code of `folder` asked for the work, rather than the import of another package."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return False
        if file.startswith(str(folder)):
            return True
        frame = frame.f_back
    return False


def main(folder: Path, package: str) -> None:
    importing = ""
    done: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if (writes or event.startswith(WORK)) and ours(sys._getframe(1), folder):
            done.append(f"{importing}: {event} {arguments[:1]}")

    sys.path.insert(0, str(folder))
    environment = dict(os.environ)
    sys.addaudithook(watch)
    for importing in modules(folder, package):
        importlib.import_module(importing)
    if os.environ != environment:
        done.append("the environment was changed")
    if logging.getLogger().handlers:
        done.append("logging was set up")
    if threading.active_count() > 1:
        done.append("a thread was started")
    print(json.dumps({"loaded": sorted(sys.modules), "done": done}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

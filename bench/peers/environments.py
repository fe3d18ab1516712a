"""An environment of its own for each peer, in the user's cache: made once, from locked versions."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


class Unavailable(Exception):
    """A peer that cannot be installed here, and why."""


def environment(peer: str) -> Path:
    """Return the folder of a peer's environment, after making it if need be. Raises Unavailable."""
    with _alone(place(peer).parent):
        if not is_made(peer):
            _make(place(peer), HERE / f"{peer}.txt")
    return place(peer)


def place(peer: str) -> Path:
    """Return where a peer's environment is: another lock has another place."""
    lock = (HERE / f"{peer}.txt").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "starlift-peers" / f"{peer}-{hashlib.sha256(lock).hexdigest()[:12]}"


def locked_version(peer: str, package: str) -> str:
    """Return the version of a package in a peer's environment."""
    found = re.search(rf"^{package}==(\S+)", (HERE / f"{peer}.txt").read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{peer}.txt does not name {package}")
    return found[1]


def is_made(peer: str) -> bool:
    """Whether a peer's environment is there."""
    return (place(peer) / "made").exists()


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let one process at a time look and install."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(folder))
    _run(
        *(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)),
    )
    (folder / "made").touch()


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = (ended.stderr or ended.stdout).strip().splitlines()
        raise Unavailable(said[-1] if said else f"{command[0]} ended with {ended.returncode}")

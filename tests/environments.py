"""An environment of its own for a tool that does not fit into ours: made once, kept in the user's cache.

`python -m tests.environments LOCK` makes that of a lock; exit code 3 says that this is not possible here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Unavailable(Exception):
    """An environment that cannot be made here, and why."""


def environment(lock: Path) -> Path:
    """Return the folder of a lock's environment, after making it if need be. Raises Unavailable."""
    with _alone(place(lock).parent):
        if not is_made(lock):
            _make(place(lock), lock)
    return place(lock)


def place(lock: Path) -> Path:
    """Return where the environment of a lock is: another lock has another place."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "starlift-environments" / f"{lock.stem}-{digest[:12]}"


def is_made(lock: Path) -> bool:
    """Whether the environment of a lock is there."""
    return (place(lock) / "made").exists()


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


def main() -> int:
    """Make the environment that the command line asks for. Return the exit code."""
    try:
        environment(Path(sys.argv[1]))
    except Unavailable as reason:
        print(reason, file=sys.stderr)  # noqa: T201 - what a command has to say
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""An environment of its own for each peer, from the locked versions beside this file."""

from __future__ import annotations

import re
from pathlib import Path

from tests import environments
from tests.environments import Unavailable

__all__ = ["HERE", "Unavailable", "environment", "is_made", "locked_version", "place"]

HERE = Path(__file__).parent


def environment(peer: str) -> Path:
    """Return the folder of a peer's environment, after making it if need be. Raises Unavailable."""
    return environments.environment(_lock(peer))


def place(peer: str) -> Path:
    """Return where a peer's environment is: another lock has another place."""
    return environments.place(_lock(peer))


def is_made(peer: str) -> bool:
    """Whether a peer's environment is there."""
    return environments.is_made(_lock(peer))


def locked_version(peer: str, package: str) -> str:
    """Return the version of a package in a peer's environment."""
    found = re.search(rf"^{package}==(\S+)", _lock(peer).read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{peer}.txt does not name {package}")
    return found[1]


def _lock(peer: str) -> Path:
    return HERE / f"{peer}.txt"

"""Being root and, for a while, not being root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ROOT = os.geteuid() == 0

as_root_only = pytest.mark.skipif(not ROOT, reason="needs root, which becomes nobody")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody within the block; whoever is not root already is.

    Real and effective ids change, the saved one is the way back; programs started have none of them.
    """
    if not ROOT:
        yield
        return
    nobody, groups = pwd.getpwnam("nobody"), os.getgroups()
    os.setgroups([])
    os.setresgid(nobody.pw_gid, nobody.pw_gid, 0)
    os.setresuid(nobody.pw_uid, nobody.pw_uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)

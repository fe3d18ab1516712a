"""The `starlift` process: its libraries take no more memory and time than the work needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

M_ARENA_MAX = -8
"""Of mallopt(3)."""

STAGES = frozenset({"run", "extract", "transform", "load", "rebuild", "replay", "reconcile"})
"""Commands that move rows."""


UNUSED = ("numpy", "pandas")
"""Packages that no stage uses."""


class WithoutUnused:
    """Keeps packages out of a process that has no use for them.

    pyarrow and DuckDB import both wherever they are installed, only to see whether a value is one of theirs:
    70 MB and half a second.
    """

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for these packages, and leave all else to others."""
        if fullname in UNUSED:
            raise ImportError(f"a stage of starlift works without {fullname}")
        return None


def _share_memory() -> None:
    """Have all threads, DuckDB's too, share one arena of glibc's allocator: each of its own keeps what it
    once had, which took two thirds more memory for a million rows."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def main() -> None:
    """Run the command line in this process and leave with its exit code."""
    # Arrow's own allocators keep what they have once had, by thread; the system's gives it back
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if STAGES.intersection(sys.argv[1:]):
        _share_memory()
        sys.meta_path.insert(0, WithoutUnused())
    from starlift.entrypoints.cli import main as command

    sys.exit(command())

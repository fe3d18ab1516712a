"""The `starlift` process: its libraries take no more memory than the work needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

M_ARENA_MAX = -8
"""Of mallopt(3)."""

STAGES = frozenset({"run", "extract", "transform", "load", "rebuild", "replay", "reconcile"})
"""Commands that move rows."""


class WithoutPandas(MetaPathFinder):
    """Keeps pandas out of a process that has no use for it.

    pyarrow and DuckDB import it wherever it is installed, only to see whether a value is one of its own:
    50 MB and half a second.
    """

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for pandas, and leave all else to others."""
        if fullname == "pandas":
            raise ImportError("a stage of starlift works without pandas")
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
        sys.meta_path.insert(0, WithoutPandas())
    from starlift.entrypoints.cli import main as command

    sys.exit(command())

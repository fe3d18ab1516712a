"""The `starlift` process: its libraries take no more memory than the work needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

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


def main() -> None:
    """Run the command line in this process and leave with its exit code."""
    # Arrow's own allocators keep what they have once had, by thread; the system's gives it back
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if STAGES.intersection(sys.argv[1:]):
        sys.meta_path.insert(0, WithoutPandas())
    from starlift.entrypoints.cli import main as command

    sys.exit(command())

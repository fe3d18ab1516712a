"""Imports what transform and load need while extract waits for its source: Arrow and DuckDB, a quarter of a
second.

Packages of others alone: two threads that import modules which import each other may find one half made.
"""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import suppress

from starlift.entrypoints.following import Nudging

PACKAGES = ("pyarrow.compute", "pyarrow.parquet", "duckdb")


class Ahead(Nudging):
    """A watch that has the packages imported once a poll has found something, in a thread of its own.

    A poll that finds nothing needs none of them.
    """

    _thread: threading.Thread | None = None

    def found(self) -> None:
        super().found()
        if self._thread is None and not sys.modules.keys() >= {*PACKAGES}:
            self._thread = threading.Thread(target=_import, name="imports")
            self._thread.start()

    def end(self) -> None:
        """Wait until the thread is done."""
        if self._thread is not None:
            self._thread.join()


def _import() -> None:
    with suppress(Exception):  # the stage that needs it meets it too, and tells
        for name in PACKAGES:
            importlib.import_module(name)
        # what it imports of our own is there already; and what it finds out is kept for the process
        from starlift.adapters.duckdb_rules import functions

        functions()

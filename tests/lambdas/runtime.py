"""Calls a function as Lambda does, in a process of its own, and prints all that would be in its log.

    python -m tests.lambdas.runtime STAGE WITHOUT... <EVENTS

EVENTS: a JSON event a line, for one warm function. WITHOUT: packages that are not to be had. What the
function returns is printed as `RETURNED …`; of what it raises, the traceback with all its causes, which is
more than Lambda prints. The last line names the modules that were loaded.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class Without(MetaPathFinder):
    """Keeps packages out of this process, as if they were not installed."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for one of them, and leave all else to others."""
        if fullname.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


class Context:
    """An invocation that has time."""

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's."""
        return 900_000


def main(stage: str, without: Sequence[str]) -> None:
    """Invoke the function once for each line of stdin."""
    sys.meta_path.insert(0, Without(without))
    from starlift.entrypoints import lambdas

    for line in sys.stdin:
        try:
            print("RETURNED", json.dumps(getattr(lambdas, stage)(json.loads(line), Context())))  # noqa: T201
        except Exception:  # noqa: BLE001 - as Lambda does
            print(traceback.format_exc())  # noqa: T201
    print("LOADED", *sorted(sys.modules))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

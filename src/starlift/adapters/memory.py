"""A lake that lives and dies with the process: for tests and simulations."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from starlift.adapters.keys import checked, checked_prefix
from starlift.ports import Stored


class MemoryLake:
    """Keeps every promise of `starlift.ports.Lake` but durability; safe to share between threads."""

    def __init__(self, name: str = "lake") -> None:
        self._root = f"memory://{name}"
        self._objects: dict[str, bytes] = {}
        self._modified: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def root(self) -> str:
        """`memory://` and the name given."""
        return self._root

    def get(self, key: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        with self._lock:
            return self._objects.get(checked(key))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store an object under a free key (True); leave a taken one as it is (False)."""
        with self._lock:
            if checked(key) in self._objects:
                return False
            self._keep(key, data)
            return True

    def put(self, key: str, data: bytes) -> None:
        """Store or replace an object."""
        with self._lock:
            self._keep(checked(key), data)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix` when the first is asked for, in ascending order."""
        checked_prefix(prefix)
        with self._lock:
            found = sorted(key for key in self._objects if key.startswith(prefix))
        yield from found

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects whose keys start with `prefix` when the first is asked for, in their order."""
        checked_prefix(prefix)
        with self._lock:
            found = sorted(item for item in self._objects.items() if item[0].startswith(prefix))
            listed = [Stored(key, len(data), self._modified[key]) for key, data in found]
        yield from listed

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        with self._lock:
            self._objects.pop(checked(key), None)

    def _keep(self, key: str, data: bytes) -> None:
        self._objects[key], self._modified[key] = bytes(data), time.time()

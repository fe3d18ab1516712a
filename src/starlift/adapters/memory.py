"""A lake that lives and dies with the process: for tests and simulations."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from starlift.adapters.keys import checked, checked_prefix


class MemoryLake:
    """Keeps every promise of `starlift.ports.Lake` but durability; safe to share between threads."""

    def __init__(self, name: str = "lake") -> None:
        self._root = f"memory://{name}"
        self._objects: dict[str, bytes] = {}
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
            self._objects[key] = bytes(data)
            return True

    def put(self, key: str, data: bytes) -> None:
        """Store or replace an object."""
        with self._lock:
            self._objects[checked(key)] = bytes(data)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix` when the first is asked for, in ascending order."""
        checked_prefix(prefix)
        with self._lock:
            found = sorted(key for key in self._objects if key.startswith(prefix))
        yield from found

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        with self._lock:
            self._objects.pop(checked(key), None)

"""A lake in memory with a point before and after every call that writes, and before every one that reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlift.adapters.memory import MemoryLake
from tests.simulation.scheduler import Scheduler


@dataclass
class LakeQuirks:
    """Breakages of a lake's adapter. overwrites: PutObject without If-None-Match. late: the data of a run is
    durable only when its next manifest is."""

    overwrites: bool = False
    late: bool = False


class SimulatedLake(MemoryLake):
    """Keeps every promise of `starlift.ports.Lake`. committed: is told of every manifest that is stored."""

    def __init__(self, name: str, scheduler: Scheduler, committed: Callable[[], None]) -> None:
        super().__init__(name)
        self._name = name
        self._scheduler = scheduler
        self._committed = committed
        self._late: dict[int, dict[str, bytes]] = {}
        self.quirks = LakeQuirks()

    @property
    def objects(self) -> dict[str, bytes]:
        """What is in it, without a point."""
        return self._objects

    def get(self, key: str) -> bytes | None:
        self._scheduler.point(f"{self._name}: get {key}", minor=True)
        return self._objects.get(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._scheduler.point(f"{self._name}: put {key}", minor=_is_minor(key))
        if self.quirks.late and self._put_late(key, data):
            return True
        manifest = key.startswith("manifests/")
        if self.quirks.overwrites and manifest:
            self._objects[key] = bytes(data)
            stored = True
        else:
            stored = key not in self._objects
            if stored:
                self._objects[key] = bytes(data)
        if stored and manifest:
            self._committed()
        self._scheduler.point(f"{self._name}: has put {key}", minor=_is_minor(key))
        self._flush_late()
        return stored

    def put(self, key: str, data: bytes) -> None:
        self._scheduler.point(f"{self._name}: put {key}")
        self._objects[key] = bytes(data)
        self._scheduler.point(f"{self._name}: has put {key}")

    def keys(self, prefix: str) -> Iterator[str]:
        self._scheduler.point(f"{self._name}: list {prefix}")
        yield from sorted(key for key in self._objects if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self._scheduler.point(f"{self._name}: delete {key}")
        self._objects.pop(key, None)

    def _put_late(self, key: str, data: bytes) -> bool:
        process = self._scheduler.current
        if process is None or not key.startswith("data/"):
            return False
        self._late.setdefault(id(process), {})[key] = bytes(data)
        return True

    def _flush_late(self) -> None:
        process = self._scheduler.current
        if process is not None:
            self._objects.update(self._late.pop(id(process), {}))


def _is_minor(key: str) -> bool:
    return not key.startswith(("manifests/", "requests/"))

"""A pipeline that is killed at a chosen step: SIGKILL, from which no code can clean up after itself.

Steps are whatever leaves a trace or looks for one. At a lake: before each read, and within each write,
when the file is whole and has no name yet. At the source: before each BEGIN, COPY and COMMIT. At the
warehouse: before each BEGIN and COMMIT, and after a COMMIT; the reads of a load are within its transaction.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pg8000.native

from starlift.adapters.lakes import open_lake
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSnapshot, PostgresSource
from starlift.adapters.postgres.warehouse import PostgresWarehouse
from starlift.bootstrap import Pipeline
from starlift.core.config import PipelineConfig
from starlift.ports import ListedLake, Stored
from tests.e2e.judge import Keeper


def kind(name: str) -> str:
    """Return of what kind a step is, whatever the number of the batch: `name data`, `COMMIT`."""
    return " ".join(name.partition("/")[0].split()[:2])


class Fuse:
    """Ends this process at its n-th step at a place (ingestion, processed, source or warehouse), having
    written the step's name to a descriptor; of those of one kind where one is given."""

    def __init__(self, place: str, steps: int, tell: int, of_kind: str = "") -> None:
        self._place = place
        self._left = steps
        self._tell = tell
        self._kind = of_kind

    def step(self, place: str, name: str) -> None:
        """Count a step that is about to be taken."""
        if place != self._place or self._kind not in ("", kind(name)):
            return
        self._left -= 1
        if self._left == 0:
            os.write(self._tell, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_names(self) -> None:
        """Count, from now on, each moment before a finished file gets its name in a lake."""

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in ("os.link", "os.rename"):
                for place in ("ingestion", "processed"):
                    _, found, key = str(arguments[1]).partition(f"/{place}/")
                    if found:
                        self.step(place, f"name {key}")

        sys.addaudithook(hook)


class Recorder(Fuse):
    """A fuse that ends nothing, and writes the place and name of every step to a descriptor, a line each."""

    def __init__(self, tell: int) -> None:
        super().__init__("", 0, tell)

    def step(self, place: str, name: str) -> None:
        """Write the step down."""
        os.write(self._tell, f"{place} {name}\n".encode())


class DyingLake:
    """A lake each read of which is a step; of its writes `Fuse.watch_names` knows."""

    def __init__(self, lake: ListedLake, place: str, fuse: Fuse) -> None:
        self._lake = lake
        self._place = place
        self._fuse = fuse

    @property
    def root(self) -> str:
        """The address of the lake."""
        return self._lake.root

    def get(self, key: str) -> bytes | None:
        """Step, then `Lake.get`."""
        self._fuse.step(self._place, f"get {key}")
        return self._lake.get(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Do as `Lake.put_if_absent`."""
        return self._lake.put_if_absent(key, data)

    def put(self, key: str, data: bytes) -> None:
        """Do as `Lake.put`."""
        self._lake.put(key, data)

    def keys(self, prefix: str) -> Iterator[str]:
        """Step, then `Lake.keys`."""
        self._fuse.step(self._place, f"list {prefix}")
        return self._lake.keys(prefix)

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Step, then `ListedLake.stored`."""
        self._fuse.step(self._place, f"list {prefix}")
        return self._lake.stored(prefix)

    def delete(self, key: str) -> None:
        """Step, then `Lake.delete`."""
        self._fuse.step(self._place, f"delete {key}")
        self._lake.delete(key)


class DyingConnection:
    """A connection of which some statements, named by their first word, are steps, before and after them."""

    def __init__(
        self, connection: pg8000.native.Connection, place: str, fuse: Fuse, before: str, after: str = ""
    ) -> None:
        self._connection = connection
        self._place = place
        self._fuse = fuse
        self._before = before.split()
        self._after = after.split()

    def run(self, sql: str, *arguments: Any, **values: Any) -> Any:
        """Step if the statement is one of those, then run it."""
        word = sql.split(maxsplit=1)[0]
        if word in self._before:
            self._fuse.step(self._place, word)
        result = self._connection.run(sql, *arguments, **values)
        if word in self._after:
            self._fuse.step(self._place, f"after {word}")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class DyingSource(PostgresSource):
    """A source whose transactions and copies are steps, and whose snapshots are kept."""

    def __init__(self, dsn: Dsn, fuse: Fuse, keeper: Keeper | None = None) -> None:
        super().__init__(dsn)
        self._fuse = fuse
        self._keeper = keeper

    @property
    def _connection(self) -> Any:
        return DyingConnection(super()._connection, "source", self._fuse, "BEGIN COPY COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        """Do as `PostgresSource.snapshot`, having had all that the snapshot shows kept."""
        with super().snapshot() as snapshot:
            if self._keeper:
                exported = self._run("SELECT pg_export_snapshot()")[0][0]
                self._keeper.keep(exported, snapshot.text)
            yield snapshot


class DyingWarehouse(PostgresWarehouse):
    """A warehouse whose transactions and copies are steps."""

    def __init__(self, dsn: Dsn, config: PipelineConfig, sql: Path, fuse: Fuse) -> None:
        super().__init__(dsn, config, sql)
        self._fuse = fuse

    def _connected(self) -> Any:
        return DyingConnection(super()._connected(), "warehouse", self._fuse, "BEGIN COMMIT", "COMMIT")


@dataclass(frozen=True)
class DyingPipeline(Pipeline):
    """The pipeline of the settings, with a fuse in it. keeper: of what the extractor's snapshots show."""

    fuse: Fuse
    keeper: Keeper | None = None

    @property
    def source(self) -> DyingSource:
        """A source with the fuse in it."""
        return DyingSource(self.dsn("source"), self.fuse, self.keeper)

    @property
    def warehouse(self) -> DyingWarehouse:
        """A warehouse with the fuse in it."""
        return DyingWarehouse(self.dsn("warehouse"), self.config, self.settings.config.parent, self.fuse)

    @cached_property
    def ingestion(self) -> ListedLake:
        """A lake with the fuse in it."""
        return DyingLake(open_lake(self.settings.need("STARLIFT_INGESTION")), "ingestion", self.fuse)

    @cached_property
    def processed_root(self) -> ListedLake:
        """A lake with the fuse in it."""
        return DyingLake(open_lake(self.settings.need("STARLIFT_PROCESSED")), "processed", self.fuse)

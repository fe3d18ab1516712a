"""A source that is simulated: transactions, snapshots and horizons as PostgreSQL has them, and no database.

Between two looks that extract takes at it, it lives: a script says what its transactions do meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from starlift.core.config import TableSpec
from starlift.core.identity import bucket
from starlift.core.inventory import Sums
from starlift.core.manifest import Column, Digest, Identity, sha256
from starlift.core.polling import Measure, Pass, Read
from starlift.core.source_check import SourceTable
from starlift.core.units import instant, instant_text
from starlift.ports import Barrier, Bound, Preflight

COLUMNS = (Column("id", "integer"), Column("name", "text"), Column("changed", "timestamp with time zone"))
START = datetime(2024, 1, 1, tzinfo=UTC)
Action = tuple[str, int, int, int, int]
"""What happens: a word, and the numbers of transaction, table, key and content (or other key)."""


@dataclass
class Version:
    """A version of a row. ended: xids of transactions that ended it, or tried to."""

    key: int
    name: str
    stamp: datetime
    xid: int
    ended: set[int] = field(default_factory=set)


@dataclass
class Transaction:
    """An open transaction. xid: None until it writes."""

    began: datetime
    xid: int | None = None
    wrote: set[tuple[int, int]] = field(default_factory=set)


class World:
    """Tables and transactions; number 0 commits whatever it writes at once. Time is counted in seconds, one
    for each thing that happens."""

    def __init__(self, tables: Sequence[str]) -> None:
        self.tables: list[list[Version]] = [[] for _ in tables]
        self.names = list(tables)
        self.now = START
        self.committed: set[int] = set()
        self.open: dict[int, Transaction] = {}
        self._xids = 100

    @property
    def xmin(self) -> int:
        """The horizon: the oldest xid that is still running, or the next."""
        return min((t.xid for t in self.open.values() if t.xid is not None), default=self._xids)

    def do(self, action: Action) -> None:
        """Let one thing happen; what a lock would hold up does not."""
        self.now += timedelta(seconds=1)
        word, number, table, key, content = action
        if word in ("commit", "abort"):
            ended = self.open.pop(number, None)
            if ended and ended.xid is not None and word == "commit":
                self.committed.add(ended.xid)
            return
        transaction = self.open.setdefault(number, Transaction(self.now))
        if word == "open":
            if number == 0:
                del self.open[0]
            return
        touched = {(table, key)} | ({(table, content)} if word == "rekey" else set())
        others = (t.wrote for other, t in self.open.items() if other != number)
        if any(touched & wrote for wrote in others):
            if number == 0:
                del self.open[0]
            return
        transaction.wrote |= touched
        if transaction.xid is None:
            transaction.xid, self._xids = self._xids, self._xids + 1
        self._write(word, transaction, table, key, content)
        if number == 0:
            self.committed.add(transaction.xid)
            del self.open[0]

    def _write(self, word: str, by: Transaction, table: int, key: int, content: int) -> None:
        assert by.xid is not None
        seen = {v.key: v for v in self.tables[table] if self.shows(v, self.committed | {by.xid})}
        if word == "rekey":
            if key in seen and content not in seen:
                seen[key].ended.add(by.xid)
                self.tables[table].append(Version(content, seen[key].name, by.began, by.xid))
            return
        if key in seen:
            seen[key].ended.add(by.xid)
        if word == "put":
            self.tables[table].append(Version(key, f"{content}", by.began, by.xid))

    @staticmethod
    def shows(version: Version, committed: Collection[int]) -> bool:
        """Whether a snapshot in which these had committed shows a version."""
        return version.xid in committed and not version.ended & set(committed)

    def rows(self, table: int) -> dict[str, str]:
        """The committed rows of a table, name by key."""
        return {str(v.key): v.name for v in self.tables[table] if self.shows(v, self.committed)}


@dataclass
class SimulatedSource:
    """Keeps the promises of `ports.Source` over a world. script: what happens before each next look. shown:
    the rows of each table that the newest snapshot showed."""

    world: World
    script: Iterator[Iterable[Action]]
    shown: list[dict[str, str]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def _live(self) -> None:
        for action in next(self.script, ()):
            self.world.do(action)

    def preflight(self, tables: Sequence[TableSpec]) -> Preflight:
        self._live()
        position = f"0/{len(self.world.committed) + 1:X}"
        found = {
            spec.name: SourceTable(
                spec.name,
                "r",
                COLUMNS,
                frozenset({frozenset({"id"})}),
                (self.world.names.index(spec.name),),
                100,
            )
            for spec in tables
        }
        return Preflight(Identity("1", 1, position), instant_text(self.world.now), True, found)

    def barrier(self) -> Barrier:
        self._live()
        began = [t.began for t in self.world.open.values()]
        oldest = instant_text(min(began)) if began else None
        return Barrier(instant_text(self.world.now), oldest, 0, 0, None)

    @contextmanager
    def snapshot(self) -> Iterator[SimulatedSnapshot]:
        self._live()
        self.shown = [self.world.rows(table) for table in range(len(self.world.tables))]
        text = f"snapshot {next(self._numbers)}"
        yield SimulatedSnapshot(self.world, frozenset(self.world.committed), str(self.world.xmin), text)

    def settle(self, position: str) -> None:
        assert position
        self._live()


@dataclass
class SimulatedSnapshot:
    """Keeps the promises of `ports.SourceSnapshot`."""

    world: World
    committed: frozenset[int]
    xmin: str
    text: str = ""
    position: str = "0/0"

    def measure(
        self, read: Read, following: Mapping[Pass, Read], _foretold: Mapping[str, Digest] | None = None
    ) -> Measure:
        now: dict[Pass, Digest] = {
            kind: self._digest(read.only(kind)) for kind in sorted(read.passes) if kind != "whole"
        }
        count = sum(1 for _ in self._seen(read)) if read.scans else None
        return Measure(now, {kind: self._digest(part) for kind, part in following.items()}, count)

    def copy(self, read: Read, sink: Callable[[bytes], None], bound: Bound | None = None) -> int:
        versions = sorted(self._selected(read), key=lambda version: version.key)
        if read.after is not None:
            versions = [version for version in versions if version.key > int(read.after[0])]
        lines: list[bytes] = []
        for version in versions[: bound.rows if bound else None]:
            if bound and lines and sum(len(line) - 1 for line in lines) >= bound.bytes:
                break
            row = {"id": str(version.key), "name": version.name, "_hash": str(_hash(version))}
            lines.append(json.dumps(row).encode() + b"\n")
        if lines:
            sink(b"".join(lines))
        return len(lines)

    def sums(self, read: Read) -> Sums:
        found: dict[int, list[int]] = {}
        for version in self._seen(read):
            found.setdefault(bucket(f"({version.key})"), []).append(_hash(version))
        return [(number, len(hashes), str(sum(hashes))) for number, hashes in sorted(found.items())]

    def keys(
        self,
        read: Read,
        buckets: Collection[int] | None,
        sink: Callable[[bytes], None],
        *,
        selected: bool = False,
    ) -> int:
        assert not selected
        lines = [
            json.dumps({"_key": f"({version.key})", "_hash": str(_hash(version))}).encode() + b"\n"
            for version in self._seen(read)
            if buckets is None or bucket(f"({version.key})") in buckets
        ]
        sink(b"".join(lines))
        return len(lines)

    def _seen(self, read: Read) -> Iterator[Version]:
        versions = self.world.tables[self.world.names.index(read.table)]
        return (version for version in versions if World.shows(version, self.committed))

    def _selected(self, read: Read) -> list[Version]:
        return [version for version in self._seen(read) if _selects(read, version)]

    def _digest(self, read: Read) -> Digest:
        versions = self._selected(read)
        return len(versions), str(sum(_hash(version) for version in versions))


def _selects(read: Read, version: Version) -> bool:
    by_xid = "xid" in read.passes and read.px is not None and version.xid >= int(read.px)
    by_time = "time" in read.passes and read.W is not None and version.stamp >= instant(read.W)
    return "whole" in read.passes or by_xid or by_time


def _hash(version: Version) -> int:
    return int(sha256(f"{version.key} {version.name}".encode())[:15], 16)

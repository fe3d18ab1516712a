"""The source as extract sees it: `ports.Source` over a world, with a point at every call."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from starlift.core.config import TableSpec
from starlift.core.identity import bucket
from starlift.core.inventory import Sums
from starlift.core.manifest import Digest, Identity
from starlift.core.polling import Measure, Pass, Read
from starlift.core.source_check import SourceTable
from starlift.core.units import instant
from starlift.errors import UnavailableError
from starlift.ports import Barrier, Bound, Preflight
from tests.simulation.scheduler import Scheduler
from tests.simulation.star import COLUMNS, CURSOR
from tests.simulation.world import START, Transaction, Version, Visible, World, moment


@dataclass
class Catalogue:
    """What a table's entry shows beside its rows. keyless: its key is not unique now, so it is held. large:
    it is beyond the scan budget. kind: `pg_class.relkind`."""

    keyless: bool = False
    large: bool = False
    kind: str = "r"


@dataclass
class Quirks:
    """Breakages of the source's adapter, by which the simulation is tried."""

    snapshot_first: bool = False
    clock_after: bool = False
    no_prepared: bool = False
    no_blind: bool = False
    xid_filter: bool = False
    no_query_start: bool = False
    no_settle: bool = False
    upper_bound: bool = False
    strictly_later: bool = False
    snapshot_a_table: bool = False


@dataclass
class SimulatedSource:
    """Keeps the promises of `ports.Source`. shown: what each snapshot showed, by its text. latest_stamp: of
    each table's rows in the newest snapshot."""

    world: World
    scheduler: Scheduler
    catalogue: Mapping[str, Catalogue]
    quirks: Quirks = field(default_factory=Quirks)
    shown: dict[str, Visible] = field(default_factory=dict)
    extracting: int = 0
    early: dict[int, tuple[Visible, int, int]] = field(default_factory=dict)
    servers: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> SimulatedSource:
        self.extracting += 1
        self.servers[id(self.scheduler.current)] = self.world.server
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.extracting -= 1
        self.servers.pop(id(self.scheduler.current), None)

    def ask(self, what: str) -> None:
        """Stop at a call; the server may have gone since this process has connected to it."""
        self.scheduler.point(what)
        if self.servers.get(id(self.scheduler.current)) != self.world.server:
            raise UnavailableError(f"{what}: the connection is lost", "starlift run")

    def preflight(self, tables: Sequence[TableSpec]) -> Preflight:
        self.ask("preflight")
        world = self.world
        if self.quirks.snapshot_first:
            self.early[id(self.scheduler.current)] = world.visible(), world.xmin, world.disk.position
        found = {}
        for spec in tables:
            entry = self.catalogue[spec.name]
            keys = frozenset() if entry.keyless else frozenset({frozenset({"id"})})
            found[spec.name] = SourceTable(
                spec.name,
                entry.kind,
                (*COLUMNS[spec.name], CURSOR),
                keys,
                tuple(world.disk.relations[spec.name]),
                10**6 if entry.large else 100,
            )
        position = f"0/{world.flushed:X}"
        return Preflight(Identity("1", world.timeline, position), moment(world.now), True, found)

    def barrier(self) -> Barrier:
        self.ask("barrier: sessions")
        world, quirks = self.world, self.quirks
        sessions = [t for t in world.open.values() if not t.prepared]
        clock = world.now
        blind = sum(t.hidden for t in sessions)
        oldest = min((self._since(t) for t in sessions if self._counts(t)), default=None)
        self.ask("barrier: prepared")
        if quirks.clock_after:
            clock = world.now
        prepared = sum(t.prepared for t in world.open.values())
        return Barrier(
            moment(clock),
            None if oldest is None else moment(oldest),
            0 if quirks.no_blind else blind,
            0 if quirks.no_prepared else prepared,
            None,
        )

    def _counts(self, transaction: Transaction) -> bool:
        return not transaction.hidden and (bool(transaction.xids) or not self.quirks.xid_filter)

    def _since(self, transaction: Transaction) -> int:
        began = transaction.began
        return began if self.quirks.no_query_start else min(began, transaction.message)

    @contextmanager
    def snapshot(self) -> Iterator[SimulatedSnapshot]:
        self.ask("snapshot")
        world = self.world
        visible, xmin, position = world.visible(), world.xmin, world.disk.position
        if self.quirks.snapshot_first:
            visible, xmin, position = self.early.pop(id(self.scheduler.current))
        text = f"snapshot {len(self.shown)}"
        self.shown[text] = visible
        self.scheduler.tell(f"{text}, px' {xmin}")
        yield SimulatedSnapshot(self, visible, str(xmin), text, f"0/{position:X}")

    def settle(self, position: str) -> None:
        self.ask("settle")
        if not self.quirks.no_settle:
            self.world.settle(int(position.partition("/")[2], 16))


@dataclass
class SimulatedSnapshot:
    """Keeps the promises of `ports.SourceSnapshot`."""

    source: SimulatedSource
    visible: Visible
    xmin: str
    text: str
    position: str

    def measure(
        self, read: Read, following: Mapping[Pass, Read], _foretold: Mapping[str, Digest] | None = None
    ) -> Measure:
        self.source.ask(f"measure {read.table}")
        if self.source.quirks.snapshot_a_table:
            self.visible = {**self.visible, read.table: self.source.world.seen(read.table)}
        now: dict[Pass, Digest] = {
            kind: self._digest(read.only(kind)) for kind in sorted(read.passes) if kind != "whole"
        }
        count = len(self.visible[read.table]) if read.scans else None
        return Measure(now, {kind: self._digest(part) for kind, part in following.items()}, count)

    def copy(self, read: Read, sink: Callable[[bytes], None], bound: Bound | None = None) -> int:
        self.source.ask(f"copy {read.table}")
        versions = sorted(self._selected(read), key=lambda version: version.key)
        if read.after is not None:
            versions = [version for version in versions if version.key > int(read.after[0])]
        lines: list[bytes] = []
        size = 0
        names = [column.name for column in COLUMNS[read.table]]
        for version in versions[: bound.rows if bound else None]:
            if bound and lines and size >= bound.bytes:
                break
            row = {**dict(zip(names, version.row, strict=True)), "_hash": str(version.hash)}
            lines.append(json.dumps(row).encode() + b"\n")
            size += len(lines[-1]) - 1
        if lines:
            sink(b"".join(lines))
        return len(lines)

    def sums(self, read: Read) -> Sums:
        self.source.ask(f"sums {read.table}")
        found: dict[int, list[int]] = {}
        for version in self.visible[read.table].values():
            found.setdefault(bucket(f"({version.key})"), []).append(version.hash)
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
        self.source.ask(f"keys {read.table}")
        lines = [
            json.dumps({"_key": f"({version.key})", "_hash": str(version.hash)}).encode() + b"\n"
            for version in self.visible[read.table].values()
            if buckets is None or bucket(f"({version.key})") in buckets
        ]
        if lines:
            sink(b"".join(lines))
        return len(lines)

    def _selected(self, read: Read) -> list[Version]:
        select = _Selection(read, self.source)
        return [version for version in self.visible[read.table].values() if select(version)]

    def _digest(self, read: Read) -> Digest:
        versions = self._selected(read)
        return len(versions), str(sum(version.hash for version in versions))


class _Selection:
    """What a read's WHERE says."""

    def __init__(self, read: Read, source: SimulatedSource) -> None:
        self.whole = "whole" in read.passes
        self.px = int(read.px) if "xid" in read.passes and read.px is not None else None
        since = "time" in read.passes and read.W is not None
        self.since = (instant(read.W) - START).total_seconds() if since and read.W else None
        self.relations = set(read.new_relations)
        self.keys = set(read.keys)
        self.quirks = source.quirks
        self.until = source.world.now

    def __call__(self, version: Version) -> bool:
        if self.whole or version.relation in self.relations:
            return True
        if self.px is not None and version.xid >= self.px:
            return True
        if self.since is not None and self._in_time(version.stamp, self.since):
            return True
        return bool(self.keys) and f"({version.key})" in self.keys

    def _in_time(self, stamp: int | None, since: float) -> bool:
        if stamp is None:
            return True
        if self.quirks.upper_bound and stamp > self.until - 1:
            return False
        return stamp > since if self.quirks.strictly_later else stamp >= since

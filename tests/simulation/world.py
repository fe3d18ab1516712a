"""A source as PostgreSQL has it: row versions, transactions, xids, snapshots, a clock and a log; no database.

What a lock would hold up does not happen. Time is whole seconds and mostly stands still.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from starlift.core.units import instant_text
from tests.simulation.star import REFERRERS, REFERS, TABLES, Row

START = datetime(2024, 1, 1, tzinfo=UTC)
FUTURE = 10**8
"""A stamp that lies some years ahead."""

Key = tuple[str, int]
"""Table and key of a row."""


def moment(seconds: int) -> str:
    """An instant of the world as the pipeline writes it."""
    return instant_text(START + timedelta(seconds=seconds))


@dataclass(eq=False)
class Version:
    """A version of a row. stamp: None for NULL. odd: the server did not take the stamp, and it may lie
    below any watermark. ended: xids that ended it, or tried to. relation: the oid that it is stored in."""

    key: int
    row: Row
    stamp: int | None
    xid: int
    relation: int
    odd: bool = False
    ended: set[int] = field(default_factory=set)
    hash: int = field(init=False)

    def __post_init__(self) -> None:
        text = "\x1f".join("\x00" if value is None else value for value in self.row)
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        self.hash = int.from_bytes(digest, "big", signed=True)


@dataclass(eq=False)
class Transaction:
    """An open transaction. message: when its message arrived, which is its now(); began: its xact_start,
    which is later where a message has several transactions. xids: its own and its subtransactions', none
    until it writes; marks: how many there were at each savepoint. holds: rows it wrote; refers: rows
    that it keeps others from taking away; removed: those it took away itself."""

    number: int
    message: int
    began: int
    hidden: bool = False
    asynchronous: bool = False
    prepared: bool = False
    xids: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    fresh: bool = True
    holds: set[Key] = field(default_factory=set)
    refers: set[Key] = field(default_factory=set)
    removed: set[Key] = field(default_factory=set)


@dataclass
class Disk:
    """What a restore brings back, or a crash keeps."""

    tables: dict[str, list[Version]] = field(default_factory=lambda: {name: [] for name in TABLES})
    relations: dict[str, list[int]] = field(
        default_factory=lambda: {name: [100 + number] for number, name in enumerate(TABLES)}
    )
    committed: dict[int, int] = field(default_factory=dict)
    """Position of the commit by xid."""
    assigned: dict[int, int] = field(default_factory=dict)
    """Position of the first record by xid."""
    next_xid: int = 1000
    position: int = 100


Visible = dict[str, dict[int, Version]]


class World:
    """The source. Number 0 of the transactions commits whatever it writes at once."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.open: dict[int, Transaction] = {}
        self.now = 0
        self.flushed = 100
        self.timeline = 1
        self.server = 1
        self.backup: Disk | None = None
        self.happened: set[str] = set()

    # what can be seen

    def shows(self, version: Version, own: Collection[int] = ()) -> bool:
        """Whether the committed state, and what a transaction itself wrote, has a version."""
        committed = self.disk.committed
        if version.xid not in committed and version.xid not in own:
            return False
        return not any(xid in committed or xid in own for xid in version.ended)

    def seen(self, table: str, own: Collection[int] = ()) -> dict[int, Version]:
        """The rows of a table that are committed, or of a transaction's own, by key."""
        relations = self.disk.relations[table]
        return {v.key: v for v in self.disk.tables[table] if v.relation in relations and self.shows(v, own)}

    def visible(self) -> Visible:
        """The committed rows of all tables."""
        return {table: self.seen(table) for table in TABLES}

    @property
    def xmin(self) -> int:
        """The oldest xid that is still running, or the next."""
        return min((min(t.xids) for t in self.open.values() if t.xids), default=self.disk.next_xid)

    # transactions

    def begin(self, number: int, *, hidden: bool = False, asynchronous: bool = False) -> None:
        """Begin a transaction."""
        if number not in self.open:
            self.open[number] = Transaction(number, self.now, self.now, hidden, asynchronous)

    def commit(self, number: int, *, goes_on: bool = False) -> None:
        """Commit a transaction; if it is asynchronous, nothing is flushed yet. goes_on: its message has more
        statements, and so another transaction."""
        transaction = self.open.pop(number, None)
        if transaction is None:
            return
        if transaction.xids:
            self.disk.position += 1
            for xid in transaction.xids:
                self.disk.committed[xid] = self.disk.position
            if not transaction.asynchronous:
                self.flushed = self.disk.position
            else:
                self.happened.add("asynchronous")
        self._tidy()
        if goes_on and not transaction.prepared:
            hidden, asynchronous = transaction.hidden, transaction.asynchronous
            self.open[number] = Transaction(number, transaction.message, self.now, hidden, asynchronous)

    def abort(self, number: int) -> None:
        """Roll a transaction back."""
        transaction = self.open.pop(number, None)
        if transaction is not None:
            self._forget(transaction.xids)

    def prepare(self, number: int) -> None:
        """Prepare a transaction: it leaves its session, and survives a crash."""
        transaction = self.open.get(number)
        if transaction is None or transaction.prepared or not transaction.xids:
            return
        self.open[max([10, *self.open]) + 1] = self.open.pop(number)
        transaction.prepared = True
        self.disk.position += 1
        self.flushed = self.disk.position
        self.happened.add("prepared")

    def savepoint(self, number: int) -> None:
        """Set a savepoint."""
        if (transaction := self.open.get(number)) and not transaction.prepared and transaction.xids:
            transaction.marks.append(len(transaction.xids))
            transaction.fresh = True

    def rollback_to(self, number: int) -> None:
        """Roll back to the newest savepoint."""
        transaction = self.open.get(number)
        if transaction is None or transaction.prepared or not transaction.marks:
            return
        mark = transaction.marks.pop()
        self._forget(transaction.xids[mark:])
        del transaction.xids[mark:]
        transaction.fresh = True
        self.happened.add("savepoint")

    def _forget(self, xids: Collection[int]) -> None:
        gone = set(xids)
        if not gone:
            return
        for table, versions in self.disk.tables.items():
            self.disk.tables[table] = [v for v in versions if v.xid not in gone]
            for version in self.disk.tables[table]:
                version.ended -= gone

    def _tidy(self) -> None:
        """Vacuum: what nobody can see again is taken away."""
        safe = {xid for xid, at in self.disk.committed.items() if at <= self.flushed}
        for table, versions in self.disk.tables.items():
            if len(versions) > 40:
                self.disk.tables[table] = [v for v in versions if not v.ended & safe]

    def _xid(self, transaction: Transaction) -> int:
        if transaction.fresh:
            transaction.fresh = False
            transaction.xids.append(self.disk.next_xid)
            self.disk.position += 1
            self.disk.assigned[self.disk.next_xid] = self.disk.position
            self.disk.next_xid += 1
        return transaction.xids[-1]

    # writes

    def put(
        self, number: int, table: str, row: Row, stamp: int | None, *, odd: bool = False, relation: int = 0
    ) -> bool:
        """Insert a row or update the one of its key. Return whether it could be done."""
        transaction, key = self.open[number], int(row[0] or 0)
        parents = {(parent, int(row[place] or 0)) for place, parent in REFERS[table] if row[place]}
        if self._held(transaction, {(table, key)}, parents):
            return False
        if any(key_ not in self.seen(parent, transaction.xids) for parent, key_ in parents):
            return False
        old = self.seen(table, transaction.xids).get(key)
        xid = self._xid(transaction)
        if old is not None:
            old.ended.add(xid)
        relation = relation or (old.relation if old else self.disk.relations[table][0])
        self.disk.tables[table].append(Version(key, row, stamp, xid, relation, odd))
        transaction.holds.add((table, key))
        transaction.refers |= parents
        transaction.removed.discard((table, key))
        return True

    def delete(self, number: int, table: str, key: int) -> bool:
        """Delete a row, if nothing refers to it. Return whether it was."""
        transaction = self.open[number]
        old = self.seen(table, transaction.xids).get(key)
        if old is None or self._held(transaction, {(table, key)}, set(), removes=True):
            return False
        for child, place in REFERRERS[table]:
            if any(v.row[place] == str(key) for v in self.seen(child, transaction.xids).values()):
                return False
        old.ended.add(self._xid(transaction))
        transaction.holds.add((table, key))
        transaction.removed.add((table, key))
        return True

    def _held(
        self, by: Transaction, wanted: set[Key], parents: Collection[Key], *, removes: bool = False
    ) -> bool:
        for other in self.open.values():
            if other is by:
                continue
            if wanted & other.holds or other.removed & set(parents):
                return True
            if removes and wanted & other.refers:
                return True
        return False

    # what befalls a server

    def burn(self, xids: int, records: int) -> None:
        """Other databases of the server use xids and write the log."""
        self.disk.next_xid += xids
        self.disk.position += records
        if xids:
            self.disk.assigned[self.disk.next_xid - 1] = self.disk.position

    def settle(self, position: int) -> None:
        """Flush the log."""
        self.flushed = max(self.flushed, position)

    def crash(self) -> None:
        """The server dies and comes back: open transactions are gone, and what was not flushed."""
        self.server += 1
        for number, transaction in list(self.open.items()):
            if not transaction.prepared:
                self.abort(number)
        lost = {xid for xid, at in self.disk.committed.items() if at > self.flushed}
        if lost:
            self.happened.add("crash lost commits")
        self._forget(lost)
        for xid in lost:
            del self.disk.committed[xid]
        kept = [xid for xid, at in self.disk.assigned.items() if at <= self.flushed]
        if len(kept) < len(self.disk.assigned):
            self.disk.next_xid = max(kept, default=999) + 1
            self.disk.assigned = {xid: self.disk.assigned[xid] for xid in kept}
        self.disk.position = self.flushed
        self.happened.add("crash")

    def save(self) -> None:
        """Take a backup."""
        self.backup = copy.deepcopy(self.disk)

    def restore(self, xids: int, records: int) -> bool:
        """Put the backup in the source's place, on a new timeline that has come some way already."""
        if self.backup is None:
            return False
        self.open.clear()
        self.disk, self.backup = self.backup, None
        known = set(self.disk.committed)
        self._forget({v.xid for vs in self.disk.tables.values() for v in vs} - known)
        for versions in self.disk.tables.values():
            for version in versions:
                version.ended &= known
        self.timeline += 1
        self.server += 1
        self.burn(xids, records)
        self.flushed = self.disk.position
        self.happened.add("restore")
        return True

    def attach(self, table: str, rows: Mapping[int, Row], stamp: int | None) -> int:
        """Attach a partition whose rows were written long ago."""
        oid = self._new_oid()
        self.disk.committed.setdefault(3, 0)
        for key, row in rows.items():
            self.disk.tables[table].append(Version(key, row, stamp, 3, oid))
        self.disk.relations[table].append(oid)
        self.happened.add("attach")
        return oid

    def detach(self, table: str) -> bool:
        """Take the newest partition away."""
        if len(self.disk.relations[table]) < 2:
            return False
        self.disk.relations[table].pop()
        self.happened.add("detach")
        return True

    def swap(self, table: str, rows: Mapping[int, Row], stamp: int | None) -> None:
        """Put another table in the place of one, by its name; it was filled long ago."""
        self.disk.relations[table] = []
        self.attach(table, rows, stamp)
        self.happened.add("swap")

    def _new_oid(self) -> int:
        self.disk.position += 1
        return 200 + self.disk.position

    def actions_of(self, numbers: Iterator[int]) -> list[int]:
        """Those of some transactions that are open."""
        return [number for number in numbers if number in self.open]

"""Who writes to the source: sessions that begin, idle, write, prepare, roll back, and what they write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from starlift.core.config import DeclaredMode
from tests.simulation.star import TABLES, TOO_LONG, UNTYPABLE, Row
from tests.simulation.world import FUTURE, World

KEYS = {"region": 2, "client": 4, "product": 3, "sale": 7}
"""Keys of each table: few, so that rows come and go under one."""
NAMES = ("a", "b", "c")
DAYS = ("2020-01-01", "2021-12-31")


@dataclass(frozen=True)
class Habits:
    """How the writers live. sessions: how many are in transactions at once. at_once: share of what is written
    in a transaction of its own. hidden, asynchronous: shares of the transactions. ticks, leaps: how often the
    clock goes on at all, and by minutes. falsely: share of the stamps that the server does not take, where
    that may be."""

    sessions: int = 2
    at_once: float = 0.35
    hidden: float = 0.0
    asynchronous: float = 0.0
    ticks: float = 0.4
    leaps: float = 0.01
    falsely: float = 0.2


def draw_habits(random: Random) -> Habits:
    """Draw how writers live."""
    return Habits(
        sessions=random.choice((1, 2, 3)),
        at_once=random.choice((0.2, 0.35, 0.8)),
        hidden=random.choice((0.0, 0.0, 0.1)),
        asynchronous=random.choice((0.0, 0.3, 1.0)),
        ticks=random.choice((0.1, 0.4, 1.0)),
        leaps=random.choice((0.0, 0.01, 0.03)),
    )


class Writers:
    """Writes to a world, as chance will have it. odd: tables whose stamps may be false though they are read
    by them."""

    def __init__(
        self,
        world: World,
        random: Random,
        habits: Habits,
        tables: tuple[Mapping[str, DeclaredMode], frozenset[str]],
        tell: Callable[[str], None],
    ) -> None:
        modes, self.odd = tables
        self.world, self.random, self.habits, self.tell = world, random, habits, tell
        self.by_xid = frozenset(table for table, mode in modes.items() if mode == "xid")

    def stock(self, rows: int) -> None:
        """Put rows into the tables before anything happens."""
        for _ in range(rows):
            for table in TABLES:
                self._at_once(lambda number, table=table: self._put(number, table))  # type: ignore[misc]

    def act(self) -> None:
        """Let one thing happen."""
        random, world = self.random, self.world
        if random.random() < self.habits.ticks:
            world.now += random.choice((0, 0, 1, 1, 2))
        if random.random() < self.habits.leaps:
            world.now += random.choice((5, 60, 400))
        if random.random() < self.habits.at_once:
            self._at_once(self._write)
            return
        chance, number = random.random(), 1 + int(random.random() * self.habits.sessions)
        if number not in world.open:
            world.begin(
                number,
                hidden=random.random() < self.habits.hidden,
                asynchronous=random.random() < self.habits.asynchronous,
            )
            self.tell(f"transaction {number} begins at {world.now}")
            return
        written = bool(world.open[number].xids)
        if chance < (0.3 if written else 0.85):
            self._write(number)
        elif chance < (0.62 if written else 0.92):
            world.commit(number, goes_on=random.random() < 0.2)
            self.tell(f"transaction {number} commits")
        elif chance < 0.7 or not written:
            world.abort(number)
        elif chance < 0.77:
            world.savepoint(number)
        elif chance < 0.84:
            world.rollback_to(number)
        elif chance < 0.92:
            world.prepare(number)
        else:
            self._end_prepared()

    def rearrange(self) -> None:
        """Attach, detach or swap what sales consist of; nobody else may be at them."""
        world, random = self.world, self.random
        for number, transaction in list(world.open.items()):
            if any(table == "sale" for table, _ in transaction.holds):
                world.commit(number)
        what = random.choice(("attach", "detach", "swap"))
        if what == "detach":
            world.detach("sale")
            return
        taken = world.seen("sale") if what == "attach" else {}
        rows = {}
        for key in random.sample(range(1, KEYS["sale"] + 1), 3):
            row = self._row("sale", key) if key not in taken else None
            if row is not None:
                rows[key] = row
        stamp = random.choice((0, -1000))
        world.attach("sale", rows, stamp) if what == "attach" else world.swap("sale", rows, stamp)
        self.tell(f"{what} of {sorted(rows)}")

    def _end_prepared(self) -> None:
        for number in [number for number, t in self.world.open.items() if t.prepared][:1]:
            self.world.commit(number) if self.random.random() < 0.7 else self.world.abort(number)
            self.tell(f"transaction {number}, prepared, ends")

    def _at_once(self, write: Callable[[int], None]) -> None:
        self.world.begin(0, asynchronous=self.random.random() < self.habits.asynchronous)
        write(0)
        self.world.commit(0)

    def _write(self, number: int) -> None:
        if self.world.open[number].prepared:
            return
        random = self.random
        table = (
            TABLES[int(random.random() * 1.6 * len(TABLES)) % len(TABLES)]
            if random.random() < 0.5
            else "sale"
        )
        what = random.random()
        if what < 0.66:
            self._put(number, table)
        elif what < 0.82:
            self._delete(number, table)
        elif what < 0.88:
            self._rekey(number, table)
        elif what < 0.94:
            self._renew(number, table)
        elif what < 0.96:
            for key in list(self.world.seen(table, self.world.open[number].xids)):
                self.world.delete(number, table, key)
            self.tell(f"{number} truncates {table}")
        else:
            self._touch(number, table)

    def _put(self, number: int, table: str) -> None:
        key = 1 + int(self.random.random() * KEYS[table])
        row = self._row(table, key, number)
        if row is not None:
            self._store(number, table, row)

    def _store(self, number: int, table: str, row: Row) -> None:
        stamp, odd = self._stamp(number, table, int(row[0] or 0))
        if self.world.put(number, table, row, stamp, odd=odd):
            self.tell(f"{number} puts {table} {row} stamped {stamp}{' falsely' if odd else ''}")

    def _delete(self, number: int, table: str) -> None:
        key = 1 + int(self.random.random() * KEYS[table])
        if self.world.delete(number, table, key):
            self.tell(f"{number} deletes {table} {key}")

    def _rekey(self, number: int, table: str) -> None:
        """Give a row another key: a delete and an insert."""
        old, new = (1 + int(self.random.random() * KEYS[table]) for _ in range(2))
        seen = self.world.seen(table, self.world.open[number].xids)
        if old in seen and new not in seen and self.world.delete(number, table, old):
            self._store(number, table, (str(new), *seen[old].row[1:]))

    def _renew(self, number: int, table: str) -> None:
        """Delete a row and insert it again as it was."""
        key = 1 + int(self.random.random() * KEYS[table])
        seen = self.world.seen(table, self.world.open[number].xids)
        if key in seen and self.world.delete(number, table, key):
            self._store(number, table, seen[key].row)

    def _touch(self, number: int, table: str) -> None:
        """Write a row again as it is."""
        key = 1 + int(self.random.random() * KEYS[table])
        seen = self.world.seen(table, self.world.open[number].xids)
        if key in seen:
            self._store(number, table, seen[key].row)

    def _row(self, table: str, key: int, number: int = 0) -> Row | None:
        """A row of a key, with parents that are there; None where there are none."""
        random, world = self.random, self.world
        own = world.open[number].xids if number in world.open else ()
        name = NAMES[int(random.random() * len(NAMES))]
        if table == "region":
            return (str(key), name)
        if table == "client":
            regions = list(world.seen("region", own))
            region = str(random.choice(regions)) if regions and random.random() < 0.8 else None
            return (str(key), region, name)
        if table == "product":
            odd = random.random()
            since = UNTYPABLE if odd < 0.06 else random.choice(DAYS)
            return (str(key), TOO_LONG if odd > 0.95 else name, since)
        clients, products = list(world.seen("client", own)), list(world.seen("product", own))
        if not (clients and products):
            return None
        day = UNTYPABLE if random.random() < 0.04 else DAYS[0]
        client, product = str(random.choice(clients)), str(random.choice(products))
        return (str(key), client, product, str(int(random.random() * 3)), day, random.choice(NAMES))

    def _stamp(self, number: int, table: str, key: int) -> tuple[int | None, bool]:
        """Return a stamp, and whether it may lie below a watermark without being the server's."""
        random, world = self.random, self.world
        transaction = world.open[number]
        chance = random.random()
        if table in self.by_xid or table in self.odd:
            falsely = random.random() < self.habits.falsely
        else:
            falsely = False
        if not falsely:
            if chance < 0.75:
                return transaction.message, False
            if chance < 0.90:  # clock_timestamp()
                return world.now, False
            return (None, False) if chance < 0.95 else (FUTURE, False)
        if chance < 0.5:
            return world.now - random.choice((1, 5, 50, 1000)), True
        old = world.seen(table, transaction.xids).get(key)  # the stamp is left as it was
        return (old.stamp, True) if old else (transaction.message, False)

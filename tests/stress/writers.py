"""The writers of the race: each a session of its own, that writes in one way again and again.

A row's name says who wrote its newest version: `short 17` is a short writer's seventeenth. Every writer
has keys of its own, so none waits for another.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

import pg8000.native

from tests.postgres import connected

ROWS_OF_A_WRITER = 10_000_000


@dataclass
class Writer:
    """One session's doings. number: of the session, from 0."""

    kind: str
    number: int
    rng: random.Random
    versions: int = 0
    keys: list[int] = field(default_factory=list)

    def statements(self, stamp: str, rows: int = 2) -> list[str]:
        """Return statements that insert rows, change one and, now and then, delete one. stamp: in SQL."""
        made = []
        for _ in range(rows):
            self.keys.append(self.number * ROWS_OF_A_WRITER + len(self.keys))
            made.append(f"INSERT INTO item VALUES ({self.keys[-1]}, {self._name()}, {stamp})")
        changed = f"UPDATE item SET name = {self._name()}, changed = {stamp} WHERE id = {self._any()}"
        gone = f"DELETE FROM item WHERE id = {self._any()}"
        return [*made, changed, gone] if self.rng.random() < 0.2 else [*made, changed]

    def silent(self) -> str:
        """Return a statement that changes a row and leaves its stamp."""
        return f"UPDATE item SET name = {self._name()} WHERE id = {self._any()}"

    def pause(self, least: float, most: float) -> None:
        """Sleep some seconds."""
        time.sleep(self.rng.uniform(least, most))

    def _any(self) -> int:
        return self.rng.choice(self.keys) if self.keys else -1

    def _name(self) -> str:
        self.versions += 1
        return f"'{self.kind} {self.versions}'"


Play = Callable[[Writer, pg8000.native.Connection], None]


def run(session: pg8000.native.Connection, *statements: str) -> None:
    """Run statements, each a message of its own."""
    for statement in statements:
        session.run(statement)


def short(writer: Writer, session: pg8000.native.Connection) -> None:
    """A transaction a statement."""
    run(session, *writer.statements("now()"))
    writer.pause(0.02, 0.08)


def long(writer: Writer, session: pg8000.native.Connection) -> None:
    """Writes at once, commits late."""
    run(session, "BEGIN", *writer.statements("now()"))
    writer.pause(0.1, 1.0)
    run(session, *writer.statements("now()"), "COMMIT")


def idle_first(writer: Writer, session: pg8000.native.Connection) -> None:
    """Has its start, and so its stamp, long before its xid."""
    run(session, "BEGIN", "SELECT now()")
    writer.pause(0.8, 2.0)
    run(session, *writer.statements("now()"), "COMMIT")


def savepoints(writer: Writer, session: pg8000.native.Connection) -> None:
    """Takes a part back, keeps parts that have xids of their own, now and then takes all back."""
    run(session, "BEGIN", *writer.statements("now()"), "SAVEPOINT a", *writer.statements("now()"))
    writer.pause(0.0, 0.4)
    run(session, "ROLLBACK TO a", "SAVEPOINT b", *writer.statements("now()"), "RELEASE b")
    writer.pause(0.0, 0.4)
    run(session, *writer.statements("now()"), "ROLLBACK" if writer.rng.random() < 0.2 else "COMMIT")


def prepared(writer: Writer, session: pg8000.native.Connection) -> None:
    """In no session between its two ends."""
    name = f"'stress {writer.number} {writer.versions}'"
    run(session, "BEGIN", *writer.statements("now()"), f"PREPARE TRANSACTION {name}")
    writer.pause(0.3, 1.5)
    run(session, f"{'ROLLBACK' if writer.rng.random() < 0.2 else 'COMMIT'} PREPARED {name}")
    writer.pause(0.0, 1.0)


def message(writer: Writer, session: pg8000.native.Connection) -> None:
    """One message with a COMMIT in it: the second transaction is stamped with the message's arrival."""
    body = "; ".join(writer.statements("now()"))
    first, then = f"SELECT pg_sleep({writer.rng.uniform(0.5, 3)})", f"SELECT pg_sleep({writer.rng.random()})"
    session.run(f"BEGIN; {first}; COMMIT; BEGIN; {body}; {then}; COMMIT")


def clock(writer: Writer, session: pg8000.native.Connection) -> None:
    """Stamps with the time of each statement."""
    run(session, "BEGIN", *writer.statements("clock_timestamp()"))
    writer.pause(0.1, 0.8)
    run(session, *writer.statements("clock_timestamp()"), "COMMIT")


def explicit(writer: Writer, session: pg8000.native.Connection) -> None:
    """Stamps with an application's clock, some seconds slow. None is fast: one row stamped ahead, and a poll
    on the newest stamp would find nothing any more."""
    slow = writer.rng.uniform(0.0, 4.0)
    run(session, "BEGIN", *writer.statements(f"now() - interval '{slow} s'"))
    writer.pause(0.0, 0.3)
    run(session, "COMMIT")


def backdated(writer: Writer, session: pg8000.native.Connection) -> None:
    """Imports rows with the stamps they had elsewhere."""
    days = writer.rng.randint(1, 30)
    run(session, "BEGIN", *writer.statements(f"now() - interval '{days} days'"), "COMMIT")
    writer.pause(0.1, 0.3)


def silent(writer: Writer, session: pg8000.native.Connection) -> None:
    """Stamps what it inserts, and edits it without."""
    if writer.rng.random() < 0.2:
        run(session, *writer.statements("now()", 5))
    run(session, writer.silent())
    writer.pause(0.1, 0.3)


BY_THE_SERVER: dict[str, Play] = {
    "short": short,
    "long": long,
    "idle": idle_first,
    "savepoint": savepoints,
    "prepared": prepared,
    "message": message,
    "clock": clock,
}
"""Whose every stamp the server takes, in the transaction that writes the row."""

BY_OTHERS: dict[str, Play] = {"explicit": explicit, "backdated": backdated, "silent": silent}
"""Who stamp otherwise, or not at all."""

KINDS = {**BY_THE_SERVER, **BY_OTHERS}


def write(writer: Writer, url: str, stop: Event) -> None:
    """Write until told to stop; what was begun is ended."""
    with connected(url) as session:
        while not stop.is_set():
            KINDS[writer.kind](writer, session)

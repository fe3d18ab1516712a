"""The race: everyone writes and polls at once; then all writers stop, all poll once more, and it is counted
what each method does not have."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event

from tests.postgres import PostgresForTests, SourceDatabase, connected
from tests.stress.methods import OLDEST_WITH_XID, Copy, Method, Starlift, Watermark
from tests.stress.writers import BY_THE_SERVER, KINDS, Writer, write

XID, TIMESTAMP = "starlift, xid mode", "starlift, timestamp mode"
AFTER_XID = "  and after its hourly pass by xid"
NEWEST, LAGGING, WITH_XID = (
    "last_updated >= the newest stamp read",
    "  the same, 500 ms behind",
    "last_updated >= oldest transaction with an xid",
)
CONTROLS = (NEWEST, LAGGING, WITH_XID)
PAUSE = 0.1
"""Seconds between two polls, for every method."""
SESSIONS = 2
"""Writers of each kind."""

TABLE = """
CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL, changed timestamptz NOT NULL);
GRANT SELECT ON item TO starlift_source;
"""


@dataclass(frozen=True)
class Lost:
    """What a method has not. server, others: rows of which it has not the newest version, by who stamped
    that. kept: rows that are gone, and that it still has. kinds: rows it has not, by kind of writer."""

    server: int
    others: int
    kept: int
    kinds: dict[str, int] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a race came to. seconds: of writing. server, others: rows in the end, by who stamped them.
    deleted: rows that some poll saw and that are gone. kinds: rows in the end, by kind of writer."""

    seconds: float
    sessions: int
    server: int
    others: int
    deleted: int
    kinds: dict[str, int]
    polls: dict[str, int]
    lost: dict[str, Lost]


@contextmanager
def raced_table(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """A database with the empty table, for a block."""
    with postgres.source() as source:
        with connected(source.admin) as owner:
            owner.run(TABLE)
        yield source


def race(
    source: SourceDatabase,
    seconds: float,
    most: float,
    kinds: Sequence[str] = tuple(KINDS),
    sessions: int = SESSIONS,
) -> Outcome:
    """Let writers and pollers run for so many seconds, and for as many again until each control has lost a
    row that the server stamped, but not for more than `most`."""
    rng = random.Random(1)  # noqa: S311
    writers = [
        Writer(kind, number, random.Random(rng.random()))  # noqa: S311
        for number, kind in enumerate(kind for kind in kinds for _ in range(sessions))
    ]
    by_cursor = Starlift(source.reader, "timestamp")
    pollers: dict[str, Method] = {
        XID: Starlift(source.reader, "xid"),
        TIMESTAMP: by_cursor,
        NEWEST: Watermark(source.reader),
        LAGGING: Watermark(source.reader, lag=timedelta(milliseconds=500)),
        WITH_XID: Watermark(source.reader, barrier=OLDEST_WITH_XID),
    }
    polls: Counter[str] = Counter()
    began = time.monotonic()
    while True:
        _run(source, writers, pollers, polls, seconds)
        lasted, truth = time.monotonic() - began, _truth(source)
        if lasted + seconds > most or all(_lost(pollers[name].copy(), truth).server for name in CONTROLS):
            break
    found = {name: _lost(poller.copy(), truth) for name, poller in pollers.items()}
    by_cursor.pass_by_xid()
    found[AFTER_XID] = _lost(by_cursor.copy(), truth)
    ends = _by_kind(truth)
    server = sum(ends[kind] for kind in BY_THE_SERVER)
    gone = {key for poller in pollers.values() for key in poller.seen()} - set(truth)
    return Outcome(
        lasted, len(writers), server, len(truth) - server, len(gone), dict(ends), dict(polls), found
    )


def _run(
    source: SourceDatabase,
    writers: Iterable[Writer],
    pollers: dict[str, Method],
    polls: Counter[str],
    seconds: float,
) -> None:
    """Run everyone for so many seconds; then the writers end, and everyone polls once more."""
    stop, stopped = Event(), Event()

    def poll(name: str) -> None:
        while not stopped.is_set():
            pollers[name].poll()
            polls[name] += 1
            time.sleep(PAUSE)
        pollers[name].poll()

    with ThreadPoolExecutor(100) as pool:
        writing = [pool.submit(write, writer, source.admin, stop) for writer in writers]
        polling = [pool.submit(poll, name) for name in pollers]
        wait([*writing, *polling], timeout=seconds, return_when=FIRST_EXCEPTION)
        stop.set()
        wait(writing)
        stopped.set()
    for ended in (*writing, *polling):
        ended.result()


def _truth(source: SourceDatabase) -> Copy:
    with connected(source.admin) as owner:
        return {str(key): name for key, name in owner.run("SELECT id, name FROM item")}


def _lost(copy: Copy, truth: Copy) -> Lost:
    kinds = _by_kind({key: name for key, name in truth.items() if copy.get(key) != name})
    server = sum(kinds[kind] for kind in BY_THE_SERVER)
    return Lost(server, kinds.total() - server, len(set(copy) - set(truth)), dict(kinds))


def _by_kind(rows: Copy) -> Counter[str]:
    return Counter(str(name).split()[0] for name in rows.values())


def broken_laws(outcome: Outcome) -> list[str]:
    """Return what the race shows that must not be, in words."""
    lost = outcome.lost
    laws = {
        "xid mode has every row": lost[XID] == Lost(0, 0, 0),
        "timestamp mode has every row that the server stamped": lost[TIMESTAMP].server == 0,
        "timestamp mode has every row after its pass by xid": lost[AFTER_XID] == Lost(0, 0, 0),
        **{f"{name} has lost rows that the server stamped": lost[name].server > 0 for name in CONTROLS},
    }
    return [f"not so: {law}" for law, holds in laws.items() if not holds]


def table(outcome: Outcome) -> str:
    """Return the outcome for a terminal."""
    columns = (("stamped by", "the server"), ("stamped", "otherwise"), ("deleted,", "still kept"))
    heads = [
        "Rows whose newest version a poll missed",
        f"{outcome.sessions} writers of {len(outcome.kinds)} kinds for {outcome.seconds:.0f} seconds",
    ]
    lines = [
        f"{head:50}" + "".join(f"{column[number]:>14}" for column in columns)
        for number, head in enumerate(heads)
    ]
    rows = {"rows in the end": (outcome.server, outcome.others, outcome.deleted)}
    for name in (XID, TIMESTAMP, AFTER_XID, *CONTROLS):
        lost = outcome.lost[name]
        rows[name] = (lost.server, lost.others, lost.kept)
    for name, numbers in rows.items():
        lines.append(f"  {name:48}" + "".join(f"{number:14,}" for number in numbers))
    return "\n".join(lines)

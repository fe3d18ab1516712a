"""The mutant table: each is a way in which pipelines lose rows, put into this one's code or adapters.

A simulation that lets one of them live proves nothing of what the guard is for. `test_mutants.py` has each of
them found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.simulation.breakages import (
    Swap,
    event_order,
    heartbeat_px,
    key_and_stamp,
    lakes,
    latest_by_timestamp,
    max_last_updated,
    no_digest,
    no_relations,
    no_timeline,
    not_listed,
    px_of_all,
    px_unread,
    source,
    warehouse,
    watermark_apart,
    with_stamps,
)
from tests.simulation.star import TABLES
from tests.simulation.swapping import swapped

if TYPE_CHECKING:
    from tests.simulation.history import Flavour, History


@dataclass(frozen=True)
class Mutant:
    """A breakage. breaks: what is done otherwise, in words. swaps: of code. alter: of a history's adapters.
    where: what the histories are to have in which it is looked for; of all histories some have that.
    seed: of the first history to look in."""

    name: str
    breaks: str
    swaps: Callable[[], tuple[Swap, ...]] = tuple
    alter: Callable[[History], None] = lambda _: None
    where: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def season(self, flavour: Flavour) -> Flavour:
        """Return a flavour with what the histories are to have. A dictionary is of the part of that name."""
        parts: dict[str, Any] = {}
        for name, value in self.where.items():
            drawn = getattr(flavour, name)
            if isinstance(value, dict):
                value = {**drawn, **value} if isinstance(drawn, dict) else replace(drawn, **value)  # noqa: PLW2901
            parts[name] = value
        return replace(flavour, **parts)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Break the code for a block."""
        with swapped(*self.swaps()):
            yield


_BY_TIME: dict[str, Any] = {
    "modes": dict.fromkeys(TABLES, "timestamp"),
    "limits": {"margin": timedelta(), "max_rows": 1000, "xid_every": timedelta(seconds=10_000)},
    "odd": frozenset(),
    "partitions": False,
}
"""Histories in which the watermark alone tells what has changed."""
_BUSY = {"dozes": 0.7, "steps": 500, "habits": {"ticks": 1.0, "sessions": 1}}
_ODD = {
    **_BY_TIME,
    "odd": frozenset(TABLES),
    "habits": {"leaps": 0.05, "falsely": 0.5},
    "limits": {"margin": timedelta(), "heartbeat": timedelta(), "xid_every": timedelta(seconds=300)},
}
_CALM = {
    **_BY_TIME,
    "odd": frozenset(TABLES),
    "habits": {"leaps": 0.0, "falsely": 0.95, "at_once": 1.0},
    "limits": {**_BY_TIME["limits"], "heartbeat": timedelta(), "memory": 256_000_000},
    "dozes": 0.06,
    "crashes": False,
    "restores": False,
    "kill": 0.0,
}
_RACES = {"runs": 6, "unavailable": 0.0, "kill": 0.003}
_CRASHES = {"crashes": True, "habits": {"asynchronous": 1.0, "at_once": 0.8}, "kill": 0.0, "unavailable": 0.0}

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "watermark-apart",
        "W and px in an object of their own, put before the manifest",
        watermark_apart,
        seed=8,
    ),
    Mutant("plain-put", "PutObject without If-None-Match", alter=lakes("overwrites"), where=_RACES),
    Mutant("upper-bound", "cursor < c beside cursor >= W", alter=source("upper_bound"), where=_BY_TIME),
    Mutant(
        "snapshot-first",
        "the snapshot is taken before the barrier is read",
        alter=source("snapshot_first"),
        where={**_BY_TIME, **_BUSY},
        seed=3,
    ),
    Mutant("strictly-later", "cursor > W, not cursor >= W", alter=source("strictly_later"), where=_BY_TIME),
    Mutant("max-last-updated", "W is the latest stamp that was seen", max_last_updated, where=_BY_TIME),
    Mutant(
        "no-prepared",
        "prepared transactions are not counted",
        alter=source("no_prepared"),
        where={**_BY_TIME, **_BUSY},
    ),
    Mutant(
        "xid-filter",
        "the barrier reads only transactions that have an xid",
        alter=source("xid_filter"),
        where={**_BY_TIME, **_BUSY},
        seed=9,
    ),
    Mutant(
        "clock-after",
        "c is read after the open transactions",
        alter=source("clock_after"),
        where={
            **_BY_TIME,
            "dozes": 0.7,
            "habits": {"ticks": 1.0, "sessions": 1, "at_once": 0.1},
            "runs": 2,
            "steps": 800,
        },
        seed=40,
    ),
    Mutant("latest-stamp", "of two versions the one stamped later wins", latest_by_timestamp, with_stamps),
    Mutant("key-and-stamp", "a version is known by key and stamp", key_and_stamp, with_stamps, seed=4),
    Mutant("event-order", "a load applies the batch that its event names", alter=event_order),
    Mutant(
        "no-lock",
        "no lock, and no look at what is applied",
        alter=warehouse("no_lock"),
        where=_RACES,
        seed=2,
    ),
    Mutant(
        "append",
        "a version is appended whatever the current one is",
        alter=warehouse("always_append"),
        seed=2,
    ),
    Mutant("global-px", "one px for all tables", px_of_all, seed=3),
    Mutant("no-digest", "a poll of as many rows as were foretold counts as nothing new", no_digest),
    Mutant("no-settle", "no wait for the source's log", alter=source("no_settle"), where=_CRASHES, seed=2),
    Mutant(
        "no-blind",
        "sessions that hide their state are passed over",
        alter=source("no_blind"),
        where={**_BY_TIME, "dozes": 0.7, "habits": {"hidden": 0.5, "sessions": 1}},
        seed=33,
    ),
    Mutant(
        "no-relations",
        "new and vanished relations are not noticed",
        no_relations,
        where={"partitions": True, "modes": {"sale": "xid"}, "kill": 0.0},
        seed=17,
    ),
    Mutant("no-timeline", "a new timeline is not noticed", no_timeline, where={"restores": True}, seed=26),
    Mutant("px-unread", "px advances in a batch that did not read by xid", px_unread, where=_ODD, seed=2),
    Mutant(
        "heartbeat-px",
        "a heartbeat advances px of what it did not read",
        heartbeat_px,
        where=_CALM,
        seed=20,
    ),
    Mutant(
        "late-data",
        "the manifest is durable before the data",
        alter=lakes("late"),
        where={"kill": 0.02, "runs": 3},
    ),
    Mutant("no-tombstones", "the version of a deleted key does not end", alter=warehouse("no_tombstones")),
    Mutant(
        "sweep-first", "ledger and inventory are compared too early", alter=warehouse("sweep_first"), seed=12
    ),
    Mutant(
        "no-query-start",
        "of a message with several transactions only xact_start counts",
        alter=source("no_query_start"),
        where={**_BY_TIME, **_BUSY},
        seed=9,
    ),
    Mutant(
        "snapshot-a-table", "each table has a snapshot of its own", alter=source("snapshot_a_table"), seed=3
    ),
    Mutant(
        "not-listed",
        "rows asked for that came in an earlier batch of the snapshot are taken for gone",
        not_listed,
        where={
            **_ODD,
            "dozes": 0.2,
            "habits": {"leaps": 0.05, "falsely": 0.9, "at_once": 0.8},
            "limits": {**_ODD["limits"], "max_rows": 1000, "memory": 168_000_900},
        },
        seed=18,
    ),
    Mutant("no-inferred", "no placeholder for a parent to come", alter=warehouse("no_inferred")),
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}

"""The mutant table: each is a way in which pipelines lose rows, put into this one's code or adapters.

A simulation that lets one of them live proves nothing of what the guard is for. `tests/simulation/
test_mutants.py` has each of them found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core import continuity, paths, polling
from starlift.core.manifest import Manifest, TableState
from starlift.core.polling import Measure, Reached, Read
from starlift.stages import chain, extract, source_rows, star_batch
from starlift.stages import polling as stage_polling
from starlift.stages.landing import Landing
from starlift.stages.polling import TablePoll
from starlift.stages.processed_files import read_batch
from starlift.stages.source_rows import KEY, SourceRows
from tests.simulation.star import TABLES
from tests.simulation.swapping import swapped

if TYPE_CHECKING:
    from tests.simulation.history import Flavour, History

Swap = tuple[object, str, object]
"""Module or class, the name of what is replaced, and what takes its place."""


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


# the source's adapter


def _source(quirk: str) -> Callable[[History], None]:
    return lambda history: setattr(history.source.quirks, quirk, True)


def _warehouse(quirk: str) -> Callable[[History], None]:
    return lambda history: setattr(history.place.quirks, quirk, True)


def _lakes(quirk: str) -> Callable[[History], None]:
    def alter(history: History) -> None:
        for lake in (history.ingestion, history.processed):
            setattr(lake.quirks, quirk, True)

    return alter


# the state


_STATE = "state.json"


def _watermark_apart() -> tuple[Swap, ...]:
    real_commit, real_landed = extract._commit, chain.landed

    def commit(lake: Any, run: Any, pieces: Any, stored: bytes | None) -> Any:
        last = json.loads(pieces[-1].encode())
        lake.put(_STATE, json.dumps(last["tables"]).encode())
        return real_commit(lake, run, pieces, stored)

    def landed(lake: Any, seq: int, data: bytes, previous: str | None = None) -> Manifest:
        manifest = real_landed(lake, seq, data, previous)
        state = lake.objects.get(_STATE) if hasattr(lake, "objects") else None
        if state is None:
            return manifest
        raw = {**json.loads(data), "tables": json.loads(state)}
        return replace(manifest, tables=Manifest.decode(json.dumps(raw).encode()).tables)

    return (
        (extract, "_commit", commit),
        (_ChainOfExtract, "landed", staticmethod(landed)),
        (
            extract,
            "chain",
            _ChainOfExtract,
        ),
    )


class _ChainOfExtract:
    """Takes the place of `starlift.stages.chain` in extract alone."""

    landed: Any = None


def _max_last_updated() -> tuple[Swap, ...]:
    def measured(polls: Any, snapshot: Any, barrier: Any, preflight: Any, limits: Any) -> None:
        for poll in polls:
            stamps = [v.stamp for v in snapshot.visible[poll.spec.name].values() if v.stamp is not None]
            latest[poll.spec.name] = max(stamps, default=None)
        real(polls, snapshot, barrier, preflight, limits)

    def watermark(spec: Any, state: Any, barrier: Any, sound: bool, limits: Any) -> str | None:
        from tests.simulation.world import moment

        newest = latest.get(spec.name)
        return moment(newest) if newest is not None else state.W if state else None

    latest: dict[str, Any] = {}
    real = stage_polling.measure
    return (extract, "measure", measured), (polling, "next_watermark", watermark)


def _px_of_all() -> tuple[Swap, ...]:
    """One px for all tables: that of the newest batch, whichever tables that read."""
    real = Landing.manifest

    def manifest(landing: Landing, *rest: Any) -> Manifest:
        made = real(landing, *rest)
        reached = max((int(s.px) for s in made.tables.values() if s.px), default=None)
        if reached is None:
            return made
        tables = {name: replace(state, px=str(reached)) for name, state in made.tables.items()}
        return replace(made, tables=tables)

    return ((Landing, "manifest", manifest),)


def _px_unread() -> tuple[Swap, ...]:
    real = polling.advance

    def advance(read: Read, state: TableState | None, reached: Reached, measure: Measure) -> TableState:
        return replace(real(read, state, reached, measure), px=reached.xmin, px_at=reached.clock)

    return ((polling, "advance", advance),)


def _heartbeat_px() -> tuple[Swap, ...]:
    real = Landing.manifest

    def manifest(landing: Landing, *rest: Any) -> Manifest:
        made = real(landing, *rest)
        if landing.kind() != "heartbeat":
            return made
        tables = {}
        for table in landing.tables:
            tables[table.spec.name] = replace(
                made.tables[table.spec.name], px=table.reached.xmin, px_at=table.reached.clock
            )
        return replace(made, tables={**made.tables, **tables})

    return ((Landing, "manifest", manifest),)


def _no_digest() -> tuple[Swap, ...]:
    def unchanged(read: Read, state: TableState | None, measure: Measure) -> bool:
        if state is None or "whole" in read.passes or read.new_relations or read.keys:
            return False
        return all(state.overlap.get(kind, (0, ""))[0] == measure.now[kind][0] for kind in read.passes)

    return ((polling, "unchanged", unchanged),)


def _no_relations() -> tuple[Swap, ...]:
    real = polling.plan

    def plan(*given: Any) -> Read:
        return replace(real(*given), new_relations=())

    return (polling, "plan", plan), (polling, "gone_relations", lambda *_: False)


def _no_timeline() -> tuple[Swap, ...]:
    real = continuity.went_back

    def went_back(before: Any, before_clock: str, now: Any, clock: str) -> str | None:
        return real(replace(before, timeline=now.timeline), before_clock, now, clock)

    return ((continuity, "went_back", went_back),)


# the rows


def _latest_by_timestamp() -> tuple[Swap, ...]:
    return ((star_batch, "read_rows", _rows_but(lambda new, old: new is not None and new < old)),)


def _key_and_stamp() -> tuple[Swap, ...]:
    return ((star_batch, "read_rows", _rows_but(lambda new, old: new == old)),)


def _rows_but(dropped: Callable[[Any, Any], bool]) -> Callable[..., SourceRows]:
    """Return a `read_rows` that leaves out rows by their stamp and that of the version shipped before."""
    real = source_rows.read_rows

    def read_rows(lake: Any, manifest: Manifest, table: str) -> SourceRows:
        rows = real(lake, manifest, table)
        stamps = lake.stamps
        drop = []
        for key in rows.typed[KEY].to_pylist():
            new = stamps(manifest, table, key)
            old = [
                stamp
                for seq in range(1, manifest.seq)
                if (stamp := stamps(Manifest.decode(lake.objects[paths.manifest(seq)]), table, key))
                is not None
            ]
            if new is not None and old and dropped(new, max(old)):
                drop.append(key)
        keep = pc.invert(pc.is_in(rows.typed[KEY], pa.array(drop, pa.string())))
        return replace(rows, typed=rows.typed.filter(keep))

    return read_rows


def _with_stamps(history: History) -> None:
    """Let the ingestion lake tell the stamp of a row that a batch brought."""
    shipped: dict[tuple[int, str], Mapping[str, int | None]] = {}

    def stamps(manifest: Manifest, table: str, key: str) -> int | None:
        name = manifest.seq, table
        if name not in shipped:
            keys = history.oracle._shipped(table, manifest)
            versions = history.source.shown[manifest.snapshot][table]
            shipped[name] = {f"({k})": versions[k].stamp for k in keys}
        return shipped[name].get(key)

    history.ingestion.stamps = stamps  # type: ignore[attr-defined]


def _event_order(history: History) -> None:
    """A load applies the batch that its event names, whatever was applied before."""
    history.place.quirks.any_order = True
    told: list[int] = []

    def stored() -> None:
        seq = log_head(history.processed.objects)
        told.extend([seq] * history.random.choice((1, 1, 2)))
        history.nudges.append("load")

    def load(warehouse: Any) -> None:
        if told:
            seq = told.pop(history.random.randrange(len(told)))
            data = history.processed.objects[paths.manifest(seq)]
            if not json.loads(data)["partial"]:
                warehouse.apply(read_batch(history.processed, data))

    history.processed._committed = stored
    history.instead_of_load = load


def log_head(objects: Mapping[str, bytes]) -> int:
    """The newest manifest."""
    return max((int(key[10:30]) for key in objects if key.startswith("manifests/0")), default=0)


def _not_listed() -> tuple[Swap, ...]:
    return ((TablePoll, "list_keys", lambda _: None),)


_BY_TIME: dict[str, Any] = {
    "modes": dict.fromkeys(TABLES, "timestamp"),
    "limits": {"margin": timedelta(), "max_rows": 1000, "xid_every": timedelta(seconds=10_000)},
    "odd": frozenset(),
    "partitions": False,
}
"""Histories in which the watermark alone tells what has changed."""
_BUSY = {"dozes": 0.5, "habits": {"ticks": 0.4}}
_ODD = {
    **_BY_TIME,
    "odd": frozenset(TABLES),
    "habits": {"leaps": 0.05, "falsely": 0.5},
    "limits": {"margin": timedelta(), "heartbeat": timedelta(), "xid_every": timedelta(seconds=300)},
}
_RACES = {"runs": 6, "unavailable": 0.0, "kill": 0.003}
_CRASHES = {"crashes": True, "habits": {"asynchronous": 0.6}, "kill": 0.0, "unavailable": 0.0}

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "watermark-apart", "W and px in an object of their own, put before the manifest", _watermark_apart
    ),
    Mutant("plain-put", "PutObject without If-None-Match", alter=_lakes("overwrites"), where=_RACES),
    Mutant("upper-bound", "cursor < c beside cursor >= W", alter=_source("upper_bound"), where=_BY_TIME),
    Mutant(
        "snapshot-first",
        "the snapshot is taken before the barrier is read",
        alter=_source("snapshot_first"),
        where={**_BY_TIME, **_BUSY},
    ),
    Mutant("strictly-later", "cursor > W, not cursor >= W", alter=_source("strictly_later"), where=_BY_TIME),
    Mutant("max-last-updated", "W is the latest stamp that was seen", _max_last_updated, where=_BY_TIME),
    Mutant(
        "no-prepared",
        "prepared transactions are not counted",
        alter=_source("no_prepared"),
        where={**_BY_TIME, **_BUSY},
    ),
    Mutant(
        "xid-filter",
        "the barrier reads only transactions that have an xid",
        alter=_source("xid_filter"),
        where={**_BY_TIME, **_BUSY},
    ),
    Mutant(
        "clock-after",
        "c is read after the open transactions",
        alter=_source("clock_after"),
        where={**_BY_TIME, "dozes": 0.5, "habits": {"ticks": 1.0}},
    ),
    Mutant("latest-stamp", "of two versions the one stamped later wins", _latest_by_timestamp, _with_stamps),
    Mutant("key-and-stamp", "a version is known by key and stamp", _key_and_stamp, _with_stamps),
    Mutant("event-order", "a load applies the batch that its event names", alter=_event_order),
    Mutant("no-lock", "no lock, and no look at what is applied", alter=_warehouse("no_lock"), where=_RACES),
    Mutant("append", "a version is appended whatever the current one is", alter=_warehouse("always_append")),
    Mutant("global-px", "one px for all tables", _px_of_all),
    Mutant("no-digest", "a poll of as many rows as were foretold counts as nothing new", _no_digest),
    Mutant("no-settle", "no wait for the source's log", alter=_source("no_settle"), where=_CRASHES),
    Mutant(
        "no-blind",
        "sessions that hide their state are passed over",
        alter=_source("no_blind"),
        where={**_BY_TIME, "dozes": 0.5, "habits": {"hidden": 0.5}},
    ),
    Mutant(
        "no-relations",
        "new and vanished relations are not noticed",
        _no_relations,
        where={"partitions": True, "modes": {"sale": "xid"}, "kill": 0.0},
    ),
    Mutant("no-timeline", "a new timeline is not noticed", _no_timeline, where={"restores": True}),
    Mutant("px-unread", "px advances in a batch that did not read by xid", _px_unread, where=_ODD),
    Mutant("heartbeat-px", "a heartbeat advances px of what it did not read", _heartbeat_px, where=_ODD),
    Mutant(
        "late-data",
        "the manifest is durable before the data",
        alter=_lakes("late"),
        where={"kill": 0.02, "runs": 3},
    ),
    Mutant("no-tombstones", "the version of a deleted key does not end", alter=_warehouse("no_tombstones")),
    Mutant("sweep-first", "ledger and inventory are compared too early", alter=_warehouse("sweep_first")),
    Mutant(
        "no-query-start",
        "of a message with several transactions only xact_start counts",
        alter=_source("no_query_start"),
        where={**_BY_TIME, **_BUSY},
    ),
    Mutant("snapshot-a-table", "each table has a snapshot of its own", alter=_source("snapshot_a_table")),
    Mutant(
        "not-listed",
        "a table read whole in several batches lists no keys",
        _not_listed,
        where={"restores": True, "limits": {"memory": 168_000_600, "max_rows": 1000}},
    ),
    Mutant("no-inferred", "no placeholder for a parent to come", alter=_warehouse("no_inferred")),
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}

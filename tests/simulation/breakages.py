"""Ways to break the pipeline, for the mutant table: in its code, or in the adapters of a history."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
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

if TYPE_CHECKING:
    from tests.simulation.history import History

Swap = tuple[object, str, object]
"""Module or class, the name of what is replaced, and what takes its place."""


# the source's adapter


def source(quirk: str) -> Callable[[History], None]:
    return lambda history: setattr(history.source.quirks, quirk, True)


def warehouse(quirk: str) -> Callable[[History], None]:
    return lambda history: setattr(history.place.quirks, quirk, True)


def lakes(quirk: str) -> Callable[[History], None]:
    def alter(history: History) -> None:
        for lake in (history.ingestion, history.processed):
            setattr(lake.quirks, quirk, True)

    return alter


# the state


_STATE = "state.json"


def watermark_apart() -> tuple[Swap, ...]:
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


def max_last_updated() -> tuple[Swap, ...]:
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


def px_of_all() -> tuple[Swap, ...]:
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


def px_unread() -> tuple[Swap, ...]:
    real = polling.advance

    def advance(read: Read, state: TableState | None, reached: Reached, measure: Measure) -> TableState:
        return replace(real(read, state, reached, measure), px=reached.xmin, px_at=reached.clock)

    return ((polling, "advance", advance),)


def heartbeat_px() -> tuple[Swap, ...]:
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


def no_digest() -> tuple[Swap, ...]:
    def unchanged(read: Read, state: TableState | None, measure: Measure) -> bool:
        if state is None or "whole" in read.passes or read.new_relations or read.keys:
            return False
        return all(state.overlap.get(kind, (0, ""))[0] == measure.now[kind][0] for kind in read.passes)

    return ((polling, "unchanged", unchanged),)


def no_relations() -> tuple[Swap, ...]:
    real = polling.plan

    def plan(*given: Any) -> Read:
        return replace(real(*given), new_relations=())

    return (polling, "plan", plan), (polling, "gone_relations", lambda *_: False)


def no_timeline() -> tuple[Swap, ...]:
    real = continuity.went_back

    def went_back(before: Any, before_clock: str, now: Any, clock: str) -> str | None:
        return real(replace(before, timeline=now.timeline), before_clock, now, clock)

    return ((continuity, "went_back", went_back),)


# the rows


def latest_by_timestamp() -> tuple[Swap, ...]:
    return ((star_batch, "read_rows", _rows_but(lambda new, old: new is not None and new < old)),)


def key_and_stamp() -> tuple[Swap, ...]:
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


def with_stamps(history: History) -> None:
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


def event_order(history: History) -> None:
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


def not_listed() -> tuple[Swap, ...]:
    return ((TablePoll, "list_keys", lambda _: None),)

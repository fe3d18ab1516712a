"""Whatever is written between the chunks of a read: when it closes, the lake has the source's rows.

The real extract over a simulated source and a lake in memory; runs end, or are killed, between and within
chunks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starlift.adapters.memory import MemoryLake
from starlift.core.config import DeclaredMode, Limits, PipelineConfig, TableSpec
from starlift.core.manifest import File, Inventory, Manifest
from starlift.stages import log
from starlift.stages.extract import Run, extract
from starlift.stages.watch import Watch
from tests.extract.simulated import Action, SimulatedSource, World

NAMES = ("client", "sale")
KEYS = st.integers(0, 7)
ACTIONS = st.tuples(
    st.sampled_from(("put", "put", "put", "put", "delete", "rekey", "open", "commit", "abort")),
    st.sampled_from((0, 0, 0, 0, 1, 2)),
    st.integers(0, 1),
    KEYS,
    KEYS,
)
"""The transaction 0 commits whatever it does at once."""
LIVES = st.lists(st.lists(ACTIONS, max_size=3), max_size=40)


class Killed(BaseException):
    """The process is gone."""


class Perilous(MemoryLake):
    """A lake at whose n-th write the process is killed, before it or after."""

    def __init__(self, perils: Iterable[tuple[int, bool]]) -> None:
        super().__init__()
        self._perils = iter(perils)
        self._next()

    def _next(self) -> None:
        self._left, self._after = next(self._perils, (-1, False))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._left -= 1
        dies, after = self._left == 0, self._after
        if dies:
            self._next()
        if dies and not after:
            raise Killed
        stored = super().put_if_absent(key, data)
        if dies:
            raise Killed
        return stored


class Impatient(Watch):
    """Wishes to end whenever it is told to."""

    def __init__(self, wishes: Iterator[bool]) -> None:
        self._wishes = wishes

    @property
    def wished(self) -> bool:
        return next(self._wishes, False)


def run_until_closed(source: SimulatedSource, lake: MemoryLake, config: PipelineConfig, watch: Watch) -> int:
    """Extract again and again until a poll closes. Return the number of runs."""
    for number in range(1, 1000):
        try:
            if not extract(source, lake, config, Run(f"run{number}", "test", watch)).partial:
                return number
        except Killed:
            continue
    raise AssertionError("it does not come to an end")


def landed(lake: MemoryLake, table: str) -> dict[str, str]:
    """The newest name of every key that was ever shipped."""
    found: dict[str, str] = {}
    for _, data in log.following(lake, 0):
        keys: list[str] = []
        for file in Manifest.decode(data).files:
            if file.table == table:
                rows = lines(lake, file)
                keys += [row["id"] for row in rows]
                found |= {row["id"]: row["name"] for row in rows}
        assert len(keys) == len(set(keys)), "a batch has no key twice"
    return found


def lines(lake: MemoryLake, file: File) -> list[dict[str, Any]]:
    text = zstandard.ZstdDecompressor().decompressobj().decompress(log.fetch(lake, file))
    return [json.loads(line) for line in text.splitlines()]


def listed(lake: MemoryLake, inventory: Inventory) -> set[str]:
    """The keys that an inventory lists."""
    return {row["_key"].strip("()") for file in inventory.files for row in lines(lake, file)}


def faults(lake: MemoryLake, shown: list[dict[str, str]]) -> list[str]:
    """Return in what the lake is not what a closing snapshot showed.

    What was deleted while it was read is still there; then the count of rows says so, or where they were not
    counted the list of the keys that are left.
    """
    head, stored = log.head(lake)
    manifest = Manifest.decode(stored or b"")
    closes = head > 1 and Manifest.decode(log.read(lake, head - 1)).partial
    wrong = []
    for table, rows in zip(NAMES, shown, strict=True):
        there, state = landed(lake, table), manifest.tables[table]
        lost = {key: name for key, name in rows.items() if there.get(key) != name}
        if lost:
            wrong.append(f"{table}: {lost} are not as they were landed")
        if state.mode == "xid" and state.count != len(rows):
            wrong.append(f"{table}: counted {state.count} of {len(rows)}")
        one_snapshot = closes and Manifest.decode(log.read(lake, head - 1)).snapshot == manifest.snapshot
        if closes and not one_snapshot and state.mode == "timestamp":
            found = manifest.inventory.get(table)
            if found is None or (found.scope == "all" and listed(lake, found) != rows.keys()):
                wrong.append(f"{table}: it does not tell what is gone: {found}")
        if state.chunk is not None:
            wrong.append(f"{table} is still under way")
    return wrong


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    stock=st.lists(KEYS, max_size=16),
    life=LIVES,
    max_rows=st.integers(1, 4),
    memory=st.sampled_from((0, 256_000_000)),
    modes=st.tuples(*(st.sampled_from(("xid", "timestamp")),) * 2),
    perils=st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=5),
    wishes=st.lists(st.booleans(), max_size=10),
    rounds=st.integers(1, 4),
)
def test_after_the_closing_poll_the_lake_has_what_its_snapshot_showed(  # noqa: PLR0917 - drawn, not passed
    stock: list[int],
    life: list[list[Action]],
    max_rows: int,
    memory: int,
    modes: tuple[DeclaredMode, DeclaredMode],
    perils: list[tuple[int, bool]],
    wishes: list[bool],
    rounds: int,
) -> None:
    world = World(NAMES)
    for number, key in enumerate(stock):
        world.do(("put", 0, number % 2, key, 0))
    limits = Limits(
        margin=timedelta(),
        xid_every=timedelta(seconds=7),
        max_rows=max_rows,
        memory=memory,
        heartbeat=timedelta(),
    )
    tables = {
        name: TableSpec(name, ("id",), ("id", "name"), cursor="changed", mode=mode)
        for name, mode in zip(NAMES, modes, strict=True)
    }
    config = PipelineConfig("shop", "public", "public", tables, limits)
    lake = Perilous(perils)
    source = SimulatedSource(world, iter(life))
    for _ in range(rounds):
        run_until_closed(source, lake, config, Impatient(iter(wishes)))
        assert faults(lake, source.shown) == []

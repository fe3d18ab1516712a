"""The stage: everything pending, in order, from a lake's files into the warehouse."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from starlift.adapters.memory import MemoryLake
from starlift.adapters.postgres.warehouse import PostgresWarehouse
from starlift.core import paths
from starlift.core.manifest import File, Inventory, ModelRef, Processed, sha256
from starlift.core.requests import Request
from starlift.errors import HeldError, LostRace
from starlift.ports import Applied, Ask, Batch, BuildTarget, Load, Loaded
from starlift.stages import log
from starlift.stages.load import load
from starlift.stages.watch import Watch
from tests.load.batches import MODELS, History, design, entries, sale, table
from tests.load.conftest import Star


class ProcessedLake(MemoryLake):
    """A processed lake, written as transform writes it."""

    def __init__(self, source: str = "totesys") -> None:
        super().__init__("processed")
        self.history = History(source)

    def add(
        self,
        star: dict[str, list[pa.Table]],
        held: Sequence[dict[str, Any]] = (),
        counted: Mapping[str, int] | None = None,
        inventory: Mapping[str, Inventory] | None = None,
        partial: bool = False,
        **ledger: pa.Table,
    ) -> None:
        """Commit the next batch. counted: rows of tables at the source. partial: it is a chunk."""
        self.history.seq += 1
        seq = self.history.seq
        manifest: Processed = replace(
            self.history.manifest("incremental", MODELS),
            star=tuple(
                self._parquet(name, paths.star, rows) for name, parts in star.items() for rows in parts
            ),
            ledger=tuple(self._parquet(name, paths.ledger, rows) for name, rows in ledger.items()),
            quarantine=tuple(self._lines(row) for row in held),
            source_rows=dict(counted or {}),
            inventory=dict(inventory or {}),
            partial=partial,
        )
        self.history.previous = sha256(manifest.encode())
        log.commit(self, seq, manifest.encode())

    def _parquet(self, name: str, path: Any, rows: pa.Table) -> File:
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd")
        data = buffer.getvalue()
        return log.store(self, name, path(name, self.history.seq, sha256(data)), data, rows.num_rows)

    def _lines(self, row: dict[str, Any]) -> File:
        data = zstandard.compress(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        key = paths.quarantine(row["table"], self.history.seq, sha256(data))
        return log.store(self, row["table"], key, data, 1)


@pytest.fixture
def lake() -> ProcessedLake:
    """Two batches: designs in two files with a rejected row, then a sale."""
    found = ProcessedLake()
    held = {
        "table": "design",
        "key": "(3)",
        "seq": 1,
        "stage": "transform",
        "reason": "no\u2028name",
        "row": {"a": "é"},
    }
    states = {"(1)": "live", "(2)": "live", "(3)": "quarantined"}
    parts = [table("dim_design", [design(1)]), table("dim_design", [design(2)])]
    found.add({"dim_design": parts}, [held], design=entries(states))
    found.add(
        {"fact_sales_order": [table("fact_sales_order", [sale(1)])]}, sales_order=entries({"(1)": "live"})
    )
    return found


def test_everything_pending_is_applied_in_order_and_then_nothing_is(star: Star, lake: ProcessedLake) -> None:
    with star.open() as warehouse:
        first, second = load(lake, warehouse)
        assert (first.seq, second.seq) == (1, 2)
        assert first.star["dim_design"].inserted == 2
        assert second.star["fact_sales_order"].inserted == 1
        assert load(lake, warehouse) == []
        status = warehouse.status()
    assert status.applied is not None
    assert status.applied.manifest_sha256 == sha256(log.read(lake, 2))
    [held] = status.quarantine
    assert (held.table, held.key, held.stage, held.reason, held.seq) == (
        "design", "(3)", "transform", "no\u2028name", 1,
    )  # fmt: skip
    assert ("staff", "(1)", 2) in [(found.table, found.key, found.seq) for found in status.inferred]
    assert status.ledger["design"] == {"live": 2, "quarantined": 1}


def test_each_batch_is_announced_before_its_work_begins(lake: ProcessedLake) -> None:
    said: list[object] = []

    class Ear(Watch):
        def __call__(self, stage: str, what: str, rows: int, _left: int = 0, /) -> None:
            said.append((stage, what, rows))

    load(lake, OvertakenWarehouse(9), Ear())
    assert said == [("load", "batch 1", 2), ("load", "batch 2", 1)]


def test_when_nothing_is_pending_arrow_is_not_loaded() -> None:
    program = (
        "import sys; import starlift.adapters.postgres.warehouse, starlift.stages.load as stage;"
        "from starlift.adapters.memory import MemoryLake; from unittest.mock import Mock;"
        "stage.load(MemoryLake(), Mock(applied=lambda: None)); print('pyarrow' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_an_empty_lake_is_nothing_to_do(star: Star) -> None:
    with star.open() as warehouse:
        assert load(MemoryLake(), warehouse) == []


def test_what_comes_later_is_applied_later(star: Star, lake: ProcessedLake) -> None:
    with star.open() as warehouse:
        load(lake, warehouse)
        lake.add({"dim_design": [table("dim_design", [design(4)])]}, design=entries({"(4)": "live"}))
        assert [loaded.seq for loaded in load(lake, warehouse)] == [3]


def test_a_damaged_file_holds_its_batch_and_keeps_the_one_before(star: Star, lake: ProcessedLake) -> None:
    [file] = Processed.decode(log.read(lake, 2)).star
    lake.put(file.key, b"something else")
    with star.open() as warehouse:
        with pytest.raises(HeldError, match=file.key):
            load(lake, warehouse)
        applied = warehouse.applied()
    assert applied is not None
    assert applied.seq == 1


def test_an_idle_lake_that_is_not_the_warehouses_is_noticed(star: Star, lake: ProcessedLake) -> None:
    with star.open() as warehouse:
        load(lake, warehouse)
        other = ProcessedLake("elsewhere")
        for wrong in (MemoryLake("empty"), other):
            with pytest.raises(
                HeldError, match="batch 2 of the warehouse did not come from the lake memory://"
            ):
                load(wrong, warehouse)
            other.add({})
            other.add({})


class OvertakenWarehouse:
    """A warehouse in which another load is ahead from a given batch on."""

    def __init__(self, ahead_from: int) -> None:
        self.ahead_from = ahead_from

    def applied(self) -> Applied | None:
        return None

    def apply(
        self,
        batch: Batch,
        ask: Ask = lambda _: None,  # noqa: ARG002 - as the port has it
        *,
        confirmed: bool = False,  # noqa: ARG002
        released: bool = False,  # noqa: ARG002
    ) -> Loaded:
        if batch.manifest.seq >= self.ahead_from:
            raise LostRace("another load was quicker")
        return Loaded(batch.manifest.seq, {})

    def apply_together(
        self,
        batches: Iterable[Batch],
        ask: Ask = lambda _: None,
        confirmed: Container[int] = (),
        released: Container[int] = (),
    ) -> list[Loaded]:
        raise NotImplementedError

    def loads(self, seq: int) -> Sequence[Load]:
        raise NotImplementedError

    @property
    def build(self) -> BuildTarget:
        raise NotImplementedError

    def rehearse(self, models: Sequence[ModelRef]) -> None:
        raise NotImplementedError

    def publish(
        self, models: Sequence[ModelRef], gone: Sequence[str] = (), *, last: str | None = None
    ) -> list[str] | None:
        raise NotImplementedError


def test_a_load_overtaken_at_once_has_lost(lake: ProcessedLake) -> None:
    with pytest.raises(LostRace):
        load(lake, OvertakenWarehouse(1))


def test_a_load_overtaken_later_reports_what_it_did(lake: ProcessedLake) -> None:
    assert [loaded.seq for loaded in load(lake, OvertakenWarehouse(2))] == [1]


def test_a_batch_that_the_star_refuses_is_read_again_to_find_the_rows(
    star: Star, lake: ProcessedLake
) -> None:
    star.rows("ALTER TABLE dim_design ADD CONSTRAINT one CHECK (design_id = 1)")
    with star.open() as warehouse:
        load(lake, warehouse)
    assert star.rows("SELECT design_id FROM dim_design WHERE design_name <> '(not loaded)'") == [[1]]
    assert star.rows("SELECT key, state FROM starlift.ledger WHERE source_table = 'design' ORDER BY 1") == [
        ["(1)", "live"],
        ["(2)", "quarantined"],
        ["(3)", "quarantined"],
    ]


def asked(ingestion: MemoryLake) -> list[tuple[str, str]]:
    """Kind and table of the requests in a lake."""
    found = [Request.decode(ingestion.get(key) or b"") for key in ingestion.keys("requests/")]
    return sorted((request.kind, request.table) for request in found)


def test_what_a_count_tells_is_asked_after_the_newest_batch_and_what_sums_tell_after_each(star: Star) -> None:
    lake, ingestion = ProcessedLake(), MemoryLake("ingestion")
    for _ in range(3):
        sums = {"design": Inventory("none", ((7, 1, "5"),))}
        lake.add({}, counted={"sales_order": 5}, inventory=sums)
    with star.open() as warehouse:
        loaded = load(lake, warehouse, ingestion=ingestion)
    kinds = [[(request.table, bool(request.buckets)) for request in each.requests] for each in loaded]
    assert kinds == [[("design", True)], [("design", True)], [("design", True), ("sales_order", False)]]
    assert asked(ingestion) == [("inventory", "design")] * 3 + [("inventory", "sales_order")]


def test_a_load_that_was_killed_after_asking_asks_once(star: Star) -> None:
    lake, ingestion = ProcessedLake(), MemoryLake("ingestion")
    lake.add({}, counted={"sales_order": 5})

    class Dying(PostgresWarehouse):
        def apply(self, batch: Batch, ask: Ask = lambda _: None, **permitted: bool) -> Loaded:
            def die(requests: tuple[Request, ...]) -> None:
                ask(requests)
                raise RuntimeError("killed")

            return super().apply(batch, die, **permitted)

    with star.open() as warehouse:
        warehouse.__class__ = Dying
        with pytest.raises(RuntimeError, match="killed"):
            load(lake, warehouse, ingestion=ingestion)
    assert asked(ingestion) == [("inventory", "sales_order")]
    with star.open() as warehouse:
        load(lake, warehouse, ingestion=ingestion)
    assert asked(ingestion) == [("inventory", "sales_order")]


def test_a_load_without_an_ingestion_lake_asks_nothing(star: Star) -> None:
    lake = ProcessedLake()
    lake.add({}, counted={"sales_order": 5})
    with star.open() as warehouse:
        [loaded] = load(lake, warehouse)
    assert loaded.requests == ()


def test_a_batch_that_is_confirmed_deletes_what_it_finds_deleted_and_no_other_does(star: Star) -> None:
    lake = ProcessedLake()
    lake.add({}, department=entries({f"({number})": "live" for number in range(200)}))
    lake.add({}, inventory={"department": Inventory("all")})
    with star.open() as warehouse:
        with pytest.raises(HeldError, match="batch 2 takes away 200 of 200 rows"):
            load(lake, warehouse, confirmed=[1, 3])
        assert [loaded.seq for loaded in load(lake, warehouse, confirmed=[2])] == [2]


class Hasty(Watch):
    """Wishes to end wherever that may be."""

    wished = True


def sales(lake: ProcessedLake, *keys: int, partial: bool = False) -> None:
    """Commit a batch of sales. partial: as a chunk."""
    star = {"fact_sales_order": [table("fact_sales_order", [sale(key) for key in keys])]}
    lake.add(star, partial=partial, sales_order=entries({f"({key})": "live" for key in keys}))


def test_between_two_batches_load_may_end_and_goes_on_the_next_time(star: Star) -> None:
    lake = ProcessedLake()
    for key in range(3):
        sales(lake, key)
    with star.open() as warehouse:
        assert [[done.seq for done in load(lake, warehouse, Hasty())] for _ in range(4)] == [
            [1],
            [2],
            [3],
            [],
        ]


def test_chunks_of_a_star_that_is_there_wait_for_the_batch_that_closes_them(star: Star) -> None:
    lake = ProcessedLake()
    sales(lake, 1)
    with star.open() as warehouse:
        load(lake, warehouse)
        sales(lake, 2, partial=True)
        assert load(lake, warehouse) == []
        sales(lake, 3, partial=True)
        sales(lake, 4)
        assert [done.seq for done in load(lake, warehouse, Hasty())] == [2, 3, 4]


def test_a_first_load_in_chunks_goes_on_in_the_build_target_and_is_published_when_it_is_closed(
    star: Star,
) -> None:
    lake = ProcessedLake()
    count = "SELECT count(*) FROM fact_sales_order"
    for key in range(1, 4):
        sales(lake, key, partial=True)
    with star.open() as warehouse:
        assert [[done.seq for done in load(lake, warehouse, Hasty())] for _ in range(4)] == [
            [1],
            [2],
            [3],
            [],
        ]
        assert (warehouse.applied(), star.value(count), warehouse.status().built) == (None, 0, 3)
        sales(lake, 4)
        sales(lake, 5)
        assert [done.seq for done in load(lake, warehouse)] == [4, 5]
        assert (star.value(count), warehouse.status().built) == (5, None)


def test_what_is_left_in_the_build_target_of_another_lake_is_built_anew(star: Star) -> None:
    other, lake = ProcessedLake("elsewhere"), ProcessedLake()
    sales(other, 7, 8, partial=True)
    sales(lake, 1, partial=True)
    with star.open() as warehouse:
        load(other, warehouse)
        load(lake, warehouse)
        sales(lake, 2)
        load(lake, warehouse)
    assert star.rows("SELECT sales_order_id FROM fact_sales_order ORDER BY 1") == [[1], [2]]


def test_a_star_that_another_load_has_published_is_a_lost_race(star: Star) -> None:
    lake = ProcessedLake()
    sales(lake, 1, partial=True)
    sales(lake, 2)

    class Slow(Watch):
        def __call__(self, *_: Any) -> None:
            with star.open() as quicker:
                load(lake, quicker)

    with star.open() as warehouse:
        with pytest.raises(LostRace):
            load(lake, warehouse, Slow())
        assert load(lake, warehouse) == []


def test_a_sweep_that_is_held_holds_the_chunks_that_it_closes(star: Star) -> None:
    lake = ProcessedLake()
    lake.add({}, department=entries({f"({number})": "live" for number in range(200)}))
    lake.add({}, partial=True, department=entries({"(200)": "live"}))
    lake.add({}, inventory={"department": Inventory("all")})
    with star.open() as warehouse:
        with pytest.raises(HeldError, match="batch 3 takes away 201 of 201 rows of department"):
            load(lake, warehouse)
        applied = warehouse.applied()
        assert applied is not None
        assert [done.seq for done in load(lake, warehouse, confirmed=[3])] == [2, 3]
    assert applied.seq == 1

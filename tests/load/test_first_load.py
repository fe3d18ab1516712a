"""The stage: a first load in chunks is one transaction, or built beside the star where that is too much."""

from __future__ import annotations

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.stages import load as load_stage
from starlift.stages.load import load
from starlift.stages.watch import Watch
from tests.load.conftest import Star, emptied
from tests.load.test_load_stage import Hasty, ProcessedLake, asked, sales


class Telling(Watch):
    """Keeps what it is told a stage is at."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, stage: str, what: str, rows: int, left: int = 0, /) -> None:
        self.told.append(f"{stage} {what}, {rows}, {left} left")


def chunks(lake: ProcessedLake) -> None:
    """Commit two chunks of a sale each, and a batch of one that closes them."""
    sales(lake, 1, partial=True)
    sales(lake, 2, partial=True)
    sales(lake, 3)


@pytest.mark.parametrize(("at_once", "published"), [(3, False), (2, True)])
def test_a_first_load_of_not_too_many_rows_is_one_transaction(
    star: Star, at_once: int, published: bool
) -> None:
    lake, watch = ProcessedLake(), Telling()
    chunks(lake)
    with star.open() as warehouse:
        done = load(lake, warehouse, watch, at_once=at_once)
    assert [one.seq for one in done] == [1, 2, 3]
    steps = ["load batch 1, 1, 2 left", "load batch 2, 1, 1 left", "load batch 3, 1, 0 left"]
    assert watch.told == [*steps, "publish the star, 3, 0 left"][: 3 + published]
    assert star.value("SELECT count(*) FROM fact_sales_order") == 3


def test_a_first_load_that_is_built_already_too_many_chunks_or_in_a_hurry_is_built(
    star: Star, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = ProcessedLake()

    class Hurried(Telling):
        hurried = True

    def is_published(watch: Telling) -> bool:
        star.migrate()
        with star.open() as warehouse:
            load(lake, warehouse, watch, at_once=100)
        return "publish the star, 3, 0 left" in watch.told

    chunks(lake)
    assert is_published(Hurried())
    emptied(star.database)
    monkeypatch.setattr(load_stage, "MOST_CHUNKS", 2)
    assert is_published(Telling())
    emptied(star.database)
    monkeypatch.setattr(load_stage, "MOST_CHUNKS", 3)
    assert not is_published(Telling())
    emptied(star.database)
    star.migrate()
    with star.open() as warehouse:
        load(lake, warehouse, Hasty())
    assert is_published(Telling())


def test_a_wish_to_end_takes_back_what_would_be_one_transaction(star: Star) -> None:
    lake, watch = ProcessedLake(), Hasty()
    chunks(lake)
    with star.open() as warehouse:
        assert load(lake, warehouse, watch, at_once=3) == []
        assert watch.stopped
        assert warehouse.applied() is None
        assert len(load(lake, warehouse, at_once=3)) == 3


def test_chunks_are_taken_as_they_come_and_what_closes_them_asks(star: Star) -> None:
    lake, ingestion = ProcessedLake(), MemoryLake("ingestion")
    sales(lake, 1, partial=True)
    coming = [
        lambda: sales(lake, 2, partial=True),
        lambda: None,
        lambda: lake.add({}, counted={"sales_order": 5}),
    ]

    def more() -> bool:
        assert star.value("SELECT count(*) FROM starlift.applied") == 0
        coming.pop(0)()
        return bool(coming)

    with star.open() as warehouse:
        done = load(lake, warehouse, ingestion=ingestion, at_once=9, more=more)
        assert [one.seq for one in done] == [1, 2, 3]
        assert [len(one.requests) for one in done] == [0, 0, 1]
    assert asked(ingestion) == [("inventory", "sales_order")]
    assert star.value("SELECT count(*) FROM fact_sales_order") == 2


def test_chunks_that_come_to_no_end_leave_nothing(star: Star, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = ProcessedLake()
    sales(lake, 1, partial=True)
    with star.open() as warehouse:
        assert load(lake, warehouse, at_once=9, more=lambda: False) == []
        assert warehouse.applied() is None
        sales(lake, 2, partial=True)
        sales(lake, 3)
        monkeypatch.setattr(load_stage, "MOST_CHUNKS", 2)
        assert load(lake, warehouse, at_once=9, more=lambda: True) == []
        assert len(load(lake, warehouse)) == 3

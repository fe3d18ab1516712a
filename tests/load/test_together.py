"""Chunks and the batch that closes them: applied in one transaction, or built beside the star."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from starlift.errors import HeldError, LostRace
from starlift.ports import Batch
from tests.load.batches import MODELS, History, design, sale
from tests.load.conftest import Star
from tests.load.test_broken_laws import own_laws

# A chunk of orders comes before that of their designs.
NO_ORPHANS = (
    "SELECT sales_order_id FROM fact_sales_order JOIN fact_version ON record_id = sales_record_id "
    "WHERE seq = current_setting('starlift.seq')::bigint AND design_id NOT IN "
    "(SELECT design_id FROM dim_design WHERE design_name <> '(not loaded)')"
)


MOST_LOCKS = 8
"""Of one more batch of one star table: the staged one, what its text needs, and what it is rewritten into."""


def chunks(history: History, designs: int = 1) -> list[Batch]:
    """An order and a second one, and then their designs, as far as they come."""
    return [
        history.batch({"fact_sales_order": [sale(1)]}, partial=True),
        history.batch({"fact_sales_order": [sale(2)]}, partial=True),
        history.batch({"dim_design": [design(number + 1) for number in range(designs)]}),
    ]


def test_batches_applied_together_are_seen_by_others_at_once(star: Star) -> None:
    seen: list[int] = []

    def one_by_one() -> Iterator[Batch]:
        for batch in chunks(star.history):
            yield batch
            seen.append(star.value("SELECT count(*) FROM starlift.applied"))

    with star.open() as warehouse:
        loaded = warehouse.apply_together(one_by_one())
    assert ([each.seq for each in loaded], seen) == ([1, 2, 3], [0, 0, 0])
    assert star.rows("SELECT seq, partial FROM starlift.applied ORDER BY 1") == [
        [1, True],
        [2, True],
        [3, False],
    ]
    assert star.value("SELECT count(*) FROM fact_sales_order") == 2


def test_a_law_is_asked_of_each_chunk_when_all_of_them_are_there(star: Star, tmp_path: Path) -> None:
    own_laws(star, tmp_path, no_orphans=NO_ORPHANS)
    with star.open() as warehouse:
        assert len(warehouse.apply_together(chunks(star.history))) == 3


@pytest.mark.parametrize("beside", [False, True])
def test_where_a_chunk_breaks_a_law_nothing_is_seen_of_any(star: Star, tmp_path: Path, beside: bool) -> None:
    own_laws(star, tmp_path, no_orphans=NO_ORPHANS)
    (tmp_path / "warehouse").symlink_to(Star(star.database).sql / "warehouse")
    batches = chunks(star.history, designs=0)
    broken = "batch 1 breaks the law sql/checks/no_orphans.sql: sales_order_id=1"
    with star.open() as warehouse, warehouse.build as target:
        if beside:
            target.prepare(MODELS)
            for chunk in batches[:2]:
                target.apply(chunk)
        last = partial(target.apply, batches[2]) if beside else partial(warehouse.apply_together, batches)
        with pytest.raises(HeldError, match=broken):
            last()
    assert star.value("SELECT count(*) FROM starlift.applied") == 0
    assert star.value("SELECT count(*) FROM fact_sales_order") == 0


def test_chunks_that_nothing_closes_are_not_published(star: Star) -> None:
    with star.open() as warehouse:
        with warehouse.build as target:
            target.prepare(MODELS)
            target.apply(chunks(star.history)[0])
        with pytest.raises(HeldError, match="the batch is missing that closes batch 1"):
            warehouse.publish(MODELS)
    assert star.value("SELECT count(*) FROM starlift_build.applied") == 1


def test_of_batches_applied_together_that_another_load_has_applied_nothing_is_left(star: Star) -> None:
    batches = chunks(star.history)
    with star.open() as warehouse:
        warehouse.apply_together(batches)
        with pytest.raises(LostRace):
            warehouse.apply_together(batches)
    assert star.value("SELECT count(*) FROM starlift.applied") == 3


def test_a_transaction_of_many_batches_does_not_run_out_of_locks(star: Star) -> None:
    """A server has room for some thousands, and keeps those of tables that were dropped until the end."""
    held: list[int] = []
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'"

    def one_by_one() -> Iterator[Batch]:
        for number in range(1, 6):
            yield star.history.batch({"fact_sales_order": [sale(number)]}, partial=number < 5)
            held.append(star.value(query))

    with star.open() as warehouse:
        warehouse.apply_together(one_by_one())
    more = [later - earlier for earlier, later in pairwise(held)]
    assert max(more[:3]) <= MOST_LOCKS, held

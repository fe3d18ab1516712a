"""Which reads are made in chunks, how far they have come, and where polling goes on from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from starlift.core import chunking
from starlift.core.chunking import Brought, Budget
from starlift.core.config import Limits
from starlift.core.inventory import Wanted
from starlift.core.manifest import Chunk, Identity, Manifest, TableState
from starlift.core.models import Model, parse_model
from starlift.core.polling import Read

BEFORE = TableState(
    "xid", ("id",), (7,), W="w0", px="10", px_at="t0", complete_to="c0", count=3, overlap={"xid": (1, "1")}
)
REACHED = replace(
    BEFORE, W="w1", px="20", px_at="t1", complete_to="c1", count=900, shape="s", relations=(7, 8)
)
WHOLE = Read("item", ("id",), frozenset({"whole"}), key=("id",))
NOTHING = Wanted()
BY_XID = replace(WHOLE, passes=frozenset({"xid"}), px="10")
PART = Brought(100, ("(100)",), ended=False)


def under_way(**parts: Any) -> TableState:
    """A table of 900 rows of which 100 are read."""
    state = chunking.suspend(BEFORE, REACHED, WHOLE, PART, 900, known=True)
    assert state.chunk is not None
    return replace(state, chunk=replace(state.chunk, **parts))


def test_a_table_under_way_keeps_where_it_was_and_where_polling_will_go_on_from() -> None:
    state = under_way()
    assert (state.W, state.px, state.px_at, state.complete_to) == ("w0", "10", "t0", "c0")
    assert state.chunk == Chunk(("(100)",), True, 100, 900, "w1", "20", "t1")
    assert (state.shape, state.relations) == ("s", (7, 8)), "what the rows are read as is that of now"


def test_what_the_poll_foretold_does_not_count_once_chunks_have_read_later_snapshots() -> None:
    assert under_way().overlap == {}
    assert under_way().count is None


def test_a_table_nobody_knew_is_nowhere_until_its_chunks_are_done() -> None:
    state = chunking.suspend(None, REACHED, WHOLE, PART, 900, known=True)
    assert (state.W, state.px, state.px_at, state.complete_to) == (None, None, None, None)
    assert chunking.advance(state, Brought(800, None, ended=True)).px == "20"


def test_a_chunk_moves_the_key_on_and_the_last_one_moves_the_state() -> None:
    state = chunking.advance(under_way(), Brought(50, ("(150)",), ended=False))
    assert state.chunk == Chunk(("(150)",), True, 150, 900, "w1", "20", "t1")
    assert chunking.advance(state, Brought(0, None, ended=False)) == state, "a table whose turn did not come"
    done = chunking.advance(state, Brought(750, ("(900)",), ended=True))
    assert (done.chunk, done.W, done.px, done.px_at) == (None, "w1", "20", "t1")


def test_a_new_partition_has_everything_read_from_the_first_key() -> None:
    """Rows of it may lie behind the keys that the chunks have passed."""
    state = chunking.suspend(BEFORE, REACHED, replace(BY_XID, new_relations=(8,)), PART, 900, known=True)
    assert state.chunk == Chunk(None, True, 0, 900, "w1", "20", "t1")


def test_what_was_read_whole_in_chunks_is_swept_by_the_next_poll_that_can_list_its_keys() -> None:
    assert under_way().unswept
    done = chunking.advance(under_way(), Brought(800, None, ended=True))
    assert chunking.listing(NOTHING, done, "xid", closing=True).listed
    first = chunking.suspend(None, REACHED, WHOLE, PART, 900, known=False)
    assert not first.unswept, "nothing of it can be gone"
    increment = chunking.suspend(BEFORE, REACHED, BY_XID, PART, 900, known=True)
    assert not increment.unswept
    again = chunking.suspend(replace(BEFORE, unswept=True), REACHED, BY_XID, PART, 900, known=True)
    assert again.unswept, "it still is, while chunks go on"


def test_no_count_tells_a_table_read_by_time_what_is_gone_so_the_poll_that_closes_takes_its_sums() -> None:
    assert chunking.listing(NOTHING, BEFORE, "timestamp", closing=True).summed
    assert chunking.listing(NOTHING, BEFORE, "timestamp", closing=False) == NOTHING
    assert chunking.listing(NOTHING, None, "xid", closing=True) == NOTHING


def test_chunks_that_begin_anew_read_everything_and_go_on_from_where_they_first_began() -> None:
    state = chunking.again(under_way(whole=False))
    assert state.chunk == Chunk(None, True, 0, 900, "w1", "20", "t1")


@pytest.mark.parametrize(
    ("mode", "whole", "px", "passes"),
    [
        ("xid", True, "20", {"whole"}),
        ("timestamp", True, "20", {"whole"}),
        ("xid", False, "20", {"xid"}),
        ("xid", False, "10", {"xid"}),
        ("timestamp", False, "20", {"time", "xid"}),
        ("timestamp", False, "10", {"time"}),
    ],
)
def test_each_chunk_reads_by_the_passes_of_the_poll_that_began(
    mode: str, whole: bool, px: str, passes: set[str]
) -> None:
    """px moves only where that poll read by xid too: then each chunk must, or a silent edit were lost."""
    state = replace(under_way(whole=whole, px=px), mode=mode)  # type: ignore[arg-type]
    read = chunking.resume(WHOLE, state)
    assert set(read.passes) == passes
    assert (read.px, read.W, read.after) == ("10", "w0", ("(100)",))


def test_a_poll_that_reads_more_rows_than_it_may_is_made_in_chunks() -> None:
    rows = {"sale": 70, "client": 31}
    assert chunking.by_chunks(rows, {"sale"}, 100, closing=False)
    assert not chunking.by_chunks(rows, {"sale"}, 101, closing=False)
    assert chunking.by_chunks(rows, set(), 100, closing=False)


def test_a_closing_poll_is_made_in_chunks_only_for_what_it_reads_whole() -> None:
    """Rows that a long transaction has every poll read again would never be few enough."""
    rows = {"sale": 70, "client": 31, "empty": 0}
    assert not chunking.by_chunks(rows, {"empty"}, 100, closing=True)
    assert chunking.by_chunks(rows, {"client"}, 100, closing=True)


def manifest(*, partial: bool, **tables: TableState) -> Manifest:
    identity = Identity("1", 1, "0/0")
    return Manifest(
        "shop",
        2,
        "incremental",
        "run",
        "1",
        None,
        "c",
        None,
        identity,
        "",
        tables,
        {},
        {},
        {},
        partial=partial,
    )


def test_the_poll_after_the_last_chunk_closes() -> None:
    done, going = replace(REACHED, chunk=None), under_way()
    assert chunking.closes(manifest(partial=True, sale=done, client=done), ("sale", "client"))
    assert not chunking.closes(manifest(partial=True, sale=going, client=done), ("sale", "client"))
    assert not chunking.closes(manifest(partial=False, sale=done), ("sale",))
    assert not chunking.closes(None, ("sale",))


def test_a_held_table_does_not_keep_the_others_from_closing() -> None:
    both = manifest(partial=True, sale=under_way(), client=REACHED)
    assert chunking.closes(both, ("client", "new"))
    assert chunking.under_way(both.tables, ("sale", "client", "new")) == ["sale"]


def model(name: str, kind: str, driving: str, joins: str = "") -> Model:
    header = f"-- One row.\n-- kind: {kind}\n-- key: id\n-- from: {driving}\n"
    return parse_model(name, header + (f"-- joins: {joins}\n" if joins else ""), name)


def test_tables_that_models_join_come_first_then_those_of_dimensions_then_the_small_ones() -> None:
    ranks = chunking.rank(
        [
            model("dim_client", "dimension", "client", "address"),
            model("dim_tour", "dimension", "tour"),
            model("fact_sale", "fact", "sale", "price"),
            model("fact_visit", "fact", "client"),
        ]
    )
    rows = {"sale": 5, "log": 1, "client": 9, "tour": 9, "address": 700, "price": 8}
    assert chunking.in_order(rows, ranks) == ["price", "address", "client", "tour", "log", "sale"]


def test_the_budget_is_what_memory_leaves_and_never_nothing() -> None:
    assert chunking.budget(Limits(memory=348_000_000, max_rows=9)) == Budget(9, 30_000_000)
    assert chunking.budget(Limits(memory=1)).bytes == chunking.LEAST
    assert not Budget(1, 1).spent
    assert Budget(9, 9).less(9, 3).spent
    assert Budget(9, 9).less(3, 9).spent


def test_bytes_of_keys_weigh_more_than_others() -> None:
    assert chunking.weight(100, 0) == 1
    assert 1 < chunking.weight(100, 10) < chunking.weight(100, 90) < chunking.weight(1, 1)
    assert chunking.weight(100, 900) == chunking.weight(1, 1), "whatever is taken for the key"


def test_what_is_left_is_what_was_counted_and_has_not_come() -> None:
    assert chunking.left({"sale": under_way(), "client": REACHED, "more": under_way(rows=950)}) == 800

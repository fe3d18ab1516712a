"""The chunks of a build are written as if nothing were there; the star is the one it would be otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from starlift.adapters.postgres import ledger
from starlift.errors import HeldError
from starlift.ports import Batch
from tests.load.batches import MODELS, History, design, entries, sale, staff
from tests.load.conftest import Star
from tests.load.test_broken_laws import own_laws
from tests.load.test_publish import build, content, loaded, publish

BAD = {"table": "sales_order", "key": "(9)", "reason": "unreadable", "row": {"sales_order_id": "9"}}


def new(history: History) -> list[Batch]:
    """No key comes twice; an order refers to a design that comes with it, another to one that never comes."""
    return [
        history.batch({"fact_sales_order": [sale(2), sale(1)], "dim_design": [design(1)]}, partial=True),
        history.batch({"fact_sales_order": [sale(3, design_id=7)], "dim_staff": [staff(5)]}, partial=True),
        history.batch(),
    ]


def again(history: History) -> list[Batch]:
    """A chunk has a key of the one before, as it was and otherwise; the closing batch has both once more."""
    return [
        history.batch({"fact_sales_order": [sale(1), sale(2)]}, partial=True),
        history.batch({"fact_sales_order": [sale(1), sale(2, units_sold=5), sale(3)]}, partial=True),
        history.batch({"fact_sales_order": [sale(1), sale(2, units_sold=7), sale(4)]}),
    ]


def late(history: History) -> list[Batch]:
    """A member comes after a chunk that refers to it."""
    return [
        history.batch({"fact_sales_order": [sale(1)]}, partial=True),
        history.batch({"dim_design": [design(1)]}, partial=True),
        history.batch(),
    ]


def made_again(history: History) -> list[Batch]:
    """A row comes again, otherwise, though its own source row does not: one that it joins has changed."""
    only_three = {"sales_order": entries({"(3)": "live"}, "2")}
    sales = [sale(1, units_sold=9), sale(3)]
    return [
        history.batch({"fact_sales_order": [sale(1), sale(2)]}, partial=True),
        history.batch({"fact_sales_order": sales}, ledger=only_three, partial=True),
        without_entries(history.batch({"fact_sales_order": [sale(2, units_sold=9)]}, partial=True)),
        history.batch(),
    ]


def without_entries(batch: Batch) -> Batch:
    """The batch, which brings no source row."""
    return replace(batch, ledger={})


def refused(history: History) -> list[Batch]:
    """A row that the star's table cannot have, and one that transform kept back."""
    return [
        history.batch(
            {"fact_sales_order": [sale(1), sale(2, units_sold=None)]},
            ledger={"sales_order": entries({"(1)": "live", "(2)": "live", "(9)": "quarantined"}, "1")},
            quarantine=[BAD],
            partial=True,
        ),
        history.batch({"fact_sales_order": [sale(3)]}, partial=True),
        history.batch(),
    ]


@pytest.mark.parametrize("chunks", [new, again, late, made_again, refused])
def test_a_build_in_chunks_is_the_star_that_was_loaded(
    star: Star, chunks: Callable[[History], list[Batch]]
) -> None:
    batches = chunks(star.history)
    build(star, batches)
    assert publish(star)
    other = Star(star.database, star.in_schema("Other"), pipeline="Other_starlift")
    other.migrate()
    loaded(other, batches)
    assert content(star) == content(other, "Other", "Other_starlift")
    with star.open() as warehouse, warehouse.inspect() as inspection:
        assert inspection.differences(MODELS) == []


@pytest.mark.parametrize(("chunks", "looked_up"), [(new, []), (again, ["sales_order"])])
def test_only_a_chunk_with_a_key_that_was_there_is_looked_up(
    star: Star,
    chunks: Callable[[History], list[Batch]],
    looked_up: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    write = ledger.write_entries

    def write_entries(connection: Any, pipeline: str, source_table: str, *rest: Any) -> None:
        asked.append(source_table)
        write(connection, pipeline, source_table, *rest)

    monkeypatch.setattr(ledger, "write_entries", write_entries)
    build(star, chunks(star.history)[:2])
    assert asked == looked_up


INDEXES = """
SELECT tablename::text, indexdef FROM pg_indexes
WHERE schemaname = :schema AND tablename IN ('fact_version', 'ledger') ORDER BY 1, 2
"""


def test_a_build_does_without_indexes_until_a_batch_needs_them(star: Star) -> None:
    batches = [*new(star.history), star.history.batch({"fact_sales_order": [sale(1, units_sold=2)]})]
    build(star, batches[:0])
    whole = star.rows(INDEXES, schema="starlift_build")
    for seq, batch in enumerate(batches, start=1):
        build(star, [batch])
        found = star.rows(INDEXES, schema="starlift_build")
        assert found == (whole if seq == len(batches) else [row for row in whole if "ledger_pkey" in row[1]])
    assert len(whole) > 4


def test_chunks_of_a_star_that_is_there_leave_it_its_indexes(star: Star) -> None:
    before = star.rows(INDEXES, schema="starlift")
    with star.open() as warehouse:
        warehouse.apply_together(new(star.history))
    assert star.rows(INDEXES, schema="starlift") == before


def test_a_build_is_not_written_to_the_servers_log_and_the_star_is(star: Star) -> None:
    kinds = """SELECT DISTINCT relnamespace::regnamespace::text, relpersistence::text FROM pg_class
               WHERE relkind = 'r' AND relnamespace::regnamespace::text IN
                     ('public', 'starlift', 'starlift_build', 'starlift_build_star') ORDER BY 1"""
    build(star, new(star.history))
    unlogged = [["starlift_build", "u"], ["starlift_build_star", "u"]]
    assert star.rows(kinds) == [["public", "p"], ["starlift", "p"], *unlogged]
    publish(star)
    assert star.rows(kinds) == [["public", "p"], ["starlift", "p"]]


def test_a_build_that_a_crash_of_the_server_has_emptied_begins_again(star: Star) -> None:
    batches = new(star.history)
    build(star, batches[:2])
    names = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname LIKE 'starlift_build%'"
    star.rows("TRUNCATE " + ", ".join(f'"{schema}"."{name}"' for schema, name in star.rows(names)))
    build(star, batches)
    assert publish(star)
    assert star.value("SELECT count(*) FROM fact_sales_order") == 3


def test_a_law_is_asked_once_of_all_batches_that_are_seen_together(star: Star, tmp_path: Path) -> None:
    law = "SELECT current_setting('starlift.first_seq') AS first, current_setting('starlift.seq') AS last"
    own_laws(star, tmp_path, sees=law)
    told = r"batch 3 breaks the law sql/checks/sees\.sql: first=1, last=3"
    with star.open() as warehouse, pytest.raises(HeldError, match=told):
        warehouse.apply_together(new(star.history))

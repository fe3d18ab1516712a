"""The first chunks of a star in one transaction: written without keys and indexes, which nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from starlift.adapters.postgres import aside, ledger
from starlift.errors import HeldError
from starlift.ports import Batch
from starlift.stages.load import load
from tests.load.batches import MODELS, History, sale
from tests.load.conftest import Star
from tests.load.test_load_stage import ProcessedLake, sales
from tests.load.test_publish import CATALOGUE, content, loaded
from tests.load.test_unseen import again, late, made_again, new, refused
from tests.postgres import connected

SPACE = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname = ANY(:names)"
LARGE = ["fact_sales_order", "fact_version", "ledger"]


def together(star: Star, batches: list[Batch]) -> None:
    """Apply batches in one transaction."""
    with star.open() as warehouse:
        warehouse.apply_together(batches)


@pytest.mark.parametrize("chunks", [new, again, late, made_again, refused])
def test_chunks_in_one_transaction_are_the_star_that_was_loaded(
    star: Star, chunks: Callable[[History], list[Batch]]
) -> None:
    batches, before = chunks(star.history), star.rows(CATALOGUE)
    together(star, batches)
    assert star.rows(CATALOGUE) == before
    other = Star(star.database, star.in_schema("Other"), pipeline="Other_starlift")
    other.migrate()
    loaded(other, batches)
    assert content(star) == content(other, "Other", "Other_starlift")
    with star.open() as warehouse, warehouse.inspect() as inspection:
        assert inspection.differences(MODELS) == []


@pytest.mark.parametrize(("chunks", "looked_up"), [(new, []), (again, ["sales_order"] * 2)])
def test_only_what_was_there_or_closes_is_looked_up(
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
    together(star, chunks(star.history))
    assert asked == looked_up


def test_what_breaks_off_leaves_a_star_as_it_was_and_no_dead_rows(star: Star) -> None:
    before = star.rows(CATALOGUE)

    def breaking() -> Iterator[Batch]:
        yield from new(star.history)[:2]
        raise LookupError("the third does not come")

    with star.open() as warehouse, pytest.raises(LookupError):
        warehouse.apply_together(breaking())
    assert star.rows(CATALOGUE) == before
    assert star.value(SPACE, names=LARGE) == 0


def test_chunks_that_nothing_closes_have_keys_and_indexes_all_the_same(star: Star) -> None:
    before = star.rows(CATALOGUE)
    together(star, new(star.history)[:2])
    assert star.rows(CATALOGUE) == before


def test_while_it_is_filled_status_answers_that_nothing_is_there(star: Star) -> None:
    seen = []

    def asking() -> Iterator[Batch]:
        for batch in new(star.history):
            yield batch
            with star.open() as other:
                standing = other.status()
                seen.append((standing.applied, standing.ledger, standing.inferred))

    with star.open() as warehouse:
        warehouse.apply_together(asking())
    assert seen == [(None, {}, ())] * 3
    with star.open() as warehouse:
        assert warehouse.status().ledger["sales_order"] == {"live": 3}


def test_what_somebody_wrote_into_a_star_stays_and_its_keys_are_left_alone(
    star: Star, monkeypatch: pytest.MonkeyPatch
) -> None:
    star.load({"fact_sales_order": [sale(1)]})
    star.rows("TRUNCATE starlift.applied, starlift.ledger, starlift.fact_version")
    monkeypatch.setattr(aside, "drop", lambda *_: pytest.fail("keys are taken away"))
    with pytest.raises(HeldError, match="nothing was written"):
        together(star, new(History()))
    assert star.rows("SELECT sales_record_id FROM fact_sales_order") == [[1]]
    star.rows("DELETE FROM fact_sales_order")
    entry = "('a', '(7)', 0, 'live', 0)"
    star.rows(f"INSERT INTO starlift.ledger (source_table, key, bucket, state, seq) VALUES {entry}")
    together(star, new(History()))
    assert star.value("SELECT count(*) FROM starlift.ledger WHERE source_table = 'a'") == 1


TRIGGER = """
CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'append only'; END $$;
CREATE TRIGGER kept BEFORE TRUNCATE ON fact_sales_order EXECUTE FUNCTION public.keep()
"""


@pytest.mark.parametrize(
    "ddl", ["ALTER TABLE fact_sales_order ENABLE ROW LEVEL SECURITY", TRIGGER], ids=["security", "trigger"]
)
def test_a_table_that_does_more_than_keep_rows_is_left_as_it_is(
    star: Star, ddl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    star.rows(ddl)
    monkeypatch.setattr(aside, "drop", lambda *_: pytest.fail("keys are taken away"))
    together(star, new(star.history))
    assert star.value("SELECT count(*) FROM fact_sales_order") == 3


CHOSEN = """
SELECT indexrelid::regclass::text, indisclustered, indisreplident FROM pg_index
WHERE indisclustered OR indisreplident ORDER BY 1
"""


def test_an_index_that_is_more_than_a_way_to_find_rows_stays(star: Star) -> None:
    star.rows("ALTER TABLE fact_sales_order CLUSTER ON fact_sales_order_key")
    star.rows("CREATE UNIQUE INDEX own ON fact_payment (payment_record_id)")
    star.rows("ALTER TABLE fact_payment REPLICA IDENTITY USING INDEX own")
    before = star.rows(CHOSEN)
    assert len(before) == 2
    together(star, new(star.history))
    assert star.rows(CHOSEN) == before


def test_a_unique_index_may_refuse_a_row_and_an_index_of_numbers_does_not(star: Star) -> None:
    star.rows("CREATE UNIQUE INDEX own ON dim_staff (staff_id, first_name)")
    star.rows("CREATE UNIQUE INDEX other ON fact_payment (payment_record_id, payment_id)")
    with connected(star.database.owner) as connection:
        tables = ("public.dim_staff", "public.fact_payment", "public.fact_sales_order")
        found = [index for table in tables for index in aside.indexes_of(connection, table)]
    refusing = {index.name.rpartition(".")[2]: index.may_refuse for index in found}
    assert refusing == {"own": True, "other": True, "fact_payment_key": False, "fact_sales_order_key": False}


def test_more_rows_than_come_at_once_are_not_waited_for(star: Star) -> None:
    lake = ProcessedLake()
    sales(lake, 1, 2, partial=True)
    with star.open() as warehouse:
        assert load(lake, warehouse, at_once=1, more=lambda: pytest.fail("it waits")) == []
        assert warehouse.applied() is None

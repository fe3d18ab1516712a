"""What an inventory does to the star: rows that are gone are deleted, what differs is asked for."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from starlift.core.identity import bucket
from starlift.core.inventory import MOST_KEYS
from starlift.core.manifest import Inventory
from starlift.core.requests import Request
from starlift.errors import HeldError
from starlift.ports import StarCounts
from tests.load.batches import design, entries, sale
from tests.load.conftest import Star

STATES = "SELECT key, state FROM starlift.ledger WHERE source_table = :table ORDER BY key"
CURRENT = "SELECT sales_order_id FROM current_fact_sales_order ORDER BY 1"
SALES = {f"({number})": "live" for number in (1, 2, 3)}


def sales(star: Star, *numbers: int) -> None:
    """Load sales whose ledger hashes are of no batch in particular."""
    keys = {f"({number})": "live" for number in numbers}
    star.load({"fact_sales_order": list(map(sale, numbers))}, ledger={"sales_order": entries(keys)})


def listed(*numbers: int, content: str = "") -> dict[str, Any]:
    return {"sales_order": entries({f"({number})": "live" for number in numbers}, content)}


def inventory(scope: Any, **parts: Any) -> dict[str, Inventory]:
    return {"sales_order": Inventory(scope, **parts)}


def test_what_a_whole_read_does_not_have_is_deleted(star: Star) -> None:
    sales(star, 1, 2, 3)
    loaded = star.load({"fact_sales_order": [sale(2)]}, ledger=listed(2), inventory=inventory("whole"))
    assert loaded.star["fact_sales_order"] == StarCounts(unchanged=1, tombstones=2)
    assert star.rows(CURRENT) == [[2]]
    assert star.rows(STATES, table="sales_order") == [["(1)", "deleted"], ["(2)", "live"], ["(3)", "deleted"]]
    assert star.rows("SELECT sales_order_id, op FROM history_fact_sales_order WHERE seq = 2 ORDER BY 1") == [
        [1, "delete"],
        [3, "delete"],
    ]


def test_a_whole_read_that_finds_nothing_empties_the_present(star: Star) -> None:
    sales(star, 1, 2, 3)
    loaded = star.load(inventory=inventory("whole"))
    assert loaded.star["fact_sales_order"].tombstones == 3
    assert star.rows(CURRENT) == []
    assert star.value("SELECT count(*) FROM fact_sales_order") == 3


def test_what_a_list_of_all_keys_does_not_have_is_deleted_and_nothing_is_asked(star: Star) -> None:
    sales(star, 1, 2, 3)
    loaded = star.load(inventory=inventory("all"), lists=listed(1, 3), source_rows={"sales_order": 2})
    assert star.rows(CURRENT) == [[1], [3]]
    assert (loaded.requests, loaded.differing) == ((), {})


def test_a_list_of_some_buckets_tells_of_no_other(star: Star) -> None:
    sales(star, 1, 2, 3)
    buckets = tuple(sorted({bucket("(1)"), bucket("(2)")}))
    star.load(inventory=inventory("buckets", buckets=buckets), lists=listed(2))
    assert star.rows(CURRENT) == [[2], [3]]


def test_of_keys_that_were_asked_for_those_without_a_row_are_deleted(star: Star) -> None:
    sales(star, 1, 2, 3)
    star.load(
        {"fact_sales_order": [sale(1)]}, ledger=listed(1), inventory=inventory("keys", asked=("(1)", "(2)"))
    )
    assert star.rows(CURRENT) == [[1], [3]]


def test_a_batch_without_an_inventory_deletes_nothing(star: Star) -> None:
    sales(star, 1, 2, 3)
    star.load({"fact_sales_order": [sale(2)]}, ledger=listed(2))
    star.load(inventory=inventory("none"))
    assert star.rows(CURRENT) == [[1], [2], [3]]


def test_a_deleted_member_of_a_dimension_stays_and_the_ledger_says_so(star: Star) -> None:
    star.load({"dim_design": [design(1), design(2)]})
    loaded = star.load(inventory={"design": Inventory("all")})
    assert loaded.star["dim_design"] == StarCounts(tombstones=2)
    assert star.value("SELECT count(*) FROM dim_design") == 2
    assert star.rows(STATES, table="design") == [["(1)", "deleted"], ["(2)", "deleted"]]


def test_a_row_that_comes_back_is_a_new_version_also_with_the_content_it_had(star: Star) -> None:
    sales(star, 1)
    star.load(inventory=inventory("whole"))
    sales(star, 1)
    assert star.rows(CURRENT) == [[1]]
    assert star.rows("SELECT op, valid_to IS NULL FROM history_fact_sales_order ORDER BY seq") == [
        ["insert", False],
        ["delete", False],
        ["insert", True],
    ]
    assert star.rows(STATES, table="sales_order") == [["(1)", "live"]]


def test_a_row_in_quarantine_that_is_gone_leaves_it_and_its_stale_version_ends(star: Star) -> None:
    sales(star, 1, 2)
    star.load({"fact_sales_order": [sale(1, units_sold=None)]}, ledger=listed(1, content="new"))
    assert star.rows(STATES, table="sales_order") == [["(1)", "quarantined"], ["(2)", "live"]]
    star.load(inventory=inventory("all"), lists=listed(2))
    assert star.value("SELECT count(*) FROM starlift.quarantine") == 0
    assert star.rows(CURRENT) == [[2]]


def test_a_row_in_quarantine_that_is_listed_differs_from_nothing(star: Star) -> None:
    sales(star, 1)
    star.load({"fact_sales_order": [sale(1, units_sold=None)]}, ledger=listed(1, content="new"))
    loaded = star.load(
        inventory=inventory("all"), lists=listed(1, content="new"), source_rows={"sales_order": 1}
    )
    assert (loaded.requests, loaded.differing) == ((), {})


def test_a_row_that_a_person_dropped_is_known_to_be_at_the_source(star: Star) -> None:
    sales(star, 1, 2)
    star.rows("UPDATE starlift.ledger SET state = 'dropped' WHERE key = '(1)' RETURNING 1")
    loaded = star.load(inventory=inventory("all"), lists=listed(1, 2))
    assert loaded.requests == ()
    assert star.load(source_rows={"sales_order": 2}).requests == ()


def test_a_member_that_never_arrived_is_neither_deleted_nor_counted(star: Star) -> None:
    sales(star, 1)
    assert star.rows(STATES, table="design") == [["(1)", "inferred"]]
    loaded = star.load(inventory={"design": Inventory("whole"), "staff": Inventory("all")})
    assert star.rows(STATES, table="design") == [["(1)", "inferred"]]
    assert loaded.requests == ()
    assert star.load(source_rows={"design": 0}).requests == ()


def test_rows_that_differ_or_are_missing_are_counted_and_asked_for_by_key(star: Star) -> None:
    sales(star, 1, 2, 3)
    star.load(inventory=inventory("all"), lists=listed(1, 2))
    star.rows("UPDATE starlift.ledger SET source_hash = 7 WHERE key = '(2)' RETURNING 1")
    counted = {"sales_order": 4}
    loaded = star.load(inventory=inventory("all"), lists=listed(1, 2, 3, 4), source_rows=counted)
    [request] = loaded.requests  # and not one more because of the count
    assert (request.kind, request.table, request.keys) == ("repair", "sales_order", ("(2)", "(3)", "(4)"))
    assert loaded.differing == {"sales_order": 3}
    counts = star.value("SELECT counts FROM starlift.applied WHERE seq = 3")
    assert counts["differing"] == {"sales_order": 3}


def test_of_more_rows_than_are_read_by_key_the_table_is_asked_for_whole(star: Star) -> None:
    many = range(1, MOST_KEYS + 2)
    [request] = star.load(inventory=inventory("all"), lists=listed(*many)).requests
    assert (request.kind, request.keys) == ("repair", ())
    [request] = star.load(inventory=inventory("all"), lists=listed(*many[1:])).requests
    assert len(request.keys) == MOST_KEYS


def sums(hashes: dict[str, int]) -> tuple[tuple[int, int, str], ...]:
    """Sums as the source makes them."""
    buckets: dict[int, list[int]] = defaultdict(list)
    for key, hash_ in hashes.items():
        buckets[bucket(key)].append(hash_)
    return tuple((number, len(found), str(sum(found))) for number, found in sorted(buckets.items()))


def test_buckets_whose_sums_differ_are_asked_for(star: Star) -> None:
    sales(star, *range(1, 40))
    rows = entries({f"({number})": "live" for number in range(1, 40)}).to_pylist()
    hashes = {row["key"]: row["source_hash"] for row in rows}
    assert star.load(inventory=inventory("none", sums=sums(hashes))).requests == ()
    changed = {key: value + (key == "(2)") for key, value in hashes.items() if key != "(7)"} | {"(99)": 1}
    [request] = star.load(inventory=inventory("none", sums=sums(changed))).requests
    assert (request.kind, request.table) == ("inventory", "sales_order")
    assert request.buckets == tuple(sorted({bucket("(2)"), bucket("(7)"), bucket("(99)")}))


def test_a_count_that_differs_is_a_question_about_all_keys(star: Star) -> None:
    sales(star, 1, 2)
    assert star.load(source_rows={"sales_order": 2}).requests == ()
    [request] = star.load(source_rows={"sales_order": 1, "design": 0}).requests
    assert request == Request("inventory", "sales_order", "rows in the source: 1, in the ledger: 2")
    [request] = star.load(source_rows={"payment": 5}).requests
    assert request.reason == "rows in the source: 5, in the ledger: 0"


def test_a_count_is_compared_with_what_is_left_after_the_sweep(star: Star) -> None:
    sales(star, 1, 2, 3)
    buckets = (bucket("(1)"),)
    loaded = star.load(inventory=inventory("buckets", buckets=buckets), source_rows={"sales_order": 2})
    assert loaded.requests == ()
    loaded = star.load(inventory=inventory("keys", asked=("(2)",)), source_rows={"sales_order": 0})
    [request] = loaded.requests
    assert request.reason == "rows in the source: 0, in the ledger: 1"


def many(star: Star, number: int) -> None:
    """A ledger of many rows of a table that drives no star table: a sweep is of keys."""
    star.load(ledger={"department": entries({f"({n})": "live" for n in range(number)})})


@pytest.mark.parametrize(("gone", "held"), [(99, False), (100, False), (101, True)])
def test_a_sweep_of_more_than_a_share_is_held_and_nothing_is_written(
    star: Star, gone: int, held: bool
) -> None:
    many(star, 200)
    left = entries({f"({n})": "live" for n in range(gone, 200)})
    batch = star.history.batch(inventory={"department": Inventory("all")}, lists={"department": left})
    if not held:
        star.apply(batch)
        return
    with pytest.raises(HeldError, match=r"batch 2 takes away 101 of 200 rows of department, .*50%") as raised:
        star.apply(batch)
    assert raised.value.hint.endswith("starlift reconcile --confirm 2")
    assert star.value("SELECT max(seq) FROM starlift.applied") == 1
    with star.open() as warehouse:
        warehouse.apply(batch, confirmed=True)
    assert star.rows("SELECT state, count(*) FROM starlift.ledger GROUP BY 1 ORDER BY 1") == [
        ["deleted", 101], ["live", 99],
    ]  # fmt: skip


def test_a_sweep_of_few_rows_is_not_held_however_small_the_table(star: Star) -> None:
    many(star, 99)
    star.load(inventory={"department": Inventory("whole")})
    assert star.value("SELECT count(*) FROM starlift.ledger WHERE state = 'deleted'") == 99


def test_requests_are_durable_before_the_commit_and_a_batch_that_fails_asks_again(star: Star) -> None:
    sales(star, 1, 2)
    batch = star.history.batch(source_rows={"sales_order": 1})
    asked: list[tuple[Request, ...]] = []

    def die(requests: tuple[Request, ...]) -> None:
        asked.append(requests)
        raise RuntimeError("killed between asking and committing")

    with star.open() as warehouse:
        with pytest.raises(RuntimeError):
            warehouse.apply(batch, die)
        assert star.value("SELECT max(seq) FROM starlift.applied") == 1
        loaded = warehouse.apply(batch, asked.append)
    assert asked == [loaded.requests, loaded.requests]
    assert len(loaded.requests) == 1
    counts = star.value("SELECT counts::text FROM starlift.applied WHERE seq = 2")
    assert "requests" not in json.loads(counts), "keys are no counts"


def test_of_the_chunks_of_a_read_only_one_that_has_a_table_whole_tells_what_is_gone(star: Star) -> None:
    sales(star, 1, 2)
    batch = star.history.batch(source_rows={"sales_order": 1})
    loaded = star.apply(replace(batch, manifest=replace(batch.manifest, partial=True)))
    assert loaded.requests == (), "the other chunks are to come"
    assert star.rows(CURRENT) == [[1], [2]]
    batch = star.history.batch(inventory=inventory("whole"))
    star.apply(replace(batch, manifest=replace(batch.manifest, partial=True)))
    assert star.rows(CURRENT) == []

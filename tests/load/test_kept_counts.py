"""How many rows of a table the ledger has is counted once and then kept, through whatever batches do."""

from __future__ import annotations

import random
from typing import Any

from starlift.adapters.postgres.verifying import PostgresInspection
from starlift.core.difference import Difference
from starlift.core.manifest import Inventory
from starlift.core.requests import Request
from tests.load.batches import design, entries, sale
from tests.load.conftest import Star
from tests.load.test_publish import build, publish

KEPT = "SELECT source_table, rows FROM starlift.ledger_rows ORDER BY 1"
ROWS = """
SELECT count(*) FROM starlift.ledger
WHERE source_table = 'sales_order' AND state IN ('live', 'quarantined', 'dropped')
"""
STATES = ("live", "live", "deleted", "quarantined")
COUNTED = {"source_rows": {"sales_order": 2}}
UNREADABLE = {"table": "sales_order", "key": "(9)", "reason": "unreadable", "row": {}}


def counted(star: Star, rows: int, **parts: Any) -> tuple[Request, ...]:
    """Load a batch that counts the orders; return what it asks."""
    return star.load(source_rows={"sales_order": rows}, **parts).requests


def test_a_count_is_kept_from_the_first_that_is_asked_for(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2)]})
    assert star.rows(KEPT) == []
    assert counted(star, 2) == ()
    star.load({"fact_sales_order": [sale(3)], "dim_design": [design(1)]})
    star.load({"fact_sales_order": [sale(2, units_sold=9), sale(4)]})
    assert star.rows(KEPT) == [["sales_order", 4]]
    # no row of the ledger is read for it: what was kept is what is compared
    star.rows("UPDATE starlift.ledger_rows SET rows = 40")
    assert counted(star, 4) == (
        Request("inventory", "sales_order", "rows in the source: 4, in the ledger: 40"),
    )


def test_an_inferred_member_counts_when_its_row_arrives(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, design_id=7)]}, source_rows={"design": 0})
    assert star.rows(KEPT) == [["design", 0]]
    star.load({"dim_design": [design(7)]})
    assert star.rows(KEPT) == [["design", 1]]


def test_what_a_sweep_deletes_counts_no_more_and_what_comes_back_does(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2), sale(3)]}, source_rows={"sales_order": 3})
    star.load(inventory={"sales_order": Inventory("keys", asked=("(2)",))}, source_rows={"sales_order": 2})
    assert star.rows(KEPT) == [["sales_order", 2]]
    star.load({"fact_sales_order": [sale(2)]})
    star.load(ledger={"sales_order": entries({"(1)": "deleted", "(9)": "deleted"})})
    assert star.rows(KEPT) == [["sales_order", 2]]
    star.load(ledger={"sales_order": entries({"(9)": "quarantined"})}, quarantine=[UNREADABLE])
    assert star.rows(KEPT) == [["sales_order", 3]]
    star.load(dropped={"sales_order": {"(9)": "known"}})
    assert star.rows(KEPT) == [["sales_order", 3]]


def test_an_inventory_has_a_wrong_count_made_anew(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2)]}, source_rows={"sales_order": 2})
    star.rows("UPDATE starlift.ledger_rows SET rows = 3")
    assert counted(star, 2) != ()
    listed = {"sales_order": entries({"(1)": "live", "(2)": "live"}, "1")}
    assert counted(star, 2, inventory={"sales_order": Inventory("all")}, lists=listed) == ()
    assert counted(star, 2) == ()
    assert star.rows(KEPT) == [["sales_order", 2]]


def test_chunks_of_a_build_are_counted_on_and_the_count_is_published(star: Star) -> None:
    history = star.history
    batches = [
        history.batch({"fact_sales_order": [sale(1)]}, partial=True),
        history.batch(source_rows={"sales_order": 1}),
        history.batch({"fact_sales_order": [sale(2), sale(3)]}, partial=True),
        history.batch(),
    ]
    build(star, batches)
    assert star.rows("SELECT * FROM starlift_build.ledger_rows") == [["sales_order", 3]]
    publish(star)
    assert star.rows(KEPT) == [["sales_order", 3]]


def test_verify_finds_a_count_that_is_wrong(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1)]}, source_rows={"sales_order": 1, "design": 0, "payment": 0})
    star.rows("UPDATE starlift.ledger_rows SET rows = 5 WHERE source_table IN ('sales_order', 'payment')")
    with star.open() as warehouse, warehouse.inspect() as inspection:
        assert isinstance(inspection, PostgresInspection)
        assert inspection.differences([]) == [
            Difference(
                "starlift.ledger", "rows counted, not as many as there are", 2, ("payment", "sales_order")
            )
        ]


def test_the_count_is_right_after_whatever_batches_do(star: Star) -> None:
    chosen = random.Random(7)  # noqa: S311 - histories, no secrets
    kept = "SELECT rows FROM starlift.ledger_rows WHERE source_table = 'sales_order'"
    compared = 0
    for number in range(20):
        states = {
            f"({key})": chosen.choice(STATES) for key in chosen.sample(range(1, 6), chosen.randint(0, 4))
        }
        whole = {"inventory": {"sales_order": Inventory("whole")}}
        told: dict[str, Any] = chosen.choice([{}, {}, COUNTED, COUNTED, whole])
        star.load(
            {"fact_sales_order": [sale(int(key[1])) for key, state in states.items() if state == "live"]},
            ledger={"sales_order": entries(states, str(number))},
            quarantine=[UNREADABLE | {"key": key} for key, state in states.items() if state == "quarantined"],
            **told,
        )
        assert star.rows(kept) in ([], star.rows(ROWS)), number
        compared += star.rows(kept) != []
    assert compared > 5

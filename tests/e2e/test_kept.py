"""What is left in lakes, warehouse and logs when a week is over."""

from __future__ import annotations

from collections.abc import Iterator

from starlift.totesys.loading import TABLES
from tests.e2e import privacy
from tests.e2e.weeks import Week
from tests.postgres import connected


def accounts(week: Week) -> set[str]:
    """Return all account numbers of the source."""
    with week.project.application() as application:
        rows = application.run(
            "SELECT company_ac_number::text FROM payment "
            "UNION SELECT counterparty_ac_number::text FROM payment"
        )
    return {row[0] for row in rows or ()}


def kept(week: Week) -> Iterator[tuple[str, str]]:
    """Yield everything that the pipeline wrote: objects, tables, and what its commands said."""
    for lake in week.project.lakes.values():
        yield from privacy.of_lake(lake)
    yield from privacy.of_database(week.project.warehouse.owner)
    for number, ran in enumerate(week.project.ran):
        yield f"what command {number} said", ran.stdout + ran.stderr


def test_no_account_number_is_in_a_lake_a_warehouse_or_a_log(week: Week) -> None:
    numbers = accounts(week)
    assert len(numbers) > 100
    leaked = {name: found for name, text in kept(week) if (found := privacy.account_numbers(text) & numbers)}
    assert leaked == {}


def test_the_search_for_account_numbers_finds_those_of_the_source(week: Week) -> None:
    tables = dict(privacy.of_database(week.project.source.admin))
    assert privacy.account_numbers(tables["payment"]) >= accounts(week)


def test_the_search_for_account_numbers_goes_through_everything(week: Week) -> None:
    searched = dict(kept(week))
    text = "\n".join(searched.values())
    with week.project.application() as application:
        ((order, price, address),) = application.run(
            "SELECT item_code, payment_amount, address_line_1 FROM address, purchase_order "
            "JOIN transaction USING (purchase_order_id) JOIN payment USING (transaction_id) "
            "WHERE address_id = 1 LIMIT 1"
        )
    for value in (order, str(price), address):
        assert text.count(value) >= 3, f"{value} is not found in both lakes and the warehouse"
    tables = ("applied", "ledger", "ledger_rows", "fact_version", "dimension_row", "quarantine", "migration")
    assert {name for name in searched if name.startswith("starlift.")} == {
        f"starlift.{name}" for name in tables
    }


def test_the_ledger_has_every_source_row_as_live_and_no_other(week: Week) -> None:
    states = week.project.query("SELECT source_table, state, count(*) FROM starlift.ledger GROUP BY 1, 2")
    with connected(week.project.source.reader) as source:
        rows = {table: source.run(f'SELECT count(*) FROM "{table}"')[0][0] for table in TABLES}
    assert {(table, state): count for table, state, count in states} == {
        (table, "live"): count for table, count in rows.items()
    }
    assert week.project.query("SELECT count(*) FROM starlift.quarantine") == [[0]]


def test_the_ledger_says_which_batch_last_changed_a_row(week: Week) -> None:
    changed = week.project.query(
        "SELECT source_table, count(*) FROM starlift.ledger WHERE seq = 2 GROUP BY 1"
    )
    assert dict(changed) == week.changes.happened.read()


def test_every_batch_is_applied_once_with_what_it_moved(week: Week) -> None:
    applied = week.project.query("SELECT seq, kind FROM starlift.applied ORDER BY applied_at")
    assert applied == [[1, "bootstrap"], [2, "incremental"], [3, "incremental"]]


def test_status_has_nothing_left_to_do(week: Week) -> None:
    ran = week.project.starlift("status")
    status = ran.document
    assert ran.code == 0, ran
    assert (status["applied_seq"], status["head_seq"], status["processed_seq"]) == (3, 3, 3)
    assert (status["pending"], status["quarantine"], status["held"]) == ({"transform": 0, "load": 0}, [], [])

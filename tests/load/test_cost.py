"""What a load costs the warehouse follows what the batch brings."""

from __future__ import annotations

import time
from typing import Any

import pg8000.native
import pytest

from tests.load.batches import design, entries, sale, staff
from tests.load.conftest import Star
from tests.postgres import connected

FOREIGN = ("fact_payment", "fact_purchase_order", "dim_transaction", "dim_payment_type")
"""Star tables that no sales order refers to."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What any session is asked from now on, but for the laws: those name every table."""
    asked: list[str] = []
    run = pg8000.native.Connection.run

    def noting(self: pg8000.native.Connection, statement: str, *given: Any, **named: Any) -> Any:
        if not statement.startswith("WITH broken"):
            asked.append(statement)
        return run(self, statement, *given, **named)

    monkeypatch.setattr(pg8000.native.Connection, "run", noting)
    return asked


def test_no_statement_is_for_a_star_table_that_the_batch_neither_has_nor_refers_to(
    star: Star, statements: list[str]
) -> None:
    star.load({"fact_sales_order": [sale(1)], "dim_design": [design(1)], "dim_staff": [staff(1)]})
    assert not [statement for statement in statements if any(name in statement for name in FOREIGN)]
    assert [statement for statement in statements if 'UPDATE "public"."dim_design"' in statement]
    statements.clear()
    star.load({"fact_sales_order": [sale(1, units_sold=3)]})
    writing = [statement for statement in statements if '"public"."dim_' in statement]
    assert not [statement for statement in writing if statement.lstrip().startswith(("UPDATE", "DELETE"))]
    assert not [statement for statement in statements if any(name in statement for name in FOREIGN)]


ROWS = 3_000
READ = """
SELECT t.relname::text, sum(i.idx_tup_read) + coalesce(min(t.seq_tup_read), 0)
FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i USING (relid)
WHERE t.relname IN ('ledger', 'fact_version', 'fact_sales_order') GROUP BY 1
"""


def rows_read(star: Star) -> dict[str, int]:
    """Return how many rows were read of the tables that grow, from end to end or by an index, once all
    sessions have told."""
    found = None
    while found != (now := {name: int(rows) for name, rows in star.rows(READ)}):
        found = now
        time.sleep(0.6)
    return now


def test_a_load_of_two_rows_reads_some_rows_of_the_tables_that_grow_and_not_all(star: Star) -> None:
    """Of a table so small the planner would rather read all, so it is asked to look rows up where it can."""
    keys = {f"({number})": "live" for number in range(1, ROWS + 1)}
    sales = [sale(number) for number in range(1, ROWS + 1)]
    star.load(
        {"fact_sales_order": sales}, ledger={"sales_order": entries(keys)}, source_rows={"sales_order": ROWS}
    )
    star.rows("VACUUM ANALYZE")
    with connected(star.database.admin) as admin:
        for way in ("seqscan", "hashjoin", "mergejoin"):
            admin.run(f"ALTER DATABASE {star.database.name} SET enable_{way} = off")
    before = rows_read(star)
    star.load(
        {"fact_sales_order": [sale(7, units_sold=3), sale(9_000)]}, source_rows={"sales_order": ROWS + 1}
    )
    after = rows_read(star)
    assert {name: rows - before[name] for name, rows in after.items() if rows - before[name] > 100} == {}

"""The views show the present and the history, and the analyst reaches them and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from starlift.adapters.postgres.connection import Dsn, translated
from starlift.errors import UnavailableError
from tests.load.batches import design, entries, sale
from tests.load.conftest import Star
from tests.load.test_star_ddl import STAR
from tests.postgres import connected


def test_a_version_is_valid_from_when_its_batch_was_read_until_the_next_was(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, units_sold=1)]})
    star.load({"dim_design": [design(9)]})
    star.load({"fact_sales_order": [sale(1, units_sold=2)]})
    rows = star.rows("SELECT units_sold, valid_from, valid_to FROM history_fact_sales_order ORDER BY 1")

    def at(minute: int) -> datetime:
        return datetime(2024, 11, 22, 10, minute, 30, tzinfo=UTC)

    assert rows == [[1, at(1), at(3)], [2, at(3), None]]


def test_an_open_transaction_that_holds_the_watermark_back_does_not_date_a_version(star: Star) -> None:
    for units in (1, 2):
        batch = star.history.batch({"fact_sales_order": [sale(1, units_sold=units)]})
        star.apply(replace(batch, manifest=replace(batch.manifest, complete_to="2024-11-22 09:00:00+00:00")))
    assert star.value("SELECT bool_and(valid_from < valid_to) FROM history_fact_sales_order")


def as_analyst(star: Star, query: str) -> list[list[Any]]:
    """Run a query as starlift_analyst."""
    with connected(star.database.analyst) as connection:
        return connection.run(query) or []


def test_an_analyst_reads_the_star_and_its_views(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2)]})
    star.load(ledger={"sales_order": entries({"(2)": "deleted"})})
    assert as_analyst(star, "SELECT sales_order_id FROM current_fact_sales_order") == [[1]]
    assert as_analyst(star, "SELECT op FROM history_fact_sales_order ORDER BY 1") == [
        ["delete"], ["insert"], ["insert"],
    ]  # fmt: skip
    for table in STAR:
        as_analyst(star, f"SELECT * FROM {table}")


@pytest.mark.parametrize("table", ["ledger", "quarantine", "applied", "fact_version", "migration"])
def test_an_analyst_does_not_reach_the_pipelines_tables(star: Star, table: str) -> None:
    refused = pytest.raises(UnavailableError, match="permission denied for schema starlift")
    with refused, translated(Dsn.parse(star.database.analyst), "warehouse"):
        as_analyst(star, f"SELECT * FROM starlift.{table}")

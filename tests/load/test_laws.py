"""The laws of sql/checks: each is found broken when it is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from starlift.adapters.postgres.laws import Law, check_laws, read_laws
from starlift.errors import HeldError
from tests.load.batches import design, entries, sale, staff
from tests.load.conftest import Star, migrated
from tests.postgres import SQL, WarehouseDatabase, connected

CRIMES = {
    "dim_date_whole_years.sql": [
        "DELETE FROM dim_date WHERE date_id = '2022-05-05'",
        "DELETE FROM dim_date WHERE date_id = '2022-01-01'",
        "DELETE FROM dim_date WHERE date_id = '2022-12-31'",
    ],
    "versions_follow_each_other.sql": [
        "DELETE FROM fact_version WHERE key = '(1)' AND seq = 2",
        "UPDATE fact_version SET ended_seq = 1 WHERE key = '(1)' AND seq = 1",
    ],
    "record_ids_are_dense.sql": ["UPDATE fact_version SET record_id = 17 WHERE record_id = 3"],
    "fact_rows_have_versions.sql": [
        "DELETE FROM fact_version WHERE record_id = 3",
        "DELETE FROM fact_sales_order WHERE sales_record_id = 3",
    ],
    "live_rows_are_in_the_star.sql": [
        "DELETE FROM dim_staff WHERE staff_id = 50",
        "UPDATE fact_version SET op = 'delete' WHERE record_id = 3",
        "UPDATE ledger SET state = 'live' WHERE source_table = 'sales_order' AND key = '(2)'",
    ],
    "deleted_rows_are_not_current.sql": [
        "UPDATE fact_version SET op = 'insert', record_id = 9 WHERE op = 'delete'"
    ],
    "quarantine_and_ledger_agree.sql": [
        "DELETE FROM quarantine",
        "UPDATE ledger SET state = 'live' WHERE state = 'quarantined'",
    ],
}


@pytest.fixture(scope="module")
def busy(one_warehouse: WarehouseDatabase) -> Star:
    """A star whose second batch did a bit of everything; the tests of this module leave it as it is."""
    star = migrated(one_warehouse)
    star.load({"fact_sales_order": [sale(1), sale(2)]})
    star.load(
        {
            "fact_sales_order": [sale(1, units_sold=5)],
            "dim_staff": [staff(50)],
            "dim_design": [design(1, file_name=None)],
        },
        ledger={"sales_order": entries({"(1)": "live", "(2)": "deleted"})},
    )
    return star


def try_crime(star: Star, crime: str, laws: Sequence[Law]) -> None:
    """Check laws on batch 2 after a crime that is not committed."""
    with connected(star.database.admin) as connection:
        connection.run("BEGIN")
        connection.run("SET LOCAL session_replication_role = replica")
        connection.run("SET LOCAL search_path = starlift, public")
        connection.run(crime)
        check_laws(connection, laws, 2, 2)


def test_every_law_has_a_crime() -> None:
    assert sorted(CRIMES) == [law.file for law in read_laws(SQL / "checks")]


def test_every_law_says_itself_in_its_first_line() -> None:
    for law in read_laws(SQL / "checks"):
        assert law.query.startswith("-- "), law.file


def test_an_honest_batch_breaks_no_law(busy: Star) -> None:
    try_crime(busy, "SELECT", read_laws(SQL / "checks"))


@pytest.mark.parametrize(
    ("law", "crime"), [(law, crime) for law, crimes in CRIMES.items() for crime in crimes]
)
def test_a_crime_is_found_by_its_law(busy: Star, law: str, crime: str) -> None:
    laws = [known for known in read_laws(SQL / "checks") if known.file == law]
    with pytest.raises(HeldError, match=law):
        try_crime(busy, crime, laws)


def test_the_rows_of_a_batch_are_found_by_indexes(busy: Star) -> None:
    """The cost of the laws follows the change."""
    with connected(busy.database.owner) as connection:
        connection.run("SET search_path = starlift, public; SET enable_seqscan = off")
        for query in ("SELECT FROM ledger WHERE seq = 1", "SELECT FROM fact_version WHERE seq = 1",
                      "SELECT FROM fact_version WHERE ended_seq = 1"):  # fmt: skip
            plan = " ".join(line for (line,) in connection.run(f"EXPLAIN {query}"))
            assert "Index" in plan, query

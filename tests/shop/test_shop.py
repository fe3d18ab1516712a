"""The second source: from its own TOML, models and DDL, with no change in src/, the star is what it holds."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest

from tests.postgres import connected
from tests.shop.conftest import HMAC_KEY, Project
from tests.shop.life import A_DAY, A_NEW_YEAR, CLEARING_OUT, LONGEST, OPENING

if TYPE_CHECKING:
    from tests.postgres import SourceDatabase, WarehouseDatabase

EXPECTED = {
    "dim_client": (
        """SELECT client_no, "Full Name", segment, tags, profile, country, n.name, modified_at
           FROM crm.client LEFT JOIN crm.country AS n ON code = country""",
        """client_no, full_name, segment, tags, profile, country,
           nullif(country_name, '(not loaded)'), modified_at""",
    ),
    "dim_address": (
        """SELECT client_no, "Kind", "Street ""A\""", town, modified_at FROM crm."Address Book" """,
        """client_no, kind, "Street ""A\""", town, (modified_on + modified_time) AT TIME ZONE 'UTC'""",
    ),
    "dim_product": ('SELECT * FROM "Sales"."Product"', "*"),
    "dim_client_note": ("SELECT * FROM crm.note", "*"),
    "dim_sales_note": ('SELECT * FROM "Sales".note', "*"),
    "dim_longest": (f'SELECT * FROM "Sales".{LONGEST}', "*"),
    "dim_event": ("SELECT * FROM crm.event", "*"),
    "dim_price": ('SELECT * FROM "Sales".price_list', "*"),
    "current_fact_order": (
        """SELECT order_no, ordered_on, client_no, state, due, ordered_at, updated_at
           FROM "Sales"."Order" """,
        """order_no, ordered_on, client_no, state, due_on,
           (ordered_date + ordered_time) AT TIME ZONE 'UTC', updated_at""",
    ),
    "current_fact_order_line": (
        """SELECT order_no, ordered_on, "Line", product, client_no, quantity, discount
           FROM "Sales"."Order Line" LEFT JOIN "Sales"."Order" USING (order_no, ordered_on)""",
        "order_no, ordered_on, line, product_id, client_no, quantity, discount",
    ),
    "current_fact_receipt": (
        """SELECT number, client_no, amount, received_at, received_on, "when" FROM "Sales".receipt""",
        "number, client_no, amount, received_at, received_on, period",
    ),
}
"""By star table or view: the rows the source expects there, and the star's columns that hold them."""


def rows(url: str, query: str) -> list[str]:
    """Return the rows of a query as PostgreSQL prints them."""
    with connected(url) as connection:
        connection.run("SET TimeZone = 'UTC'")
        return [text for (text,) in connection.run(f"SELECT r::text FROM ({query}) AS r ORDER BY 1")]


def differing(shop: SourceDatabase, star: WarehouseDatabase) -> dict[str, tuple[list[str], list[str]]]:
    """Return, by star table, the expected and the found rows where they are not the same."""
    both = {
        table: (
            rows(shop.admin, expected),
            rows(star.owner, f'SELECT {columns} FROM "Shop Star".{table}'),
        )
        for table, (expected, columns) in EXPECTED.items()
    }
    assert all(expected for expected, _ in both.values())
    return {table: pair for table, pair in both.items() if pair[0] != pair[1]}


def live(shop: SourceDatabase, script: str) -> None:
    """Let something happen in the shop, in one transaction."""
    with connected(shop.admin) as admin:
        admin.run(script)


@pytest.fixture(scope="module")
def lived(
    project: Project, shop_db: SourceDatabase, star_db: WarehouseDatabase
) -> list[dict[str, tuple[list[str], list[str]]]]:
    """The differences of source and star after each cycle."""
    found = []
    live(shop_db, OPENING)
    for stage in ("extract", "transform", "load"):
        project.starlift(stage)
    found.append(differing(shop_db, star_db))
    for script in (A_DAY, A_NEW_YEAR):
        live(shop_db, script)
        project.starlift("run", "--strict")
        found.append(differing(shop_db, star_db))
    return found


@pytest.mark.parametrize("cycle", [0, 1, 2])
def test_after_each_cycle_the_star_is_what_the_shop_holds(
    lived: list[dict[str, tuple[list[str], list[str]]]], cycle: int
) -> None:
    assert lived[cycle] == {}


@pytest.mark.usefixtures("lived")
def test_a_cycle_that_finds_nothing_changes_no_row(project: Project) -> None:
    answer = project.starlift("run")
    moved = [counts for counts in answer["star"].values() if counts["inserted"] or counts["versions"]]
    assert not moved


@pytest.mark.usefixtures("lived")
def test_every_version_of_a_fact_is_kept(star_db: WarehouseDatabase) -> None:
    found = rows(star_db.owner, 'SELECT state FROM "Shop Star".fact_order WHERE order_no = 1')
    assert found == ["(new)", "(paid)", "(sent)"]


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(
    ("source", "star"),
    [
        ("SELECT client_no, e_mail FROM crm.client", "SELECT client_no, email_hash FROM {}.dim_client"),
        ('SELECT number, iban FROM "Sales".receipt', "SELECT number, iban_hash FROM {}.current_fact_receipt"),
    ],
)
def test_a_hashed_column_is_the_keyed_hash_of_its_value(
    shop_db: SourceDatabase, star_db: WarehouseDatabase, source: str, star: str
) -> None:
    with connected(shop_db.admin) as shop, connected(star_db.owner) as warehouse:
        clear = dict(shop.run(source))
        hashed = dict(warehouse.run(star.format('"Shop Star"')))
    assert hashed == {
        key: value and hmac.new(HMAC_KEY.encode(), value.encode(), hashlib.sha256).hexdigest()
        for key, value in clear.items()
    }


@pytest.mark.usefixtures("lived")
def test_each_relation_is_read_as_its_kind_allows(project: Project) -> None:
    tables = project.starlift("extract")["tables"]
    modes = {table: read["mode"] for table, read in tables.items()}
    assert {table for table, mode in modes.items() if mode == "timestamp"} == {"Address Book", "price_list"}
    assert len(modes) == 12


BY_CURSOR = {"Address Book", "price_list"}
"""Tables of which no poll tells how many rows they have."""


@pytest.mark.usefixtures("lived")
def test_what_the_shop_clears_out_is_in_the_ledger_no_more(
    project: Project, shop_db: SourceDatabase, star_db: WarehouseDatabase
) -> None:
    """Deletes by every kind of key, a changed key, TRUNCATE, DETACH, a swap by rename, an heir dropped."""
    live(shop_db, CLEARING_OUT)
    project.starlift("run")
    assert project.starlift("run")["requests"] == []
    facts = [table for table in EXPECTED if table.startswith("current_")]
    found = differing(shop_db, star_db)
    assert {table: found[table] for table in facts if table in found} == {}
    assert {table for table in EXPECTED if strangers(found, table)} == set()
    assert miscounted(shop_db, star_db) == BY_CURSOR
    cycles = project.starlift("reconcile", *BY_CURSOR)["cycles"]
    assert [cycle["differing"] for cycle in cycles] == [{}]
    assert miscounted(shop_db, star_db) == set()


def strangers(found: dict[str, tuple[list[str], list[str]]], table: str) -> set[str]:
    """Return rows that the star lacks: a dimension has more than the source, and never less."""
    expected, there = found.get(table, ([], []))
    return set(expected) - set(there)


def miscounted(shop: SourceDatabase, star: WarehouseDatabase) -> set[str]:
    """Return the tables of which the ledger has more or fewer rows than the source."""
    relations = {
        "country": "crm.country", "client": "crm.client", "Address Book": 'crm."Address Book"',
        "Client's note": "crm.note", "note": '"Sales".note', "Product": '"Sales"."Product"',
        "Order": '"Sales"."Order"', "Order Line": '"Sales"."Order Line"', "receipt": '"Sales".receipt',
        LONGEST.strip('"'): f'"Sales".{LONGEST}', "event": "crm.event", "price_list": '"Sales".price_list',
    }  # fmt: skip
    with connected(shop.admin) as source, connected(star.owner) as warehouse:
        known = dict(
            warehouse.run(
                "SELECT source_table, count(*) FROM starlift.ledger WHERE state = 'live' GROUP BY 1"
            )
        )
        counts = {
            name: source.run(f"SELECT count(*) FROM {relation}")[0][0] for name, relation in relations.items()
        }
    return {name for name, count in counts.items() if known[name] != count}

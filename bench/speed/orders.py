"""The source: a Totesys as large as you like in sales orders, small in all else, and what changes in it.

Nothing indexes `last_updated`, as at the real source.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pg8000.native
from tests.postgres import connected

from starlift.totesys.generator import generate
from starlift.totesys.loading import load

WEEKDAYS = 500
"""The small tables are those of a shop that has lived two years: 15,000 payments, 4,000 purchases."""

UPDATES, INSERTS = 10_000, 1_000
"""Rows of an increment; fewer where there are less than 100,000 orders."""

# The multipliers are primes, so that the columns do not move together. Two years whatever the number of rows.
_MORE = """
INSERT INTO sales_order
SELECT nextval('sales_order_sales_order_id_seq'), at, at, 1 + n * 7 % designs, 1 + n * 11 % staff,
       1 + n * 13 % counterparties, 1001 + n * 7919 % 98973, (200 + n * 31 % 201) / 100.0, 1 + n % 3,
       to_char(at + n % 8 * interval '1 day', 'YYYY-MM-DD'),
       to_char(at + n % 7 * interval '1 day', 'YYYY-MM-DD'), 1 + n * 17 % addresses
FROM generate_series(1, CAST(:more AS bigint)) AS n,
     (SELECT (SELECT count(*) FROM design)::int AS designs, (SELECT count(*) FROM staff)::int AS staff,
             (SELECT count(*) FROM counterparty)::int AS counterparties,
             (SELECT count(*) FROM address)::int AS addresses) AS chosen,
     LATERAL (SELECT timestamp '2022-11-03 14:20:52' + n * (interval '730 days' / :more) AS at) AS moment
"""

# Stamps go on from the newest, eleven rows to a millisecond, up to about now.
_STAMPS = """
CREATE TEMP TABLE moved ON COMMIT DROP AS
SELECT greatest(max(last_updated) + interval '1 millisecond',
                localtimestamp - interval '1 second') AS since FROM sales_order
"""
_UPDATE = """
UPDATE sales_order SET units_sold = units_sold + 1, last_updated = since + n / 11 * interval '1 millisecond'
FROM moved, (SELECT sales_order_id AS id, row_number() OVER () AS n FROM sales_order
             WHERE sales_order_id % :apart = :turn LIMIT :updates) AS chosen
WHERE sales_order_id = id
"""
_INSERT = """
INSERT INTO sales_order
SELECT nextval('sales_order_sales_order_id_seq'), at, at, design_id, staff_id, counterparty_id, units_sold,
       unit_price, currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id
FROM (SELECT *, row_number() OVER () AS n FROM sales_order LIMIT :inserts) AS model, moved,
     LATERAL (SELECT since + (:updates + n) / 11 * interval '1 millisecond' AS at) AS moment
"""


def filler(orders: int) -> Callable[[pg8000.native.Connection], None]:
    """Return what puts so many sales orders, and the small tables, into an empty Totesys."""

    def fill(connection: pg8000.native.Connection) -> None:
        small = generate(3, date(2022, 11, 3), min(WEEKDAYS, max(orders // 100, 1)))
        load(connection, small)
        # foreign keys hold by construction; checking millions of rows one by one takes minutes
        connection.run("SET session_replication_role = replica")
        connection.run(_MORE, more=orders - len(small["sales_order"]))
        connection.run("RESET session_replication_role")
        connection.run("VACUUM (FREEZE, ANALYZE)")

    return fill


def increment(orders: int) -> tuple[int, int]:
    """Return how many of so many orders an increment updates, and how many it inserts."""
    updates = min(UPDATES, orders // 10)
    return updates, updates * INSERTS // UPDATES


def change(source: str, orders: int, turn: int) -> None:
    """Play one increment: orders spread over the whole table are updated, and new ones entered.

    turn: counts them; each updates other orders.
    """
    updates, inserts = increment(orders)
    with connected(source) as application:
        application.run("BEGIN")
        application.run(_STAMPS)
        application.run(_UPDATE, apart=orders // updates, turn=turn, updates=updates)
        application.run(_INSERT, inserts=inserts, updates=updates)
        application.run("COMMIT")

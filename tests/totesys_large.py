"""A Totesys of any size, made by the server itself: two million orders in a minute or two.

Its rows are plain (no history of payments, no odd dates): it is for tests of quantity. The generator of
`starlift.totesys` is for those of quality, and writes the tables that orders refer to here too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pg8000.native

from starlift.totesys.generator import generate
from starlift.totesys.loading import load, transaction

SMALL = ("address", "department", "currency", "payment_type", "design", "staff", "counterparty")
"""Tables that orders refer to."""

PURCHASES = 3
"""Every third order is a purchase, the others are sales."""

# The multipliers are primes, so that the columns do not move together.
_SALES = """
INSERT INTO sales_order
SELECT n, at, at, 1 + n * 7 % designs, 1 + n * 11 % staff, 1 + n * 13 % counterparties,
       1001 + n * 7919 % 98973, (200 + n * 31 % 201) / 100.0, 1 + n % 3,
       to_char(at + n % 8 * interval '1 day', 'YYYY-MM-DD'),
       to_char(at + n % 7 * interval '1 day', 'YYYY-MM-DD'), 1 + n * 17 % addresses
FROM generate_series(1, CAST(:sales AS bigint)) AS n, chosen,
     LATERAL (SELECT timestamp '2022-11-03 14:20:52' + n * interval '17.3 seconds' AS at) AS moment
"""

_PURCHASES = """
INSERT INTO purchase_order
SELECT n, at, at, 1 + n * 11 % staff, 1 + n * 13 % counterparties, upper(left(md5(n::text), 7)),
       1 + n * 7919 % 999, (332 + n * 31 % 99576) / 100.0, 1 + n % 3,
       to_char(at + n % 8 * interval '1 day', 'YYYY-MM-DD'),
       to_char(at + n % 7 * interval '1 day', 'YYYY-MM-DD'), 1 + n * 17 % addresses
FROM generate_series(1, CAST(:purchases AS bigint)) AS n, chosen,
     LATERAL (SELECT timestamp '2022-11-03 14:20:52' + n * interval '35.1 seconds' AS at) AS moment
"""

_TRANSACTIONS = """
INSERT INTO transaction
SELECT row_number() OVER (ORDER BY created_at, kind, id), CAST(kind AS "TransactionType"),
       CASE kind WHEN 'SALE' THEN id END, CASE kind WHEN 'PURCHASE' THEN id END, created_at, created_at
FROM (SELECT 'SALE' AS kind, sales_order_id AS id, created_at FROM sales_order
      UNION ALL SELECT 'PURCHASE', purchase_order_id, created_at FROM purchase_order) AS entered
"""

_PAYMENTS = """
INSERT INTO payment
SELECT t.transaction_id, t.created_at, t.created_at, t.transaction_id,
       coalesce(s.counterparty_id, p.counterparty_id),
       coalesce(s.units_sold * s.unit_price, p.item_quantity * p.item_unit_price),
       coalesce(s.currency_id, p.currency_id), CASE t.transaction_type WHEN 'SALE' THEN 1 ELSE 3 END,
       t.transaction_id % 5 < 3, coalesce(s.agreed_payment_date, p.agreed_payment_date),
       10000000 + t.transaction_id::bigint * 7919 % 90000000,
       10000000 + t.transaction_id::bigint * 104729 % 90000000
FROM transaction t
LEFT JOIN sales_order s ON s.sales_order_id = t.sales_order_id
LEFT JOIN purchase_order p ON p.purchase_order_id = t.purchase_order_id
"""

_CHOSEN = """
WITH chosen AS (
    SELECT (SELECT count(*) FROM design)::int AS designs, (SELECT count(*) FROM staff)::int AS staff,
           (SELECT count(*) FROM counterparty)::int AS counterparties,
           (SELECT count(*) FROM address)::int AS addresses)
"""


def filler(orders: int) -> Callable[[pg8000.native.Connection], None]:
    """Return what puts so many orders, with as many transactions and payments, into an empty Totesys."""

    def fill(connection: pg8000.native.Connection) -> None:
        small = generate(3, date(2022, 11, 3), 20)
        load(connection, {table: small[table] for table in SMALL})
        purchases = orders // PURCHASES
        with transaction(connection):
            # foreign keys hold by construction; checking three million rows one by one takes minutes
            connection.run("SET LOCAL session_replication_role = replica")
            connection.run(_CHOSEN + _SALES, sales=orders - purchases)
            connection.run(_CHOSEN + _PURCHASES, purchases=purchases)
            connection.run(_TRANSACTIONS)
            connection.run(_PAYMENTS)
        for table in ("sales_order", "purchase_order", "transaction", "payment"):
            connection.run(
                "SELECT setval(pg_get_serial_sequence(:name, :column), :highest)",
                name=table,
                column=f"{table}_id",
                highest=connection.run(f"SELECT count(*) FROM {table}")[0][0],
            )

    return fill

-- Every source row of a batch that the ledger calls live has its row in the star.
-- A key of one integer is printed as (7).
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'sales_order' AND state = 'live'
    AND NOT EXISTS (
        SELECT FROM fact_version AS v
        WHERE v.fact = 'fact_sales_order' AND v.key = ledger.key AND v.current AND v.op <> 'delete')
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'purchase_order' AND state = 'live'
    AND NOT EXISTS (
        SELECT FROM fact_version AS v
        WHERE v.fact = 'fact_purchase_order' AND v.key = ledger.key AND v.current AND v.op <> 'delete')
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'payment' AND state = 'live'
    AND NOT EXISTS (
        SELECT FROM fact_version AS v
        WHERE v.fact = 'fact_payment' AND v.key = ledger.key AND v.current AND v.op <> 'delete')
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'staff' AND state = 'live'
    AND NOT EXISTS (SELECT FROM dim_staff WHERE staff_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'address' AND state = 'live'
    AND NOT EXISTS (SELECT FROM dim_location WHERE location_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'currency' AND state = 'live'
    AND NOT EXISTS (SELECT FROM dim_currency WHERE currency_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'design' AND state = 'live'
    AND NOT EXISTS (SELECT FROM dim_design WHERE design_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'counterparty' AND state = 'live'
    AND NOT EXISTS (SELECT FROM dim_counterparty WHERE counterparty_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'payment_type' AND state = 'live'
    AND NOT EXISTS (SELECT FROM dim_payment_type WHERE payment_type_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM ledger
WHERE seq = current_setting('starlift.seq')::bigint AND source_table = 'transaction' AND state = 'live'
    AND NOT EXISTS (SELECT FROM dim_transaction WHERE transaction_id = trim('()' FROM key)::integer)

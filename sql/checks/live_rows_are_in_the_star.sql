-- Every source row of a batch that the ledger calls live has its row in the star.
-- A key of one integer is printed as (7).
WITH brought AS (
    SELECT source_table, key FROM ledger
    WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint AND current_setting('starlift.seq')::bigint
        AND state = 'live'
),
facts (source_table, fact) AS (
    VALUES ('sales_order', 'fact_sales_order'), ('purchase_order', 'fact_purchase_order'), ('payment', 'fact_payment')
),
-- Those without a new version are looked up one by one, and are few.
unchanged AS (
    SELECT source_table, fact, key FROM brought JOIN facts USING (source_table)
    EXCEPT
    SELECT source_table, fact, key FROM fact_version JOIN facts USING (fact)
    WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint AND current_setting('starlift.seq')::bigint
        AND current AND op <> 'delete'
)
SELECT source_table, key FROM unchanged
WHERE NOT EXISTS (
    SELECT FROM fact_version AS v
    WHERE v.fact = unchanged.fact AND v.key = unchanged.key AND v.current AND v.op <> 'delete')
UNION ALL
SELECT source_table, key FROM brought
WHERE source_table = 'staff'
    AND NOT EXISTS (SELECT FROM dim_staff WHERE staff_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM brought
WHERE source_table = 'address'
    AND NOT EXISTS (SELECT FROM dim_location WHERE location_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM brought
WHERE source_table = 'currency'
    AND NOT EXISTS (SELECT FROM dim_currency WHERE currency_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM brought
WHERE source_table = 'design'
    AND NOT EXISTS (SELECT FROM dim_design WHERE design_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM brought
WHERE source_table = 'counterparty'
    AND NOT EXISTS (SELECT FROM dim_counterparty WHERE counterparty_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM brought
WHERE source_table = 'payment_type'
    AND NOT EXISTS (SELECT FROM dim_payment_type WHERE payment_type_id = trim('()' FROM key)::integer)
UNION ALL
SELECT source_table, key FROM brought
WHERE source_table = 'transaction'
    AND NOT EXISTS (SELECT FROM dim_transaction WHERE transaction_id = trim('()' FROM key)::integer)

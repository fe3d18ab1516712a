-- Every source row of a batch that the ledger calls live has its row in the star.
WITH live AS (
    SELECT source_table, key, trim('()' FROM key) AS id  -- a key of one integer is printed as (7)
    FROM ledger WHERE seq = current_setting('starlift.seq')::bigint AND state = 'live'
),
facts (source_table, fact) AS (
    VALUES ('sales_order', 'fact_sales_order'),
           ('purchase_order', 'fact_purchase_order'),
           ('payment', 'fact_payment')
)
SELECT source_table, key FROM live JOIN facts USING (source_table)
WHERE NOT EXISTS (
    SELECT FROM fact_version
    WHERE fact_version.fact = facts.fact AND fact_version.key = live.key AND current AND op <> 'delete')
UNION ALL
SELECT source_table, key FROM live WHERE source_table = 'staff'
    AND NOT EXISTS (SELECT FROM dim_staff WHERE staff_id = id::integer)
UNION ALL
SELECT source_table, key FROM live WHERE source_table = 'address'
    AND NOT EXISTS (SELECT FROM dim_location WHERE location_id = id::integer)
UNION ALL
SELECT source_table, key FROM live WHERE source_table = 'currency'
    AND NOT EXISTS (SELECT FROM dim_currency WHERE currency_id = id::integer)
UNION ALL
SELECT source_table, key FROM live WHERE source_table = 'design'
    AND NOT EXISTS (SELECT FROM dim_design WHERE design_id = id::integer)
UNION ALL
SELECT source_table, key FROM live WHERE source_table = 'counterparty'
    AND NOT EXISTS (SELECT FROM dim_counterparty WHERE counterparty_id = id::integer)
UNION ALL
SELECT source_table, key FROM live WHERE source_table = 'payment_type'
    AND NOT EXISTS (SELECT FROM dim_payment_type WHERE payment_type_id = id::integer)
UNION ALL
SELECT source_table, key FROM live WHERE source_table = 'transaction'
    AND NOT EXISTS (SELECT FROM dim_transaction WHERE transaction_id = id::integer)

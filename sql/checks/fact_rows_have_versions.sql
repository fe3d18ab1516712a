-- Every fact row that a batch adds is one version of one key, and every such version has its row.
WITH brought AS (
    SELECT fact, record_id FROM fact_version
    WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint AND current_setting('starlift.seq')::bigint
    AND op <> 'delete'
),
span AS (
    SELECT fact, min(record_id) AS first_id, max(record_id) AS last_id FROM brought GROUP BY fact
),
added AS (
    SELECT 'fact_sales_order' AS fact, sales_record_id AS record_id FROM fact_sales_order
    WHERE sales_record_id BETWEEN (SELECT first_id FROM span WHERE fact = 'fact_sales_order')
        AND (SELECT last_id FROM span WHERE fact = 'fact_sales_order')
    UNION ALL
    SELECT 'fact_sales_order', max(sales_record_id) FROM fact_sales_order
    HAVING max(sales_record_id) > (
        SELECT coalesce(max(record_id), 0) FROM fact_version WHERE fact = 'fact_sales_order')
    UNION ALL
    SELECT 'fact_purchase_order', purchase_record_id FROM fact_purchase_order
    WHERE purchase_record_id BETWEEN (SELECT first_id FROM span WHERE fact = 'fact_purchase_order')
        AND (SELECT last_id FROM span WHERE fact = 'fact_purchase_order')
    UNION ALL
    SELECT 'fact_purchase_order', max(purchase_record_id) FROM fact_purchase_order
    HAVING max(purchase_record_id) > (
        SELECT coalesce(max(record_id), 0) FROM fact_version WHERE fact = 'fact_purchase_order')
    UNION ALL
    SELECT 'fact_payment', payment_record_id FROM fact_payment
    WHERE payment_record_id BETWEEN (SELECT first_id FROM span WHERE fact = 'fact_payment')
        AND (SELECT last_id FROM span WHERE fact = 'fact_payment')
    UNION ALL
    SELECT 'fact_payment', max(payment_record_id) FROM fact_payment
    HAVING max(payment_record_id) > (
        SELECT coalesce(max(record_id), 0) FROM fact_version WHERE fact = 'fact_payment')
)
SELECT fact, record_id, brought.fact IS NOT NULL AS has_version, added.fact IS NOT NULL AS has_row
FROM brought FULL JOIN added USING (fact, record_id)
WHERE brought.fact IS NULL OR added.fact IS NULL

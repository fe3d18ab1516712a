-- No source row that a batch found deleted is still current in its fact.
SELECT ledger.source_table, ledger.key, fact_version.fact, fact_version.op
FROM ledger
JOIN (VALUES ('sales_order', 'fact_sales_order'),
             ('purchase_order', 'fact_purchase_order'),
             ('payment', 'fact_payment')) AS facts (source_table, fact) USING (source_table)
JOIN fact_version ON fact_version.fact = facts.fact AND fact_version.key = ledger.key
WHERE ledger.seq BETWEEN current_setting('starlift.first_seq')::bigint AND current_setting('starlift.seq')::bigint
    AND ledger.state = 'deleted'
  AND fact_version.current AND fact_version.op <> 'delete'

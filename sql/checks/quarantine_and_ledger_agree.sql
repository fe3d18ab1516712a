-- Ledger and quarantine name the same rows as held back, and the same of them as dropped.
SELECT source_table, key, 'not in quarantine' AS fault FROM ledger
WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint AND current_setting('starlift.seq')::bigint
    AND state IN ('quarantined', 'dropped')
  AND NOT EXISTS (
      SELECT FROM quarantine
      WHERE quarantine.source_table = ledger.source_table AND quarantine.key = ledger.key
        AND (quarantine.dropped IS NOT NULL) = (ledger.state = 'dropped'))
UNION ALL
SELECT source_table, key, 'not held back by the ledger' FROM quarantine
WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint AND current_setting('starlift.seq')::bigint
  AND NOT EXISTS (
      SELECT FROM ledger
      WHERE ledger.source_table = quarantine.source_table AND ledger.key = quarantine.key
        AND ledger.state = CASE WHEN quarantine.dropped IS NULL THEN 'quarantined' ELSE 'dropped' END)

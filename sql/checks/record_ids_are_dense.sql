-- The surrogate keys of a fact are 1, 2, 3 ...: those of a batch continue the ones before, without a gap.
SELECT fact, min(record_id) AS first_id, max(record_id) AS last_id, count(*) AS versions
FROM fact_version AS brought
WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint AND current_setting('starlift.seq')::bigint
    AND op <> 'delete'
GROUP BY fact
HAVING max(record_id) - min(record_id) + 1 <> count(*)
    OR (min(record_id) > 1 AND NOT EXISTS (
        SELECT FROM fact_version AS before
        WHERE before.fact = brought.fact AND before.record_id = min(brought.record_id) - 1))

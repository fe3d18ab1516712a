-- A batch ends a version exactly where it brings the next one of the same key; an update, repair or delete
-- always ends one.
WITH ended AS (
    SELECT fact, key, ended_seq AS seq FROM fact_version
    WHERE ended_seq BETWEEN current_setting('starlift.first_seq')::bigint
        AND current_setting('starlift.seq')::bigint
),
brought AS (
    SELECT fact, key, seq, op FROM fact_version
    WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint
        AND current_setting('starlift.seq')::bigint
)
SELECT fact, key, seq, brought.op, ended.fact IS NOT NULL AS ends_one
FROM ended FULL JOIN brought USING (fact, key, seq)
WHERE brought.op IS NULL OR (ended.fact IS NULL AND brought.op <> 'insert')

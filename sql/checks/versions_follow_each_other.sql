-- A batch ends a version exactly where it brings the next one of the same key; an update, repair or delete
-- always ends one.
SELECT fact, key, brought.op, ended.fact IS NOT NULL AS ends_one
FROM (SELECT fact, key FROM fact_version
      WHERE ended_seq = current_setting('starlift.seq')::bigint) AS ended
FULL JOIN (SELECT fact, key, op FROM fact_version
           WHERE seq = current_setting('starlift.seq')::bigint) AS brought USING (fact, key)
WHERE brought.op IS NULL OR (ended.fact IS NULL AND brought.op <> 'insert')

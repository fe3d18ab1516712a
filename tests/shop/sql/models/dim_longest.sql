-- One row per row of the table with the longest name.
-- kind: dimension
-- key: id
-- from: the longest name that PostgreSQL has room for is sixty-three by
SELECT id, "the longest name that PostgreSQL has room for is sixty-three by"
FROM "the longest name that PostgreSQL has room for is sixty-three by"

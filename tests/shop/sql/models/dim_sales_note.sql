-- One row per note on a sale.
-- kind: dimension
-- key: id
-- from: note
SELECT id, body FROM note

-- One row per note on a client.
-- kind: dimension
-- key: id
-- from: Client's note
SELECT id, body, written FROM "Client's note"

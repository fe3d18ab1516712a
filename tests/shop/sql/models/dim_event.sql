-- One row per event, big ones among them.
-- kind: dimension
-- key: id
-- from: event
SELECT id, what FROM event

-- One row per address that a client has under a kind.
-- kind: dimension
-- key: kind, client_no
-- from: Address Book
SELECT
    "Kind" AS kind,
    client_no,
    "Street ""A""" AS "Street ""A""",
    town,
    date_of(modified_at) AS modified_on,
    time_of(modified_at) AS modified_time
FROM "Address Book"

-- One row per version of a receipt; the account it came from only as a keyed hash.
-- kind: fact
-- key: number
-- from: receipt
SELECT number, client_no, amount, iban AS iban_hash, received_at, received_on, "when" AS period FROM receipt

-- One row per counterparty, with its legal address. Its contacts are people and stay in the source.
-- kind: dimension
-- key: counterparty_id
-- from: counterparty
-- joins: address
SELECT
    counterparty.counterparty_id,
    counterparty.counterparty_legal_name,

    -- the address's row may come in a later batch; then this row is made again
    coalesce(address.address_line_1, '(not loaded)') AS counterparty_legal_address_line_1,
    address.address_line_2 AS counterparty_legal_address_line_2,
    address.district AS counterparty_legal_district,
    coalesce(address.city, '(not loaded)') AS counterparty_legal_city,
    coalesce(address.postal_code, '(not loaded)') AS counterparty_legal_postal_code,
    coalesce(address.country, '(not loaded)') AS counterparty_legal_country,
    coalesce(address.phone, '(not loaded)') AS counterparty_legal_phone_number
FROM counterparty
LEFT JOIN address ON address.address_id = counterparty.legal_address_id

-- One row per currency, with its name as ISO 4217 writes it.
-- kind: dimension
-- key: currency_id
-- from: currency
-- references: iso_4217
SELECT
    currency.currency_id,
    currency.currency_code,
    required(iso_4217.name, 'no ISO 4217 name for ' || currency.currency_code) AS currency_name
FROM currency
LEFT JOIN iso_4217 ON iso_4217.code = currency.currency_code

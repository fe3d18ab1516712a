-- One row per address that goods are delivered to.
-- kind: dimension
-- key: location_id
-- from: address
SELECT
    address_id AS location_id,
    address_line_1,
    address_line_2,
    district,
    city,
    postal_code,
    country,
    phone
FROM address

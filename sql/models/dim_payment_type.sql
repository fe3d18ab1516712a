-- One row per way a payment can be made.
-- kind: dimension
-- key: payment_type_id
-- from: payment_type
SELECT
    payment_type_id,
    payment_type_name
FROM payment_type

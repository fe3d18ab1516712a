-- One row per version of a payment. The two account numbers are personal data and stay in the source.
-- kind: fact
-- key: payment_id
-- from: payment
SELECT
    payment_id,

    date_of(created_at) AS created_date,
    time_of(created_at) AS created_time,
    date_of(last_updated) AS last_updated_date,
    time_of(last_updated) AS last_updated_time,

    transaction_id,
    counterparty_id,
    payment_amount,
    currency_id,
    payment_type_id,
    paid,
    strict_date(payment_date) AS payment_date
FROM payment

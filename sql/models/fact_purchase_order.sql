-- One row per version of a purchase order. Dates agreed with the seller are text in the source.
-- kind: fact
-- key: purchase_order_id
-- from: purchase_order
SELECT
    purchase_order_id,

    date_of(created_at) AS created_date,
    time_of(created_at) AS created_time,
    date_of(last_updated) AS last_updated_date,
    time_of(last_updated) AS last_updated_time,

    staff_id,
    counterparty_id,
    item_code,
    item_quantity,
    item_unit_price,
    currency_id,

    strict_date(agreed_delivery_date) AS agreed_delivery_date,
    strict_date(agreed_payment_date) AS agreed_payment_date,
    agreed_delivery_location_id
FROM purchase_order

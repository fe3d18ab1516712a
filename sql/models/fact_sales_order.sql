-- One row per version of a sales order. Dates agreed with the buyer are text in the source.
-- kind: fact
-- key: sales_order_id
-- from: sales_order
SELECT
    sales_order_id,

    date_of(created_at) AS created_date,
    time_of(created_at) AS created_time,
    date_of(last_updated) AS last_updated_date,
    time_of(last_updated) AS last_updated_time,

    staff_id AS sales_staff_id,
    counterparty_id,
    units_sold,
    unit_price,
    currency_id,
    design_id,

    strict_date(agreed_payment_date) AS agreed_payment_date,
    strict_date(agreed_delivery_date) AS agreed_delivery_date,
    agreed_delivery_location_id
FROM sales_order

-- One row per version of an order. The day it is due is text in the source.
-- kind: fact
-- key: order_no, ordered_on
-- from: Order
SELECT
    order_no,
    ordered_on,
    client_no,
    state,
    strict_date(due) AS due_on,
    date_of(ordered_at) AS ordered_date,
    time_of(ordered_at) AS ordered_time,
    updated_at
FROM "Order"

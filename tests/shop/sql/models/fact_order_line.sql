-- One row per version of a line of an order, with the order's client.
-- kind: fact
-- key: order_no, ordered_on, line
-- from: Order Line
-- joins: Order
SELECT
    l.order_no,
    l.ordered_on,
    l."Line" AS line,
    l.product AS product_id,
    o.client_no,
    l.quantity,
    l.discount
FROM "Order Line" AS l
LEFT JOIN "Order" AS o ON o.order_no = l.order_no AND o.ordered_on = l.ordered_on

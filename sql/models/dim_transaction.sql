-- One row per transaction: a sale or a purchase, and the order it belongs to.
-- kind: dimension
-- key: transaction_id
-- from: transaction
SELECT
    transaction_id,
    transaction_type,
    sales_order_id,
    purchase_order_id
FROM transaction

-- One row per product in the price list.
-- kind: dimension
-- key: product_id
-- from: price_list
SELECT product_id, name, price, last_changed FROM price_list

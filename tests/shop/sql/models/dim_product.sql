-- One row per product.
-- kind: dimension
-- key: product_id
-- from: Product
SELECT
    "ProductId" AS product_id,
    "SKU" AS "SKU",
    "Name" AS name,
    "Unit Price" AS unit_price,
    weight,
    size,
    guarantee,
    picture,
    doubled,
    "changedOn" AS changed_on
FROM "Product"

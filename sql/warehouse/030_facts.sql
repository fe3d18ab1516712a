-- schema: star
-- The facts: one row per version of a source row, never changed and never removed. For the present state
-- read current_fact_*, for what was true when read history_fact_*; `starlift migrate` makes these views.
--
-- The surrogate key is SERIAL, but the load numbers the rows itself, so that a replay gives the same
-- numbers; a sequence would skip one at every rolled back insert.
-- One index beside it, on the business key. None on the references: dimension rows are never removed,
-- and nine indexes would cost a first load of a million rows more than all the rest.

CREATE TABLE fact_sales_order (
    sales_record_id             serial        PRIMARY KEY,
    sales_order_id              integer       NOT NULL,
    created_date                date          NOT NULL REFERENCES dim_date,
    created_time                time          NOT NULL,
    last_updated_date           date          NOT NULL REFERENCES dim_date,
    last_updated_time           time          NOT NULL,
    sales_staff_id              integer       NOT NULL REFERENCES dim_staff,
    counterparty_id             integer       NOT NULL REFERENCES dim_counterparty,
    units_sold                  integer       NOT NULL,
    unit_price                  numeric(10,2) NOT NULL,
    currency_id                 integer       NOT NULL REFERENCES dim_currency,
    design_id                   integer       NOT NULL REFERENCES dim_design,
    agreed_payment_date         date          NOT NULL REFERENCES dim_date,
    agreed_delivery_date        date          NOT NULL REFERENCES dim_date,
    agreed_delivery_location_id integer       NOT NULL REFERENCES dim_location
);
CREATE INDEX fact_sales_order_key ON fact_sales_order (sales_order_id);
COMMENT ON TABLE fact_sales_order IS
    'One row per version of a sales order. Summing this table counts an order once per version: use '
    'current_fact_sales_order.';
COMMENT ON COLUMN fact_sales_order.sales_record_id IS 'Surrogate key: one per version.';
COMMENT ON COLUMN fact_sales_order.last_updated_date IS
    'As the source states it; the source also edits orders without moving it, so versions may share it.';
COMMENT ON COLUMN fact_sales_order.unit_price IS 'In the currency of currency_id.';

CREATE TABLE fact_purchase_order (
    purchase_record_id          serial        PRIMARY KEY,
    purchase_order_id           integer       NOT NULL,
    created_date                date          NOT NULL REFERENCES dim_date,
    created_time                time          NOT NULL,
    last_updated_date           date          NOT NULL REFERENCES dim_date,
    last_updated_time           time          NOT NULL,
    staff_id                    integer       NOT NULL REFERENCES dim_staff,
    counterparty_id             integer       NOT NULL REFERENCES dim_counterparty,
    item_code                   varchar       NOT NULL,
    item_quantity               integer       NOT NULL,
    item_unit_price             numeric(10,2) NOT NULL,
    currency_id                 integer       NOT NULL REFERENCES dim_currency,
    agreed_delivery_date        date          NOT NULL REFERENCES dim_date,
    agreed_payment_date         date          NOT NULL REFERENCES dim_date,
    agreed_delivery_location_id integer       NOT NULL REFERENCES dim_location
);
CREATE INDEX fact_purchase_order_key ON fact_purchase_order (purchase_order_id);
COMMENT ON TABLE fact_purchase_order IS
    'One row per version of a purchase order. Summing this table counts an order once per version: use '
    'current_fact_purchase_order.';
COMMENT ON COLUMN fact_purchase_order.purchase_record_id IS 'Surrogate key: one per version.';
COMMENT ON COLUMN fact_purchase_order.item_unit_price IS 'In the currency of currency_id.';

CREATE TABLE fact_payment (
    payment_record_id serial        PRIMARY KEY,
    payment_id        integer       NOT NULL,
    created_date      date          NOT NULL REFERENCES dim_date,
    created_time      time          NOT NULL,
    last_updated_date date          NOT NULL REFERENCES dim_date,
    last_updated_time time          NOT NULL,
    transaction_id    integer       NOT NULL REFERENCES dim_transaction,
    counterparty_id   integer       NOT NULL REFERENCES dim_counterparty,
    payment_amount    numeric(10,2) NOT NULL,
    currency_id       integer       NOT NULL REFERENCES dim_currency,
    payment_type_id   integer       NOT NULL REFERENCES dim_payment_type,
    paid              boolean       NOT NULL,
    payment_date      date          NOT NULL REFERENCES dim_date
);
CREATE INDEX fact_payment_key ON fact_payment (payment_id);
COMMENT ON TABLE fact_payment IS
    'One row per version of a payment: usually one when it is agreed and one when it is paid. Summing this '
    'table counts a payment once per version: use current_fact_payment.';
COMMENT ON COLUMN fact_payment.payment_record_id IS 'Surrogate key: one per version.';
COMMENT ON COLUMN fact_payment.payment_amount IS 'In the currency of currency_id.';
COMMENT ON COLUMN fact_payment.paid IS 'False until the payment run of payment_date.';

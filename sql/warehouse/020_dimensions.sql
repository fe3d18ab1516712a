-- schema: star
-- The dimensions: the latest version of each row. Only keys and text may be NOT NULL, because a fact may
-- refer to a row that has not arrived: then the load puts an inferred member there, with '(not loaded)'
-- for text that must be there and NULL for all else.

CREATE TABLE dim_staff (
    staff_id        integer PRIMARY KEY,
    first_name      varchar NOT NULL,
    last_name       varchar NOT NULL,
    department_name varchar NOT NULL,
    location        varchar,
    email_address   varchar NOT NULL
);
COMMENT ON TABLE dim_staff IS 'One row per member of staff, with the department they work in.';
COMMENT ON COLUMN dim_staff.location IS 'Where the department is; NULL where the source does not say.';

CREATE TABLE dim_location (
    location_id    integer PRIMARY KEY,
    address_line_1 varchar NOT NULL,
    address_line_2 varchar,
    district       varchar,
    city           varchar NOT NULL,
    postal_code    varchar NOT NULL,
    country        varchar NOT NULL,
    phone          varchar NOT NULL
);
COMMENT ON TABLE dim_location IS 'One row per address; location_id is the source''s address_id.';

CREATE TABLE dim_currency (
    currency_id   integer PRIMARY KEY,
    currency_code varchar NOT NULL,
    currency_name varchar NOT NULL
);
COMMENT ON TABLE dim_currency IS 'One row per currency, with its ISO 4217 code and name.';

CREATE TABLE dim_design (
    design_id     integer PRIMARY KEY,
    design_name   varchar NOT NULL,
    file_location varchar NOT NULL,
    file_name     varchar NOT NULL
);
COMMENT ON TABLE dim_design IS 'One row per design of a tote bag.';

CREATE TABLE dim_counterparty (
    counterparty_id                  integer PRIMARY KEY,
    counterparty_legal_name          varchar NOT NULL,
    counterparty_legal_address_line_1 varchar NOT NULL,
    counterparty_legal_address_line_2 varchar,
    counterparty_legal_district      varchar,
    counterparty_legal_city          varchar NOT NULL,
    counterparty_legal_postal_code   varchar NOT NULL,
    counterparty_legal_country       varchar NOT NULL,
    counterparty_legal_phone_number  varchar NOT NULL
);
COMMENT ON TABLE dim_counterparty IS
    'One row per business partner, buyer or supplier, with its legal address.';

CREATE TABLE dim_payment_type (
    payment_type_id   integer PRIMARY KEY,
    payment_type_name varchar NOT NULL
);
COMMENT ON TABLE dim_payment_type IS 'One row per kind of payment, such as SALES_RECEIPT.';

CREATE TABLE dim_transaction (
    transaction_id    integer PRIMARY KEY,
    transaction_type  varchar NOT NULL,
    sales_order_id    integer,
    purchase_order_id integer
);
COMMENT ON TABLE dim_transaction IS 'One row per transaction: a sale or a purchase, and its order.';
COMMENT ON COLUMN dim_transaction.sales_order_id IS 'The order of a SALE, else NULL.';
COMMENT ON COLUMN dim_transaction.purchase_order_id IS 'The order of a PURCHASE, else NULL.';

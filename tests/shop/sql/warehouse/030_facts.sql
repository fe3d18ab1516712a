-- schema: star
-- The shop's facts.

CREATE TABLE fact_order (
    order_record_id serial PRIMARY KEY,
    order_no        integer NOT NULL,
    ordered_on      date NOT NULL REFERENCES dim_date,
    client_no       bigint NOT NULL REFERENCES dim_client,
    state           text NOT NULL,
    due_on          date REFERENCES dim_date,
    ordered_date    date NOT NULL REFERENCES dim_date,
    ordered_time    time NOT NULL,
    updated_at      timestamptz NOT NULL
);

CREATE TABLE fact_order_line (
    line_record_id serial PRIMARY KEY,
    order_no       integer NOT NULL,
    ordered_on     date NOT NULL REFERENCES dim_date,
    line           smallint NOT NULL,
    product_id     uuid NOT NULL REFERENCES dim_product,
    client_no      bigint REFERENCES dim_client,
    quantity       integer NOT NULL,
    discount       double precision
);

CREATE TABLE fact_receipt (
    "Receipt Record" serial PRIMARY KEY,
    number      bigint NOT NULL,
    client_no   bigint NOT NULL REFERENCES dim_client,
    amount      numeric(12,2) NOT NULL,
    iban_hash   text,
    received_at time NOT NULL,
    received_on date NOT NULL REFERENCES dim_date,
    period      int4range
);

-- schema: star
-- The shop's dimensions. Types as in the source, where the warehouse has them too.

CREATE TABLE dim_date (
    date_id     date    PRIMARY KEY,
    year        integer NOT NULL,
    month       integer NOT NULL,
    day         integer NOT NULL,
    day_of_week integer NOT NULL,
    day_name    varchar NOT NULL,
    month_name  varchar NOT NULL,
    quarter     integer NOT NULL
);

CREATE TABLE dim_client (
    client_no    bigint PRIMARY KEY,
    full_name    text NOT NULL,
    email_hash   varchar(64) NOT NULL,
    segment      text NOT NULL,
    tags         text[],
    profile      jsonb,
    country      char(2),
    country_name varchar NOT NULL,
    modified_at  timestamptz
);

CREATE TABLE dim_address (
    kind          varchar(10),
    client_no     bigint,
    "Street ""A""" text,
    town          text NOT NULL,
    modified_on   date,
    modified_time time,
    PRIMARY KEY (kind, client_no)
);

CREATE TABLE dim_product (
    product_id uuid PRIMARY KEY,
    "SKU"      varchar NOT NULL,
    name       text NOT NULL,
    unit_price numeric(12,4),
    weight     numeric,
    size       text,
    guarantee  interval,
    picture    bytea,
    doubled    numeric(13,4),
    changed_on timestamp
);

CREATE TABLE dim_client_note (id uuid PRIMARY KEY, body text NOT NULL, written timestamp);
CREATE TABLE dim_sales_note (id integer PRIMARY KEY, body text);
CREATE TABLE dim_longest (
    id integer PRIMARY KEY, "the longest name that PostgreSQL has room for is sixty-three by" text
);
CREATE TABLE dim_event (id integer PRIMARY KEY, what text NOT NULL);
CREATE TABLE dim_price (
    product_id uuid PRIMARY KEY, name text NOT NULL, price numeric(12,4), last_changed timestamptz
);

-- schema: star
-- The club's star.

CREATE TABLE dim_member (member_id integer PRIMARY KEY, name text NOT NULL, phone_hash varchar(64));
CREATE TABLE dim_card (member_id integer PRIMARY KEY, label text);
CREATE TABLE fact_payment (
    payment_record_id serial PRIMARY KEY,
    payment_id        integer NOT NULL,
    member_id         integer NOT NULL REFERENCES dim_member,
    amount            numeric(38,2) NOT NULL,
    purpose           varchar(20),
    iban_hash         varchar(64),
    phone_hash        varchar(64)
);

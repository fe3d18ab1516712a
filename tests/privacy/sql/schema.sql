CREATE TABLE member (
    member_id integer PRIMARY KEY,
    name      text NOT NULL,
    email     text,
    phone     text,
    changed   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE payment (
    payment_id integer PRIMARY KEY,
    member_id  integer NOT NULL,
    amount     text NOT NULL,
    purpose    text,
    iban       text,
    note       text
);
CREATE VIEW card AS SELECT member_id, name AS label, email, changed FROM member;

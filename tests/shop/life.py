"""What happens in the shop: scripts that run between cycles. Each touches every table."""

from __future__ import annotations

UUID = "00000000-0000-4000-8000-00000000000"
LONGEST = '"the longest name that PostgreSQL has room for is sixty-three by"'

OPENING = f"""
INSERT INTO crm.country VALUES ('DE', 'Deutschland', 'Europe'), ('NZ', 'Aotearoa', 'Oceania');
INSERT INTO crm.client ("Full Name", e_mail, birth_date, segment, tags, profile, country) VALUES
    ('Zoë "Z" O''Neil', 'zoe@example.com', '1990-02-28', 'trade', '{{a,"b, c",NULL,""}}',
     '{{"size": 1.50, "deep": [[], null, "\\u00e9"]}}', 'DE'),
    (E'Tab\\tLine\\nBack\\\\slash', 'tab@example.com', NULL, 'it''s complicated', DEFAULT, NULL, NULL),
    ('', 'none@example.com', '2000-01-01', 'private', '{{}}', 'null', 'NZ');
INSERT INTO crm."Address Book" VALUES
    (1, 'home', 'Straße 1', 'Köln', '+49 1', now()), (1, 'a, "b"', NULL, 'Bonn', NULL, now()),
    (2, 'home', '', 'Wellington', '', now());
INSERT INTO crm.note VALUES ('{UUID}1', 'first'), ('{UUID}2', '');
INSERT INTO "Sales".note (body) VALUES ('elsewhere'), (NULL);
INSERT INTO "Sales"."Product" ("ProductId", "SKU", "Name", "Unit Price", weight, size, guarantee, picture)
VALUES
    ('{UUID}1', 'A-1', 'Bag', 9.9900, 0.100, '(10,20)', '2 years 3 mons', '\\x00ff'),
    ('{UUID}2', 'A-2', 'Hat', 0.0001, 1e-30, NULL, '-1 day 04:05:06.7', ''),
    ('{UUID}3', 'A-3', 'Cap', 99999999.9999, 'NaN', '(,)', NULL, NULL);
INSERT INTO "Sales"."Order" (order_no, ordered_on, client_no, state, due) VALUES
    (1, '2024-12-31', 1, 'new', '2025-01-31'), (1, '2025-01-01', 2, 'paid', NULL),
    (2, '2025-06-30', 3, 'gone back', '2026-02-28');
INSERT INTO "Sales"."Order Line" VALUES
    (1, '2024-12-31', 1, '{UUID}1', 2, 0.1), (1, '2024-12-31', 2, '{UUID}2', 1, NULL),
    (1, '2025-01-01', 1, '{UUID}3', 5, 1e-7), (2, '2025-06-30', 1, '{UUID}1', 1, 'NaN');
INSERT INTO "Sales".receipt VALUES
    (10, 1, 19.98, 'DE02120300000000202051', '12:00', '2025-01-02', '[1,5)'),
    (11, 2, -0.01, NULL, '23:59:59.999999', '2025-01-03', 'empty');
INSERT INTO "Sales".{LONGEST} VALUES (1, 'x'), (2, NULL);
INSERT INTO crm.event VALUES (1, 'opening');
INSERT INTO crm.big_event VALUES (2, 'fair');
"""

A_DAY = f"""
UPDATE crm.country SET name = 'Germany' WHERE code = 'DE';
INSERT INTO crm.country VALUES ('FR', 'France', 'Europe');
UPDATE crm.client SET tags = tags || '{{new}}', country = 'FR' WHERE client_no = 2;
INSERT INTO crm.client ("Full Name", e_mail, country) VALUES ('New', 'new@example.com', 'FR');
UPDATE crm."Address Book" SET town = 'Brühl', modified_at = now() WHERE "Kind" LIKE 'a,%';
INSERT INTO crm."Address Book" VALUES (4, 'home', E'a\\tb', 'Paris', '1', now());
UPDATE crm.note SET body = 'edited' WHERE body = 'first';
INSERT INTO crm.note VALUES ('{UUID}3', 'third', '2001-01-01');
UPDATE "Sales".note SET body = 'was NULL' WHERE body IS NULL;
INSERT INTO "Sales".note VALUES (50, 'fifty');
UPDATE "Sales"."Product" SET "Unit Price" = 12.5, "changedOn" = now() AT TIME ZONE 'UTC' WHERE "SKU" = 'A-1';
INSERT INTO "Sales"."Product" VALUES ('{UUID}4', 'A-4', 'Belt', 1, NULL, NULL, NULL, NULL);
UPDATE "Sales"."Order" SET state = 'sent' WHERE order_no = 1 AND ordered_on = '2025-01-01';
UPDATE "Sales"."Order" SET client_no = 4, updated_at = now() WHERE order_no = 2;
INSERT INTO "Sales"."Order" VALUES (3, '2025-02-28', 4, 'new', '2025-03-01');
INSERT INTO "Sales"."Order Line" VALUES (3, '2025-02-28', 1, '{UUID}4', 1, NULL);
UPDATE "Sales"."Order Line" SET quantity = 7 WHERE "Line" = 2;
UPDATE "Sales".receipt SET amount = 20.00, iban = 'NL91ABNA0417164300' WHERE number = 10;
INSERT INTO "Sales".receipt VALUES (12, 4, 1.00, 'X', '00:00', '2025-03-01', NULL);
UPDATE "Sales".{LONGEST} SET {LONGEST} = 'y' WHERE id = 2;
INSERT INTO "Sales".{LONGEST} VALUES (3, 'z');
UPDATE crm.event SET what = what || '!';
INSERT INTO crm.big_event VALUES (4, 'later');
"""

A_NEW_YEAR = f"""
CREATE TABLE "Sales"."Order 2026" (LIKE "Sales"."Order" INCLUDING ALL);
INSERT INTO "Sales"."Order 2026" VALUES (4, '2026-01-01', 1, 'new', '2026-12-31');
ALTER TABLE "Sales"."Order" ATTACH PARTITION "Sales"."Order 2026"
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO "Sales"."Order Line" VALUES (4, '2026-01-01', 1, '{UUID}1', 3, 0.25);
UPDATE crm.client SET e_mail = 'moved@example.com' WHERE client_no = 1;
UPDATE crm.client SET birth_date = '1970-01-01' WHERE client_no = 3;
UPDATE crm.country SET name = 'La France' WHERE code = 'FR';
UPDATE crm."Address Book" SET phone_number = '2', modified_at = now() WHERE client_no = 2;
UPDATE crm.note SET written = written + interval '1 hour';
UPDATE "Sales".note SET body = body || ' again';
UPDATE "Sales"."Product" SET weight = 2, "changedOn" = now() AT TIME ZONE 'UTC' WHERE "SKU" = 'A-2';
UPDATE "Sales".receipt SET "when" = '[7,8)' WHERE number = 11;
UPDATE "Sales".{LONGEST} SET {LONGEST} = NULL WHERE id = 1;
UPDATE crm.big_event SET what = 'over' WHERE id = 2;
"""

CLEARING_OUT = f"""
ALTER TABLE "Sales"."Order Line" DROP CONSTRAINT "Order Line_order_no_ordered_on_fkey";
DELETE FROM "Sales"."Order Line" WHERE "Line" = 2;
ALTER TABLE "Sales"."Order" DETACH PARTITION "Sales"."Order 2025";
UPDATE crm.client SET country = 'DE' WHERE client_no = 4;
DELETE FROM crm."Address Book" WHERE client_no = 2;
TRUNCATE crm.note;
INSERT INTO crm.note VALUES ('{UUID}9', 'the only one');
CREATE TABLE "Sales".fresh (LIKE "Sales".note INCLUDING ALL);
INSERT INTO "Sales".fresh VALUES (1, 'swapped in'), (77, 'new');
ALTER TABLE "Sales".note RENAME TO stale;
ALTER TABLE "Sales".fresh RENAME TO note;
GRANT SELECT ON "Sales".note TO starlift_source;
ALTER TABLE "Sales".receipt DROP CONSTRAINT receipt_client_no_fkey;
DELETE FROM "Sales".receipt WHERE number = 11;
UPDATE "Sales".receipt SET number = 13 WHERE number = 12;
DELETE FROM "Sales".{LONGEST} WHERE id = 3;
DROP TABLE crm.big_event;
DELETE FROM "Sales"."Product" WHERE "SKU" = 'A-2';
"""

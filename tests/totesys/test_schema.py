"""sql/source/totesys.sql is the schema of the real Totesys."""

from __future__ import annotations

from tests.postgres import SourceDatabase, connected

COLUMNS = {
    "address": "address_id address_line_1! address_line_2 district city! postal_code! country! phone! "
    "created_at last_updated",
    "counterparty": "counterparty_id counterparty_legal_name! legal_address_id!:integer commercial_contact "
    "delivery_contact created_at last_updated",
    "currency": "currency_id currency_code!:character_varying(3) created_at last_updated",
    "department": "department_id department_name! location manager created_at last_updated",
    "design": "design_id created_at design_name! file_location! file_name! last_updated",
    "staff": "staff_id first_name! last_name! department_id!:integer email_address! created_at last_updated",
    "sales_order": "sales_order_id created_at last_updated design_id!:integer staff_id!:integer "
    "counterparty_id!:integer units_sold!:integer unit_price!:numeric(10,2) currency_id!:integer "
    "agreed_delivery_date! agreed_payment_date! agreed_delivery_location_id!:integer",
    "purchase_order": "purchase_order_id created_at last_updated staff_id!:integer "
    "counterparty_id!:integer item_code! item_quantity!:integer item_unit_price!:numeric(10,2) "
    "currency_id!:integer agreed_delivery_date! agreed_payment_date! agreed_delivery_location_id!:integer",
    "payment_type": 'payment_type_id payment_type_name!:"PaymentTypeName" created_at last_updated',
    "transaction": 'transaction_id transaction_type!:"TransactionType" sales_order_id:integer '
    "purchase_order_id:integer created_at last_updated",
    "payment": "payment_id created_at last_updated transaction_id!:integer counterparty_id!:integer "
    "payment_amount!:numeric(10,2) currency_id!:integer payment_type_id!:integer paid!:boolean "
    "payment_date! company_ac_number!:integer counterparty_ac_number!:integer",
}
"""By table, columns in physical order; `!` is NOT NULL; without a type: text, but see `_column`."""

ENUMS = {
    "PaymentTypeName": ["SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND"],
    "TransactionType": ["SALE", "PURCHASE"],
}

RESTRICT, SET_NULL = "r", "n"
FOREIGN_KEYS = {
    ("counterparty", "legal_address_id", "address", RESTRICT),
    ("staff", "department_id", "department", RESTRICT),
    ("sales_order", "design_id", "design", RESTRICT),
    ("sales_order", "staff_id", "staff", RESTRICT),
    ("sales_order", "counterparty_id", "counterparty", RESTRICT),
    ("sales_order", "currency_id", "currency", RESTRICT),
    ("sales_order", "agreed_delivery_location_id", "address", RESTRICT),
    ("purchase_order", "staff_id", "staff", RESTRICT),
    ("purchase_order", "counterparty_id", "counterparty", RESTRICT),
    ("purchase_order", "currency_id", "currency", RESTRICT),
    ("purchase_order", "agreed_delivery_location_id", "address", RESTRICT),
    ("payment", "transaction_id", "transaction", RESTRICT),
    ("payment", "counterparty_id", "counterparty", RESTRICT),
    ("payment", "currency_id", "currency", RESTRICT),
    ("payment", "payment_type_id", "payment_type", RESTRICT),
    ("transaction", "sales_order_id", "sales_order", SET_NULL),
    ("transaction", "purchase_order_id", "purchase_order", SET_NULL),
}


def _column(table: str, text: str) -> tuple[str, str, bool, str | None]:
    """Return name, type, NOT NULL and default of a column in the shorthand of COLUMNS."""
    name, _, kind = text.partition(":")
    if name == f"{table}_id":
        return name, "integer", True, f"nextval('{table}_{name}_seq'::regclass)"
    if name in ("created_at", "last_updated"):
        default = "CURRENT_TIMESTAMP" if name == "created_at" else None
        return name, "timestamp(3) without time zone", True, default
    return name.rstrip("!"), kind.replace("_", " ") or "text", name.endswith("!"), None


def test_every_table_has_the_real_one_s_columns_in_its_order(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin:
        for table, columns in COLUMNS.items():
            found = admin.run(
                "SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid) "
                "FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
                "WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 ORDER BY attnum",
                table=table,
            )
            assert [tuple(row) for row in found or ()] == [_column(table, text) for text in columns.split()]


def test_the_tables_are_the_eleven_and_the_application_s_own(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin:
        found = admin.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert admin.run("SELECT count(*) FROM _prisma_migrations") == [[1]]
    assert {row[0] for row in found or ()} == {*COLUMNS, "_prisma_migrations"}


def test_nothing_in_the_database_keeps_last_updated_right_or_makes_it_fast(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin:
        triggers = admin.run("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
        indexes = admin.run("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
    assert triggers == []
    keys = {f"{table}_pkey" for table in (*COLUMNS, "_prisma_migrations")}
    unique = {
        "payment_transaction_id_key",
        "transaction_sales_order_id_key",
        "transaction_purchase_order_id_key",
    }
    assert {row[0] for row in indexes or ()} == keys | unique


def test_the_enums_are_the_real_ones(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin:
        found = admin.run(
            "SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder) "
            "FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid GROUP BY typname"
        )
    assert {row[0]: row[1] for row in found or ()} == ENUMS


def test_foreign_keys_cascade_updates_and_restrict_deletes(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin:
        found = admin.run(
            "SELECT conrelid::regclass::text, attname, confrelid::regclass::text, confdeltype::text, "
            "confupdtype::text FROM pg_constraint JOIN pg_attribute "
            "ON attrelid = conrelid AND ARRAY[attnum] = conkey WHERE contype = 'f'"
        )
    assert {row[4] for row in found or ()} == {"c"}
    assert {tuple(row[:4]) for row in found or ()} == FOREIGN_KEYS

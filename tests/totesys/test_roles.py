"""sql/roles gives each role what it needs and no more."""

from __future__ import annotations

import pytest
from pg8000.exceptions import DatabaseError

from tests.postgres import SourceDatabase, WarehouseDatabase, connected, script

DENIED = "'C': '42501'"


@pytest.mark.parametrize("role", ["source", "warehouse", "analyst"])
def test_a_role_has_no_power_over_the_server(
    source_db: SourceDatabase, warehouse_db: WarehouseDatabase, role: str
) -> None:
    with connected(source_db.admin) as admin:
        found = admin.run(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin "
            "FROM pg_roles WHERE rolname = :role",
            role=f"starlift_{role}",
        )
        memberships = admin.run(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = CAST(:role AS regrole)",
            role=f"starlift_{role}",
        )
    assert found == [[False, False, False, False, False, True]]
    assert memberships == ([["pg_read_all_stats"]] if role == "source" else [])


@pytest.mark.parametrize(
    ("role", "power"),
    [
        *((role, "SUPERUSER") for role in ("source", "warehouse", "analyst")),
        *((role, "BYPASSRLS") for role in ("warehouse", "analyst")),
    ],
)
def test_a_script_refuses_a_role_that_is_above_privileges(
    source_db: SourceDatabase, warehouse_db: WarehouseDatabase, role: str, power: str
) -> None:
    with connected(source_db.admin) as admin:
        admin.run("BEGIN")
        admin.run(f"ALTER ROLE starlift_{role} {power}")
        with pytest.raises(DatabaseError, match="above all privileges"):
            admin.run(script(f"roles/{role}.sql"))
        admin.run("ROLLBACK")


def test_the_reader_may_be_let_past_row_level_security_and_its_script_be_run_again(
    source_db: SourceDatabase,
) -> None:
    with connected(source_db.admin) as admin:
        admin.run("BEGIN")
        admin.run("ALTER ROLE starlift_source BYPASSRLS")  # the doctor's remedy
        admin.run(script("roles/source.sql"))
        admin.run("ROLLBACK")


@pytest.mark.parametrize("role", ["source", "warehouse", "analyst"])
def test_a_script_sets_no_password_and_names_no_database(role: str) -> None:
    statements = [line for line in script(f"roles/{role}.sql").splitlines() if not line.startswith("--")]
    assert not any("PASSWORD" in line.upper() for line in statements)
    assert not any(line.startswith("\\") for line in statements)
    assert "current_database()" in "\n".join(statements)


def test_the_reader_reads_every_table_today_s_and_tomorrow_s(totesys_small: SourceDatabase) -> None:
    with connected(totesys_small.admin) as admin, connected(totesys_small.reader) as reader:
        admin.run("CREATE TABLE refund (refund_id integer)")
        for table in ("payment", "staff", "refund"):
            assert reader.run(f"SELECT count(*) FROM {table}")


def test_the_reader_reads_tables_that_the_application_makes(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin, connected(source_db.reader) as reader:
        admin.run("CREATE ROLE application_of_test")
        try:
            admin.run("GRANT CREATE ON SCHEMA public TO application_of_test")
            admin.run("SET ROLE application_of_test; CREATE TABLE first (); RESET ROLE")
            admin.run(script("roles/source.sql"))
            admin.run("SET ROLE application_of_test; CREATE TABLE second (); RESET ROLE")
            assert reader.run("SELECT FROM first") == reader.run("SELECT FROM second") == []
        finally:
            admin.run("DROP OWNED BY application_of_test; DROP ROLE application_of_test")


def test_the_script_says_where_the_reader_may_make_tables(source_db: SourceDatabase) -> None:
    """As everyone may in public before PostgreSQL 15; only the owner can tell who needs it."""
    with connected(source_db.admin) as admin:
        for grant, warnings in (
            ("GRANT CREATE ON SCHEMA public TO", 1),
            ("REVOKE CREATE ON SCHEMA public FROM", 0),
        ):
            admin.run(f"{grant} PUBLIC")
            admin.notices.clear()
            admin.run(script("roles/source.sql"))
            said = [notice for notice in admin.notices if notice[b"S"] == b"WARNING"]
            hints = [notice[b"H"] for notice in said]
            assert hints == [b"REVOKE CREATE ON SCHEMA public FROM PUBLIC"] * warnings


def test_the_reader_cannot_write_even_when_it_tries(totesys_small: SourceDatabase) -> None:
    with connected(totesys_small.admin) as admin:
        # as the script advises where PostgreSQL is older than 15
        admin.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with connected(totesys_small.reader) as reader:
        assert reader.run("SHOW default_transaction_read_only") == [["on"]]
        reader.run("SET default_transaction_read_only = off")
        for statement in (
            "INSERT INTO currency (currency_code, last_updated) VALUES ('XXX', now())",
            "UPDATE currency SET last_updated = now()",
            "DELETE FROM payment",
            "TRUNCATE payment",
            "CREATE TABLE mine ()",
            "SELECT nextval('payment_payment_id_seq')",
            "SELECT FROM payment FOR UPDATE",
            "BEGIN; LOCK TABLE payment IN ACCESS EXCLUSIVE MODE",
            "ROLLBACK; SELECT pg_read_file('postgresql.conf')",
        ):
            with pytest.raises(DatabaseError, match=DENIED):
                reader.run(statement)


def test_the_reader_sees_what_an_extract_asks_of_the_server(totesys_small: SourceDatabase) -> None:
    with connected(totesys_small.admin) as admin, connected(totesys_small.reader) as reader:
        admin.run("BEGIN")
        admin.run("SELECT 1")
        seen = reader.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND usename = 'postgres' AND xact_start IS NOT NULL AND state IS NOT NULL"
        )
        assert seen == [[1]]
        for question in (
            "SELECT system_identifier FROM pg_control_system()",
            "SELECT timeline_id FROM pg_control_checkpoint()",
            "SELECT pg_walfile_name(pg_current_wal_lsn()), pg_is_in_recovery()",
            "SELECT pg_snapshot_xmin(pg_current_snapshot())",
            "SELECT count(*) FROM pg_prepared_xacts",
            "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname = 'payment'",
        ):
            assert reader.run(question)
        admin.run("ROLLBACK")


def test_the_owner_makes_schemas_tables_views_and_temporary_tables(warehouse_db: WarehouseDatabase) -> None:
    with connected(warehouse_db.owner) as owner:
        owner.run(
            "CREATE SCHEMA starlift; CREATE TABLE starlift.ledger (); CREATE TABLE fact (n integer); "
            "CREATE VIEW current_fact AS SELECT n FROM fact; CREATE TEMP TABLE staging (n integer); "
            "INSERT INTO staging VALUES (1); INSERT INTO fact SELECT n FROM staging"
        )
        assert owner.run("SELECT n FROM current_fact") == [[1]]


def test_no_one_else_makes_anything_in_the_warehouse(warehouse_db: WarehouseDatabase) -> None:
    with connected(warehouse_db.analyst) as analyst:
        for statement in ("CREATE TABLE mine ()", "CREATE SCHEMA mine"):
            with pytest.raises(DatabaseError, match=DENIED):
                analyst.run(statement)


def test_the_analyst_reads_the_star_made_before_and_after_the_grant(warehouse_db: WarehouseDatabase) -> None:
    with connected(warehouse_db.admin) as admin:
        admin.run("CREATE TABLE made_by_the_admin ()")
        admin.run(script("roles/analyst.sql"))
    with connected(warehouse_db.owner) as owner, connected(warehouse_db.analyst) as analyst:
        owner.run("CREATE TABLE dim_date (); CREATE VIEW calendar AS TABLE dim_date")
        for relation in ("made_by_the_admin", "dim_date", "calendar"):
            assert analyst.run(f"SELECT FROM {relation}") == []


def test_the_analyst_reads_a_table_that_was_built_elsewhere_and_moved_into_the_star(
    warehouse_db: WarehouseDatabase,
) -> None:
    with connected(warehouse_db.owner) as owner, connected(warehouse_db.analyst) as analyst:
        owner.run("CREATE SCHEMA building; CREATE TABLE building.fact ()")
        with pytest.raises(DatabaseError, match=DENIED):
            analyst.run("SELECT FROM building.fact")
        owner.run("ALTER TABLE building.fact SET SCHEMA public")
        assert analyst.run("SELECT FROM fact") == []


def test_the_analyst_cannot_write(warehouse_db: WarehouseDatabase) -> None:
    with connected(warehouse_db.owner) as owner, connected(warehouse_db.analyst) as analyst:
        owner.run("CREATE TABLE fact (n integer)")
        for statement in (
            "INSERT INTO fact VALUES (1)",
            "UPDATE fact SET n = 1",
            "DELETE FROM fact",
            "DROP TABLE fact",
        ):
            with pytest.raises(DatabaseError, match=DENIED):
                analyst.run(statement)


def test_the_analyst_sees_versions_through_views_and_never_a_quarantined_row(
    warehouse_db: WarehouseDatabase,
) -> None:
    with connected(warehouse_db.owner) as owner, connected(warehouse_db.analyst) as analyst:
        owner.run(
            "CREATE SCHEMA starlift; CREATE TABLE starlift.quarantine (line text); "
            "CREATE TABLE starlift.fact_version AS SELECT 1 AS record_id, true AS current; "
            "CREATE VIEW current_fact AS SELECT record_id FROM starlift.fact_version WHERE current"
        )
        assert analyst.run("SELECT * FROM current_fact") == [[1]]
        for table in ("quarantine", "fact_version"):
            with pytest.raises(DatabaseError, match=DENIED):
                analyst.run(f"SELECT * FROM starlift.{table}")

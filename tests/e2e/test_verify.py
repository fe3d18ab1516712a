"""`starlift verify`: what somebody changed by hand is found, by name; what is pending is no difference."""

from __future__ import annotations

import pytest

from starlift.adapters.postgres.row_hash import fact_hash
from starlift.adapters.postgres.star_catalogue import read_star
from starlift.core import paths
from starlift.entrypoints import local, verifying
from starlift.entrypoints.answers import Answer
from starlift.stages.watch import UNWATCHED
from tests.e2e.project import Project
from tests.postgres import connected


def verified(project: Project, *, deep: bool = False) -> Answer:
    """Verify within this process."""
    return verifying.answer(project.pipeline(), UNWATCHED, deep=deep)


def found(project: Project, *, deep: bool = False) -> list[tuple[str, str, list[str]]]:
    """Return in what a pipeline differs: table, way and first keys of each."""
    document = verified(project, deep=deep).document or {}
    return [(each["table"], each["what"], list(each["keys"])) for each in document["differences"]]


@pytest.fixture
def equal(lived: Project) -> Project:
    """A pipeline with a history in which nothing differs."""
    answer = verified(lived)
    assert (answer.exit_code, answer.errors) == (0, ())
    return lived


def test_a_pipeline_with_a_history_is_equal_but_for_its_quarantine(lived: Project) -> None:
    ran = lived.starlift("verify")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.document["differences"] == []
    tables = ran.document["tables"]
    assert {name: each["quarantined"] for name, each in tables.items() if each["quarantined"]} == {
        "currency": 1, "sales_order": 1,
    }  # fmt: skip
    assert not [name for name, each in tables.items() if each["pending"]]
    assert {name: each["rows"] for name, each in tables.items()} == dict(
        lived.query("SELECT source_table, count(*) FROM starlift.ledger "
                    "WHERE state IN ('live', 'quarantined', 'dropped') GROUP BY source_table")
    )  # fmt: skip


MANUAL = {
    "a fact's value": (
        "UPDATE fact_sales_order SET units_sold = units_sold + 1 WHERE sales_record_id = 7",
        "UPDATE fact_sales_order SET units_sold = units_sold - 1 WHERE sales_record_id = 7",
        ("fact_sales_order", "changed", ["({key}) record 7"]),
    ),
    "a dimension's value": (
        "UPDATE dim_staff SET first_name = first_name || '!' WHERE staff_id = 2",
        "UPDATE dim_staff SET first_name = rtrim(first_name, '!') WHERE staff_id = 2",
        ("dim_staff", "changed", ["(2)"]),
    ),
    "a day's name": (
        "UPDATE dim_date SET day_name = 'Payday' WHERE date_id = '2024-11-22'",
        "UPDATE dim_date SET day_name = 'Friday' WHERE date_id = '2024-11-22'",
        ("dim_date", "changed", ["(2024-11-22)"]),
    ),
    "an inferred member's text": (
        "UPDATE dim_design SET design_name = 'Guess' WHERE design_id = 9005",
        "UPDATE dim_design SET design_name = '(not loaded)' WHERE design_id = 9005",
        ("dim_design", "changed", ["(9005)"]),
    ),
    "a fact's row taken away": (
        "CREATE TABLE aside AS SELECT * FROM fact_payment WHERE payment_record_id = 3;"
        "DELETE FROM fact_payment WHERE payment_record_id = 3",
        "INSERT INTO fact_payment SELECT * FROM aside; DROP TABLE aside",
        ("fact_payment", "missing", ["(3) record 3"]),
    ),
    "a fact's row added": (
        "INSERT INTO fact_payment SELECT 9999, (r).* FROM ("
        "  SELECT payment_id, created_date, created_time, last_updated_date, last_updated_time, "
        "  transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date "
        "  FROM fact_payment WHERE payment_record_id = 3) AS r",
        "DELETE FROM fact_payment WHERE payment_record_id = 9999",
        ("fact_payment", "no batch added", ["(3) record 9999"]),
    ),
    "a dimension's row added": (
        "INSERT INTO dim_currency VALUES (77, 'XXX', 'None')",
        "DELETE FROM dim_currency WHERE currency_id = 77",
        ("dim_currency", "no batch added", ["(77)"]),
    ),
    "a ledger's hash": (
        "UPDATE starlift.ledger SET source_hash = source_hash + 1 "
        "WHERE key = '(3)' AND source_table = 'address'",
        "UPDATE starlift.ledger SET source_hash = source_hash - 1 "
        "WHERE key = '(3)' AND source_table = 'address'",
        ("address", "other than at the source", ["(3)"]),
    ),
    "a ledger's row added": (
        "INSERT INTO starlift.ledger "
        "VALUES ('address', '(8888)', starlift.bucket('(8888)'), 1, 'x', 'live', 3)",
        "DELETE FROM starlift.ledger WHERE key = '(8888)'",
        ("address", "not at the source: deleted since, or never there", ["(8888)"]),
    ),
    "a ledger's row taken away": (
        "CREATE TABLE starlift.aside AS SELECT * FROM starlift.ledger "
        "WHERE source_table = 'payment' AND key = '(2)';"
        "DELETE FROM starlift.ledger WHERE source_table = 'payment' AND key = '(2)'",
        "INSERT INTO starlift.ledger SELECT * FROM starlift.aside; DROP TABLE starlift.aside",
        ("payment", "at the source alone", ["(2)"]),
    ),
    "a ledger's state": (
        "UPDATE starlift.ledger SET state = 'quarantined' WHERE source_table = 'design' AND key = '(1)'",
        "UPDATE starlift.ledger SET state = 'live' WHERE source_table = 'design' AND key = '(1)'",
        ("starlift.ledger", "held back, and not so in the quarantine", ["design (1)"]),
    ),
    "a ledger's bucket": (
        "UPDATE starlift.ledger SET bucket = (bucket + 1) % 4096 "
        "WHERE source_table = 'design' AND key = '(1)'",
        "UPDATE starlift.ledger SET bucket = starlift.bucket(key) "
        "WHERE source_table = 'design' AND key = '(1)'",
        ("starlift.ledger", "in another bucket than their key's", ["design (1)"]),
    ),
    "which version is current": (
        "UPDATE starlift.fact_version SET ended_seq = 3 WHERE fact = 'fact_payment' AND record_id = {newest}",
        "UPDATE starlift.fact_version SET ended_seq = NULL "
        "WHERE fact = 'fact_payment' AND record_id = {newest}",
        ("fact_payment", "versions that do not follow each other", ["{newest}"]),
    ),
    "what a version did": (
        "UPDATE starlift.fact_version SET op = 'repair' WHERE fact = 'fact_payment' AND record_id = {newest}",
        "UPDATE starlift.fact_version SET op = 'update' WHERE fact = 'fact_payment' AND record_id = {newest}",
        ("fact_payment", "changed", ["{newest}"]),
    ),
}  # fmt: skip


UPDATED = """
SELECT key, record_id::text FROM starlift.fact_version
WHERE fact = 'fact_payment' AND current AND op = 'update' ORDER BY record_id LIMIT 1
"""
"""A payment that was changed once, and its newest record."""


def test_whatever_is_changed_in_the_warehouse_by_hand_is_found_by_name(equal: Project) -> None:
    key = str(equal.query("SELECT sales_order_id FROM fact_sales_order WHERE sales_record_id = 7")[0][0])
    payment, newest = equal.query(UPDATED)[0]
    with connected(equal.warehouse.owner) as connection:
        for name, (change, undo, (table, what, keys)) in MANUAL.items():
            for statement in change.split(";"):
                connection.run(statement.replace("{newest}", newest))
            told = verified(equal)
            named = [
                text.replace("{key}", key).replace("{newest}", f"{payment} record {newest}") for text in keys
            ]
            assert (table, what, named) in found(equal), name
            assert told.exit_code == 4, name
            assert any(table in error.message and named[0] in error.message for error in told.errors), name
            assert told.errors[0].hint.split(": ")[-1] in ("starlift reconcile", "starlift rebuild"), name
            for statement in undo.split(";"):
                connection.run(statement.replace("{newest}", newest))
    assert found(equal) == []


FORGED = """
UPDATE fact_payment SET paid = NOT paid WHERE payment_record_id = 3;
UPDATE starlift.fact_version v SET row_hash = {hash} FROM fact_payment f
WHERE v.fact = 'fact_payment' AND v.record_id = 3 AND f.payment_record_id = 3;
UPDATE starlift.applied SET clock = clock + interval '1 hour' WHERE seq = 2;
UPDATE starlift.quarantine SET reason = 'none' WHERE source_table = 'currency'
"""
"""What somebody does who knows how the hashes are made, and which times and reasons none covers."""


def test_a_deep_comparison_finds_what_no_hash_covers_and_leaves_nothing_behind(equal: Project) -> None:
    schemas = "SELECT nspname::text FROM pg_namespace WHERE NOT starts_with(nspname, 'pg_') ORDER BY 1"
    before = equal.query(schemas)
    # a batch that waits is no difference, nor is what others have put beside the star
    with equal.application() as application:
        application.run("UPDATE staff SET first_name = 'Later' WHERE staff_id = 1")
    pipeline = equal.pipeline()
    local.extract(pipeline, local.new_run(pipeline))
    local.transform(pipeline)
    equal.query("CREATE TABLE mine (note text)")
    assert found(equal, deep=True) == []
    with connected(equal.warehouse.owner) as connection:
        table = read_star(connection, "public", ["fact_payment"])["fact_payment"]
        own = fact_hash(table, "f", ("v.record_id", "v.key", "v.seq", "v.op"))
        for statement in FORGED.replace("{hash}", own).split(";"):
            connection.run(statement)
    assert found(equal) == []
    told = found(equal, deep=True)
    assert ("fact_payment", "other than in a replay", ["(3)"]) in told
    assert ("starlift.applied", "other than in a replay", ["(2)"]) in told
    assert ("starlift.quarantine", "other than in a replay", ['(currency,"(3)")']) in told
    assert "(3)" in next(keys for table, _, keys in told if table == "history_fact_payment")
    answer = verified(equal, deep=True)
    assert (answer.exit_code, "fact_payment" in answer.errors[0].message) == (4, True)
    assert equal.query(schemas) == before


def test_what_a_poll_has_not_read_yet_is_pending_and_no_difference(equal: Project) -> None:
    with equal.application() as application:
        application.run("UPDATE design SET design_name = 'Later' WHERE design_id = 1")
        application.run("INSERT INTO currency VALUES (50, 'CHF', now(), now())")
    told = verified(equal)
    assert told.exit_code == 0, told
    tables = (told.document or {})["tables"]
    assert {name: each["pending"] for name, each in tables.items() if each["pending"]} == {
        "currency": 1, "design": 1,
    }  # fmt: skip
    equal.cycle()
    assert found(equal) == []


def test_a_row_that_is_deleted_is_a_difference_until_it_is_carried_over(equal: Project) -> None:
    with equal.application() as application:
        application.run("DELETE FROM payment WHERE payment_id = 4")
    assert found(equal) == [("payment", "not at the source: deleted since, or never there", ["(4)"])]
    assert equal.starlift("reconcile").code == 0
    assert found(equal) == []


def test_what_verify_names_the_hints_put_right_and_the_generation_that_counts_is_walked(
    equal: Project,
) -> None:
    equal.query("UPDATE starlift.ledger SET source_hash = 1 WHERE key = '(3)' AND source_table = 'address'")
    assert verified(equal).errors[0].hint.endswith(": starlift reconcile")
    assert equal.starlift("reconcile").code == 0
    assert found(equal) == []
    equal.query("UPDATE fact_payment SET paid = NOT paid WHERE payment_record_id = 3")
    equal.query("DELETE FROM starlift.dimension_row WHERE dimension = 'dim_date' AND key = '(2024-11-22)'")
    assert verified(equal).errors[0].hint.endswith(": starlift rebuild")
    assert equal.starlift("rebuild").code == 0
    assert found(equal) == []
    whole = verifying.log_answer(equal.pipeline(), UNWATCHED)
    assert (whole.exit_code, (whole.document or {})["first"], (whole.document or {})["landed"]) == (0, 1, 5)
    folder = equal.lakes["processed"] / paths.generation(1)
    (folder / paths.manifest(2)).unlink()
    told = verifying.log_answer(equal.pipeline(), UNWATCHED)
    named = f"manifest {paths.manifest(2)} in the lake {folder.as_uri()} is missing"
    assert (told.exit_code, told.errors[0].message) == (4, named)


def test_in_timestamp_mode_an_edit_without_its_stamp_is_pending_until_the_pass_by_xid(equal: Project) -> None:
    sql = equal.own_sql()
    text = (sql / "pipeline.toml").read_text()
    text = text.replace("[tables.design]\n", '[tables.design]\nmode = "timestamp"\n')
    (sql / "pipeline.toml").write_text(text)
    equal.cycle()
    with equal.application() as application:
        application.run("UPDATE design SET design_name = 'Silent' WHERE design_id = 1")
        application.run("UPDATE design SET design_name = 'Told', last_updated = now() WHERE design_id = 2")
    told = (verified(equal).document or {})["tables"]["design"]
    assert (told["pending"], found(equal)) == (2, [])
    equal.cycle()
    told = (verified(equal).document or {})["tables"]["design"]
    assert (told["pending"], found(equal)) == (1, [])


def test_a_held_table_is_not_compared_and_told_of(equal: Project) -> None:
    with equal.application() as application:
        application.run("ALTER TABLE payment RENAME COLUMN paid TO settled")
    told = verified(equal)
    assert told.exit_code == 7
    assert "payment" in (told.document or {})["held"]
    assert "payment" not in (told.document or {})["tables"]


def test_a_warehouse_without_a_batch_has_nothing_to_verify(unloaded: Project) -> None:
    ran = unloaded.starlift("verify")
    assert (ran.code, ran.document["seq"]) == (0, 0)

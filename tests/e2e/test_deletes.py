"""Rows that go: the star equals the source after the next cycles, and the history keeps what was."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from starlift.bootstrap import Pipeline
from starlift.core.config import Limits
from starlift.core.manifest import Manifest
from starlift.entrypoints import local
from starlift.settings import Settings
from starlift.stages.cycle import Cycle
from starlift.stages.extract import Reconciliation
from starlift.stages.reconcile import reconcile
from tests.e2e import chain, stars
from tests.e2e.project import Project
from tests.postgres import SQL

SOLD = ("sales_order", "transaction", "payment")
"""Tables whose rows refer to a sale, and itself."""


def delete_sale(project: Project, number: int) -> dict[str, list[dict[str, Any]]]:
    """Delete a sale with what refers to it; return the rows as JSON, so that they can be put back."""
    with project.application() as application:
        application.run("BEGIN")
        kept = {}
        for table, rows in (
            (
                "payment",
                "transaction_id IN (SELECT transaction_id FROM transaction WHERE sales_order_id = :id)",
            ),
            ("transaction", "sales_order_id = :id"),
            ("sales_order", "sales_order_id = :id"),
        ):
            found = application.run(f"DELETE FROM {table} t WHERE {rows} RETURNING to_jsonb(t)", id=number)
            kept[table] = [row[0] for row in found]
        application.run("COMMIT")
    return kept


def put_back(project: Project, rows: dict[str, list[dict[str, Any]]]) -> None:
    with project.application() as application:
        for table in SOLD:
            for row in rows[table]:
                application.run(
                    f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(CAST(NULL AS {table}), "
                    "CAST(:row AS jsonb))",
                    row=json.dumps(row),
                )


def gone(differences: dict[str, Any]) -> set[str]:
    """Return the star tables that are not as the source: a dimension keeps the members that went."""
    return {name for name in differences if not name.startswith("dim_")}


def history(project: Project, fact: str, key: str, number: int) -> list[str]:
    """Return what befell a row of a fact, oldest first."""
    return [
        op
        for (op,) in project.query(f"SELECT op FROM history_{fact} WHERE {key} = :n ORDER BY seq", n=number)
    ]


def settle(project: Project) -> list[dict[str, Any]]:
    """Run cycles until one finds nothing; return what they said."""
    said = []
    while (document := project.cycle())["outcome"] != "nothing":
        said.append(document)
        assert len(said) < 6, "it never comes to rest"
    return said


def reconciled(project: Project, *tables: str, limits: Limits | None = None) -> list[Cycle]:
    """Reconcile within this process."""
    pipeline = Pipeline(Settings(project.values))
    if limits is not None:
        # the cached property, so that the files stay as a user has them
        pipeline.__dict__["config"] = replace(pipeline.config, limits=limits)
    wish = Reconciliation(tables=frozenset(tables or pipeline.config.tables))
    cycles = reconcile(lambda asked: local.cycle(pipeline, reconciled=asked), wish)
    assert not cycles[-1].errors, cycles[-1].errors
    return cycles


def test_a_deleted_row_leaves_the_star_after_the_next_cycles_and_the_history_keeps_it(
    project: Project,
) -> None:
    delete_sale(project, 1)
    first, second = settle(project)
    assert {request["table"] for request in first["requests"]} == set(SOLD)
    assert second["star"]["fact_sales_order"]["tombstones"] == 1
    assert second["requests"] == []
    assert gone(project.differences()) == set()
    assert history(project, "fact_sales_order", "sales_order_id", 1) == ["insert", "delete"]
    assert chain.faults(project) == []


def test_a_row_that_is_put_back_as_it_was_is_a_new_version(project: Project) -> None:
    rows = delete_sale(project, 1)
    settle(project)
    put_back(project, rows)
    settle(project)
    assert project.differences() == {}
    assert history(project, "fact_sales_order", "sales_order_id", 1) == ["insert", "delete", "insert"]


def test_a_truncated_table_empties_the_present(project: Project) -> None:
    with project.application() as application:
        application.run("TRUNCATE payment, transaction")
    payments = project.query("SELECT count(*) FROM fact_payment")[0][0]
    settle(project)
    assert gone(project.differences()) == set()
    assert project.query("SELECT count(*) FROM current_fact_payment") == [[0]]
    assert project.query("SELECT count(*) FROM history_fact_payment WHERE op = 'delete'") == [[payments]]


def test_a_deleted_member_that_others_join_is_gone_from_their_rows_too(project: Project) -> None:
    """Nothing holds a department in the source of this test; its staff are then without one."""
    with project.application() as application:
        application.run("ALTER TABLE staff DROP CONSTRAINT staff_department_id_fkey")
        gone_, other = (row[0] for row in application.run("SELECT DISTINCT department_id FROM staff LIMIT 2"))
        staff = application.run("SELECT staff_id FROM staff WHERE department_id = :d ORDER BY 1", d=gone_)
        application.run("DELETE FROM department WHERE department_id = :d", d=gone_)
    settle(project)
    without = "SELECT staff_id FROM dim_staff WHERE department_name = '(not loaded)' ORDER BY staff_id"
    assert project.query(without) == staff != []
    with project.application() as application:
        application.run("UPDATE staff SET department_id = :to WHERE department_id = :d", d=gone_, to=other)
    settle(project)
    assert project.query(without) == []
    assert "dim_staff" not in project.differences()


def test_a_row_altered_behind_the_pipelines_back_is_read_again_and_called_a_repair(project: Project) -> None:
    """Somebody wrote into the star, and into the ledger's hash: what the star has is not what was read."""
    project.query("UPDATE fact_sales_order SET units_sold = -1 WHERE sales_order_id = 2 RETURNING 1")
    project.query(
        "UPDATE starlift.ledger SET source_hash = 0 "
        "WHERE source_table = 'sales_order' AND key = '(2)' RETURNING 1"
    )
    found, repaired = reconciled(project)
    assert found.differing == {"sales_order": 1}
    assert repaired.document()["kind"] == "repair"
    assert (repaired.differing, repaired.requests) == ({}, [])
    assert project.differences() == {}
    assert history(project, "fact_sales_order", "sales_order_id", 2) == ["insert", "repair"]


def test_a_ledger_entry_that_was_lost_is_found_by_the_count_and_repaired(project: Project) -> None:
    project.query("DELETE FROM starlift.ledger WHERE source_table = 'design' AND key = '(1)' RETURNING 1")
    with project.application() as application:
        application.run("UPDATE staff SET first_name = 'New' WHERE staff_id = 1")
    said = settle(project)
    assert [request["kind"] for each in said for request in each["requests"]] == ["inventory", "repair"]
    assert project.query(
        "SELECT state FROM starlift.ledger WHERE key = '(1)' AND source_table = 'design'"
    ) == [["live"]]
    assert project.differences() == {}


def by_stamp(project: Project) -> str:
    """Return a configuration in which the sales are read by their stamps alone."""
    folder = project.folder / "by_stamp"
    for path in SQL.rglob("*.*"):
        target = folder / path.relative_to(SQL)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    file = folder / "pipeline.toml"
    text = file.read_text()
    assert "[tables.sales_order]\n" in text
    file.write_text(text.replace("[tables.sales_order]\n", '[tables.sales_order]\nmode = "timestamp"\n'))
    return str(file)


def test_an_edit_without_a_stamp_that_the_timestamp_mode_cannot_see_is_repaired(unloaded: Project) -> None:
    values = {**unloaded.values, "STARLIFT_CONFIG": by_stamp(unloaded)}
    pipeline = Pipeline(Settings(values))

    def cycle(asked: Reconciliation | None = None) -> Cycle:
        done = local.cycle(pipeline, reconciled=asked or Reconciliation())
        assert not done.errors, done.errors
        return done

    cycle()
    with unloaded.application() as application:
        application.run("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 3")
    cycle()
    assert unloaded.differences() != {}, "no poll by time can see it"
    cycles = reconcile(cycle, Reconciliation(tables=frozenset({"sales_order"})))
    assert [done.differing for done in cycles] == [{"sales_order": 1}, {}]
    assert unloaded.differences() == {}
    assert history(unloaded, "fact_sales_order", "sales_order_id", 3) == ["insert", "repair"]


def test_a_large_table_is_asked_for_sums_then_for_the_keys_of_the_buckets_that_differ(
    project: Project,
) -> None:
    delete_sale(project, 1)
    large = replace(Limits(), list_rows=1)
    cycles = reconciled(project, "sales_order", limits=large)
    first, last = manifest(project, cycles[0]), manifest(project, cycles[-1])
    assert (first.inventory["sales_order"].scope, first.inventory["sales_order"].files) == ("none", ())
    second = manifest(project, cycles[1]).inventory["sales_order"]
    assert (second.scope, len(second.buckets), sum(file.rows for file in second.files)) == ("buckets", 1, 0)
    assert last.seq - first.seq <= 3
    assert gone(project.differences()) == set()
    assert history(project, "fact_sales_order", "sales_order_id", 1) == ["insert", "delete"]


def manifest(project: Project, cycle: Cycle) -> Manifest:
    assert cycle.extracted is not None
    path = project.lakes["ingestion"] / f"manifests/{cycle.extracted.seq:020d}.json"
    return Manifest.decode(path.read_bytes())


def test_a_reconciliation_of_what_agrees_is_one_cycle_that_changes_nothing(project: Project) -> None:
    ran = project.starlift("reconcile")
    assert (ran.code, len(ran.document["cycles"])) == (0, 1), ran
    assert ran.document["requests"] == []
    assert not any(counts["updated"] for counts in ran.document["star"].values())
    assert project.differences() == {}


def test_of_two_reconciliations_at_once_one_may_lose_and_the_star_is_the_source(project: Project) -> None:
    delete_sale(project, 2)
    both = [project.start("reconcile"), project.start("run")]
    codes = {project.ended(process).code for process in both}
    assert codes <= {0, 6}
    settle(project)
    assert gone(project.differences()) == set()
    assert chain.faults(project) == []
    assert history(project, "fact_sales_order", "sales_order_id", 2) == ["insert", "delete"]


def test_a_sweep_that_is_held_waits_for_a_person_and_later_batches_wait_with_it(project: Project) -> None:
    with project.application() as application:
        application.run(
            "INSERT INTO sales_order SELECT 1000 + n, created_at, last_updated, design_id, staff_id, "
            "counterparty_id, units_sold, unit_price, currency_id, agreed_delivery_date, "
            "agreed_payment_date, agreed_delivery_location_id "
            "FROM sales_order, generate_series(1, 200) n WHERE sales_order_id = 1"
        )
    settle(project)
    with project.application() as application:
        application.run("DELETE FROM sales_order WHERE sales_order_id > 1000")
        application.run("UPDATE staff SET first_name = 'Waits' WHERE staff_id = 1")
    project.cycle()
    held = project.starlift("run")
    assert (held.code, held.document["outcome"]) == (4, "held")
    seq = held.document["seq"]
    assert held.document["error"]["hint"].endswith(f"starlift reconcile --confirm {seq}")
    assert project.query("SELECT count(*) FROM current_fact_sales_order WHERE sales_order_id > 1000") == [
        [200]
    ]
    with project.application() as application:
        application.run("UPDATE staff SET first_name = 'Last' WHERE staff_id = 1")
    assert project.starlift("run").code == 4
    assert project.starlift("reconcile", "--confirm", str(seq + 1)).code == 4, "it is of another batch"
    assert project.starlift("reconcile", "--confirm", str(seq)).code == 0
    settle(project)
    assert gone(project.differences()) == set()
    assert project.query("SELECT first_name FROM dim_staff WHERE staff_id = 1") == [["Last"]]


SOAK = bool(os.environ.get("STARLIFT_SOAK_KILLS"))
"""Whether to kill at every step, not at each second."""


@pytest.mark.parametrize("place", ["ingestion", "warehouse"])
def test_a_run_killed_at_any_step_of_a_sweep_deletes_once_and_forgets_no_request(
    project: Project, place: str
) -> None:
    """A request is durable before the batch that gives rise to it is applied."""
    steps: list[str] = []
    with project.forks() as forks:
        for step in range(1, 200, 1 if SOAK else 2):
            delete_sale(project, step)
            killed = forks.kill(place, step)
            steps.append(killed.step)
            settle(project)
            assert gone(project.differences()) == set(), killed.step
            if killed.code == 0:
                break
    assert len(steps) > 5
    assert chain.faults(project) == []
    twice = (
        "SELECT fact, key FROM starlift.fact_version WHERE op = 'delete' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert project.query(twice) == []


def test_a_replay_of_the_processed_lake_deletes_the_same_rows_in_the_same_batches(project: Project) -> None:
    rows = delete_sale(project, 1)
    settle(project)
    put_back(project, rows)
    delete_sale(project, 2)
    settle(project)
    live = stars.contents(project)
    assert project.starlift("replay", "--into", "again").code == 0
    assert stars.contents(project, ("again", "again_starlift")) == live
    assert "\tdelete\t" in live["ledger.fact_version"]


def test_nothing_of_a_request_is_left_when_it_is_answered(project: Project) -> None:
    delete_sale(project, 1)
    project.cycle()
    requests = project.lakes["ingestion"] / "requests"
    assert len(list(requests.iterdir())) == len(SOLD)
    settle(project)
    assert list(Path(requests).iterdir()) == []

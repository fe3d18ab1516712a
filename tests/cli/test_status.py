"""`starlift status` says how things stand, also when some of them do not answer."""

from __future__ import annotations

from typing import Any

import pytest

from starlift.core.requests import Request
from starlift.core.units import instant
from starlift.entrypoints import local
from starlift.entrypoints.standing_text import standing_text
from starlift.stages import requests
from starlift.stages.extract import Run
from tests.cli.conftest import Here
from tests.cli.project import Project, with_login
from tests.postgres import connected

CONTRACT = {
    "applied_seq",
    "built_seq",
    "head_seq",
    "processed_seq",
    "freshness_s",
    "tables",
    "pending",
    "quarantine",
    "dropped",
    "held",
    "deleted_at_source",
    "unnamed",
    "watermark_holder",
    "chunks",
    "requests",
}


def test_it_says_what_the_contract_lists(standing: Project, here: Here) -> None:
    said = here(standing.folder, "status", "--json")
    assert said.code == 0
    document = said.json
    assert document.keys() >= CONTRACT
    assert (document["applied_seq"], document["head_seq"], document["processed_seq"]) == (1, 1, 1)
    assert 0 <= document["freshness_s"] < 600
    assert document["pending"] == {"transform": 0, "load": 0}
    assert (document["quarantine"], document["held"], document["watermark_holder"]) == ([], [], None)
    staff = document["tables"]["staff"]
    assert (staff["mode"], staff["rows"], staff["best_effort"]) == ("xid", 20, False)
    assert instant(staff["complete_to"])


def test_it_says_the_same_to_a_person(standing: Project, here: Here) -> None:
    said = here(standing.folder, "status")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["table", "mode", "rows", "complete", "to", "age"]
    assert next(line for line in lines if line.startswith("staff ")).split()[:3] == ["staff", "xid", "20"]
    assert any(line.startswith("batch 1 is in the warehouse, complete to ") for line in lines)
    assert "pending: 0 to transform, 0 to load" in lines
    assert "quarantine: 0 rows" in lines


def test_an_empty_pipeline_says_how_to_begin(untouched: Project, here: Here) -> None:
    said = here(untouched.folder, "status")
    assert said.code == 0
    assert "no batch is in the warehouse yet; the first one: starlift run" in said.out
    document = here(untouched.folder, "status", "--json").json
    assert document["applied_seq"] is None
    assert (document["head_seq"], document["processed_seq"], document["freshness_s"]) == (0, 0, None)
    assert (document["tables"], document["quarantine"]) == ({}, [])


def test_a_warehouse_older_than_stale_after_is_exit_code_4(standing: Project, here: Here) -> None:
    config = standing.config("stale", {'stale_after = "30min"': 'stale_after = "1ms"'})
    said = here(standing.folder, "status", "--json", STARLIFT_CONFIG=config)
    assert said.code == 4
    assert said.json.keys() >= CONTRACT | {"error"}
    assert said.json["error"]["code"] == "held"
    assert said.err.startswith("starlift: the warehouse is complete to ")
    assert said.err.endswith("\n  starlift run\n")


def test_what_waits_too_long_for_its_first_load_is_stale_too(project: Project, here: Here) -> None:
    local.extract(project.pipeline(), Run("run", "test"))
    said = here(project.folder, "status", "--json")
    assert (said.code, said.json["pending"]) == (0, {"transform": 1, "load": 0})
    config = project.config("stale", {'stale_after = "30min"': 'stale_after = "1ms"'})
    said = here(project.folder, "status", STARLIFT_CONFIG=config)
    assert said.code == 4
    assert "no batch is in the warehouse yet; load it: starlift run" in said.out
    assert "the first batch was landed" in said.err


def test_who_holds_a_watermark_back_is_named_with_pid_user_and_age(project: Project, here: Here) -> None:
    with connected(project.source.admin) as clerk:
        clerk.run("BEGIN")
        (pid,) = clerk.run("SELECT pg_backend_pid()")[0]
        local.extract(project.pipeline(), Run("run", "test"))
    holder = here(project.folder, "status", "--json").json["watermark_holder"]
    assert (holder["pid"], holder["user"]) == (pid, "postgres")
    assert 0 <= holder["age_s"] < 600
    assert f"pid {pid} of user postgres was in a transaction that began" in here(project.folder, "status").out


def test_a_warehouse_that_does_not_answer_leaves_the_rest(standing: Project, here: Here) -> None:
    gone = with_login(standing.warehouse.owner, database="gone")
    said = here(standing.folder, "status", "--json", STARLIFT_WAREHOUSE_URL=gone)
    assert said.code == 5
    assert (said.json["head_seq"], said.json["processed_seq"]) == (1, 1)
    assert (said.json["applied_seq"], said.json["quarantine"]) == (None, None)
    assert said.json["pending"] == {"transform": 0, "load": None}
    said = here(standing.folder, "status", STARLIFT_WAREHOUSE_URL=gone)
    assert "the warehouse does not say what is in it" in said.out
    assert "pending: 0 to transform, ? to load" in said.out


@pytest.mark.parametrize("lake", ["ingestion", "processed"])
def test_a_lake_that_does_not_answer_leaves_the_rest(standing: Project, here: Here, lake: str) -> None:
    missing = (standing.folder / "unmounted" / lake).as_uri()
    said = here(standing.folder, "status", "--json", **{f"STARLIFT_{lake.upper()}": missing})
    assert said.code == 5
    assert said.json["applied_seq"] == 1
    assert said.json["pending"]["transform"] is None
    assert said.err.count("starlift: ") == 1


def test_a_warehouse_that_is_not_migrated_is_exit_code_2(standing: Project, here: Here) -> None:
    unmigrated = with_login(standing.warehouse.owner, database="postgres")
    said = here(standing.folder, "status", STARLIFT_WAREHOUSE_URL=unmigrated)
    assert said.code == 2
    assert said.err.endswith("\n  starlift migrate\n")


def test_rows_deleted_at_the_source_are_counted_until_the_next_cycle_deletes_them(
    project: Project, here: Here
) -> None:
    project.cycle()
    assert here(project.folder, "status", "--json").json["deleted_at_source"] == {}
    project.update("DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)")
    project.cycle()
    said = here(project.folder, "status", "--json")
    assert (said.code, said.json["deleted_at_source"]) == (0, {"payment": 1})
    said = here(project.folder, "status")
    gone = "payment: 1 row is gone from the source, and the next cycle deletes it: starlift run\n"
    assert (said.code, gone in said.out) == (0, True)
    project.cycle()
    assert here(project.folder, "status", "--json").json["deleted_at_source"] == {}


def test_rows_are_not_compared_while_a_batch_is_pending(project: Project, here: Here) -> None:
    project.cycle()
    project.update("DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)")
    local.extract(project.pipeline(), Run("run", "test"))
    assert here(project.folder, "status", "--json").json["deleted_at_source"] is None


def test_several_deleted_rows_are_plural() -> None:
    text = standing_text(document(deleted_at_source={"payment": 1200}))
    assert "payment: 1,200 rows are gone from the source" in text


def document(**parts: Any) -> dict[str, Any]:
    """A status document of a pipeline that stands well, with parts replaced."""
    well: dict[str, Any] = {
        "applied_seq": 7,
        "built_seq": None,
        "head_seq": 7,
        "freshness_s": 90.0,
        "tables": {},
        "pending": {"transform": 0, "load": 0},
        "quarantine": [],
        "dropped": [],
        "inferred": [],
        "held": [],
        "deleted_at_source": {},
        "unnamed": {},
        "watermark_holder": None,
        "chunks": {},
        "requests": [],
    }
    return {**well, **parts}


def test_a_list_is_shown_to_a_bearable_length() -> None:
    quarantine = [
        {"table": "staff", "key": f"({n})", "stage": "load", "seq": 1, "reason": "no"} for n in range(23)
    ]
    text = standing_text(document(quarantine=quarantine))
    assert "(19)" in text
    assert "(20)" not in text
    assert "and 3 rows more, all of them: starlift status --json" in text


def test_a_row_that_is_referred_to_and_missing_is_listed() -> None:
    text = standing_text(document(inferred=[{"table": "staff", "key": "(9)", "seq": 3}]))
    assert "not loaded yet, but referenced" in text
    assert text.splitlines()[-1].split() == ["staff", "(9)", "3"]


def test_a_long_key_is_cut_where_a_person_reads_it() -> None:
    entry = {"table": "note", "key": f"({'x' * 1998})", "seq": 3}
    text = standing_text(document(inferred=[entry], quarantine=[{**entry, "stage": "load", "reason": "why"}]))
    assert text.count(f"({'x' * 58}…") == 2
    assert max(map(len, text.splitlines())) < 120


def test_a_column_that_no_list_names_is_reported_until_it_is_named() -> None:
    text = standing_text(document(unnamed={"staff": ["badge", "a\x1b[2J"]}))
    assert "staff: not taken until columns, drop or hmac of the configuration names it: " in text
    assert text.endswith("names it: badge, a\\x1b[2J")


def test_what_a_lake_that_does_not_answer_would_name_is_not_known(standing: Project, here: Here) -> None:
    missing = (standing.folder / "unmounted").as_uri()
    assert here(standing.folder, "status", "--json").json["unnamed"] == {}
    said = here(standing.folder, "status", "--json", STARLIFT_INGESTION=missing)
    assert said.json["unnamed"] is None


def test_a_table_whose_rows_have_no_transaction_id_is_best_effort() -> None:
    view = {"mode": "timestamp", "best_effort": True, "rows": 2, "complete_to": None, "freshness_s": None}
    text = standing_text(document(tables={"view": view}))
    assert text.splitlines()[1].split() == ["view", "timestamp,", "best", "effort", "2", "-", "-"]


def test_a_batch_without_a_watermark_has_no_age() -> None:
    text = standing_text(document(freshness_s=None))
    assert "batch 7 is in the warehouse\n" in text


def test_a_read_in_chunks_and_what_is_asked_are_told() -> None:
    asked = {"kind": "repair", "table": "staff", "keys": 2, "reason": "a person asked"}
    text = standing_text(
        document(chunks={"payment": {"rows": 1200, "about": 34000}}, requests=[asked, {**asked, "keys": 0}])
    )
    assert "payment: read in chunks, 1,200 rows of about 34,000 so far; go on: starlift run" in text
    built = standing_text(document(applied_seq=None, built_seq=3))
    assert "no batch is in the warehouse yet; up to batch 3 the star is built, to be seen when it is" in built
    assert "asked of the next extract: repair of staff of 2 keys: a person asked" in text
    assert "asked of the next extract: repair of staff: a person asked" in text


def test_a_request_is_pending_until_a_batch_answers_it(project: Project, here: Here) -> None:
    project.cycle()
    wish = Request("repair", "staff", "to see", ("(1)", "(2)"))
    requests.ask(project.pipeline().ingestion, wish, "2024-11-22 10:00:00+00:00", "a test")
    (asked,) = here(project.folder, "status", "--json").json["requests"]
    assert asked == {"kind": "repair", "table": "staff", "keys": 2, "reason": "to see"}
    project.cycle()
    assert here(project.folder, "status", "--json").json["requests"] == []

"""After the first load: runs move exactly what changed, keep what was, and write nothing for nothing."""

from __future__ import annotations

import json
import random
from datetime import datetime

import pytest

from starlift.totesys import changes
from tests.e2e import chain, history, oracle
from tests.e2e.happenings import ADDRESS, DEPARTMENT, PAID, SILENT
from tests.e2e.history import Version
from tests.e2e.oracle import DRIVEN_BY, SURROGATES
from tests.e2e.project import Project, moved
from tests.e2e.weeks import Cycle, Week


def cycle_of(week: Week, name: str) -> Cycle:
    """Return one of the week's cycles."""
    found: Cycle = getattr(week, name)
    return found


@pytest.mark.parametrize("name", ["idle", "calm"])
def test_a_run_that_finds_nothing_changed_writes_no_object(week: Week, name: str) -> None:
    idle = {"idle": week.idle, "calm": week.calm}[name]
    assert idle.document["outcome"] == "nothing"
    assert moved(idle.document) == ({}, {})
    assert idle.after == idle.before
    assert "ingestion/manifests/head" in idle.after


def test_the_week_has_every_kind_of_change(week: Week) -> None:
    read = week.changes.happened.read()
    assert (read["payment"], read["department"], read["address"]) == (PAID, 1, 1)
    assert read["sales_order"] + read["purchase_order"] + read["design"] == SILENT + 2
    assert len(week.changes.happened.entered["design"]) == 1
    assert week.late.happened.read() == {"sales_order": 1, "transaction": 1, "payment": 1}


@pytest.mark.parametrize("name", ["changes", "late"])
def test_a_run_reads_exactly_the_rows_that_changed(week: Week, name: str) -> None:
    cycle = cycle_of(week, name)
    read, _ = moved(cycle.document)
    assert read == cycle.happened.read()


@pytest.mark.parametrize("name", ["changes", "late"])
def test_a_run_changes_exactly_the_star_rows_that_the_changes_imply(week: Week, name: str) -> None:
    cycle = cycle_of(week, name)
    _, star = moved(cycle.document)
    assert star == cycle.happened.star(cycle.before, cycle.after)


@pytest.mark.parametrize("name", ["first", "changes", "late"])
def test_after_every_run_the_star_is_what_the_source_said(week: Week, name: str) -> None:
    cycle = cycle_of(week, name)
    assert oracle.differences(cycle.after, cycle.found) == {}


def test_a_renamed_department_renames_it_for_all_its_staff(week: Week) -> None:
    with week.project.application() as application:
        staff = application.run("SELECT staff_id FROM staff WHERE department_id = :id", id=DEPARTMENT)
    changed = differing(week.changes, "dim_staff")
    assert len(staff) > 1
    assert changed == {row[0] for row in staff}


def test_a_moved_address_moves_all_counterparties_at_it(week: Week) -> None:
    with week.project.application() as application:
        found = application.run(
            "SELECT counterparty_id FROM counterparty WHERE legal_address_id = :id", id=ADDRESS
        )
    assert len(found) == 4
    assert differing(week.changes, "dim_counterparty") == {row[0] for row in found}
    assert differing(week.changes, "dim_location") == {ADDRESS}


def differing(cycle: Cycle, name: str) -> set[int]:
    """Return the keys of the star rows that a cycle changed, as they were found."""
    return {key for key, row in cycle.found[name].items() if row != cycle.before[name].get(key)}


def test_rows_read_again_because_a_transaction_stays_open_make_no_version(project: Project) -> None:
    rng, noon = random.Random(2), datetime(2024, 11, 5, 12)  # noqa: S311
    read = []
    with project.application() as application, project.application() as clerk:
        with changes.late_commit(clerk, rng, noon):
            changes.place_orders(application, rng, noon, sales=3)
            for _ in range(3):
                document = project.cycle()
                read.append((document["tables"]["sales_order"]["read"], document["outcome"]))
        document = project.cycle()
    assert read == [(3, "applied"), (0, "nothing"), (0, "nothing")]
    assert document["tables"]["sales_order"]["read"] == 3 + 1
    assert document["star"]["fact_sales_order"] == {
        **dict.fromkeys(document["star"]["fact_sales_order"], 0),
        "inserted": 1,
        "unchanged": 3,
    }
    assert project.differences() == {}


@pytest.mark.parametrize("fact", SURROGATES)
def test_the_old_versions_of_changed_facts_stay_beside_the_new_ones(week: Week, fact: str) -> None:
    table = DRIVEN_BY[fact]
    changed = week.changes.happened.changed[table]
    by_key: dict[int, list[Version]] = {}
    for version in week.versions[fact]:
        by_key.setdefault(history.content(fact, version)[0], []).append(version)
    for key in changed:
        shown = [history.content(fact, version) for version in by_key[key]]
        assert shown == [week.first.after[fact][key], week.changes.after[fact][key]]
    assert {key for key, versions in by_key.items() if len(versions) > 1} == changed
    stored = week.project.query(f"SELECT count(*) FROM {fact}")[0][0]
    entered = len(week.late.happened.entered.get(table, ()))
    assert stored == week.rows[fact] + len(changed) + entered


def read_at(week: Week, cycle: Cycle) -> datetime:
    """Return the source's clock when the batch of a cycle was read, as its ingestion manifest has it."""
    manifest = week.project.lakes["ingestion"] / "manifests" / f"{cycle.document['seq']:020d}.json"
    return datetime.fromisoformat(json.loads(manifest.read_text())["clock"])


@pytest.mark.parametrize("fact", SURROGATES)
def test_a_version_is_valid_from_its_batch_until_that_of_the_next(week: Week, fact: str) -> None:
    moments = {
        datetime.fromisoformat(json.loads(data)["clock"])
        for data in chain.log_of(week.project.lakes["ingestion"])[:2]
    }
    assert len(moments) == 2
    for version in week.versions[fact]:
        if version["valid_to"] is not None:
            assert {version["valid_from"], version["valid_to"]} == moments
            assert version["valid_from"] < version["valid_to"]


def test_all_histories_of_the_week_are_sound(week: Week) -> None:
    assert history.faults(week.versions) == []


def test_lakes_and_warehouse_hold_together_after_the_week(week: Week) -> None:
    assert chain.faults(week.project) == []

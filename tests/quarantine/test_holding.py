"""A batch with too many rows for the quarantine waits for a person, and later ones behind it."""

from __future__ import annotations

import pytest

from starlift.core.holding import LEAST_HELD
from tests.cli.hints import ends_in_a_command
from tests.drift.project import Project

MANY = "INSERT INTO {} SELECT n, {} FROM generate_series(10, 10 + {}) AS n"
SPOIL = {
    "transform": MANY.format("visit", "1, CASE WHEN n % 3 = 0 THEN '2024-06-06' ELSE 'soon' END", 149),
    "load": MANY.format("client", "CASE WHEN n % 3 = 0 THEN 'Cleo' ELSE 'bad' END", 149),
}
TABLE = {"transform": "visit", "load": "client"}
WAITING = "SELECT count(*) FROM starlift.quarantine"
APPLIED = "SELECT max(seq) FROM starlift.applied"


def manifests(project: Project, lake: str) -> int:
    return len(list((project.folder / lake / "manifests").glob("*.json")))


@pytest.mark.parametrize("stage", ["transform", "load"])
def test_a_batch_is_held_at_either_stage_and_released_by_its_number(project: Project, stage: str) -> None:
    project.change(SPOIL[stage])
    said = project.starlift("run")
    assert (said.code, said.json["outcome"]) == (4, "held")
    message, hint = said.json["error"]["message"], said.json["error"]["hint"]
    assert f"batch 2 is held, and with it what comes after: 100 of 150 rows of {TABLE[stage]}" in message
    assert "quarantine_hold (50%)" in message
    assert f"{TABLE[stage]} (10): " in message
    assert hint.endswith(": starlift quarantine release 2")
    assert ends_in_a_command(hint)
    assert project.query(APPLIED) == [[1]]
    assert project.query(WAITING) == [[0]]
    assert manifests(project, "processed") == (1 if stage == "transform" else 2)

    project.change("UPDATE client SET name = 'Anna' WHERE id = 1")
    assert project.starlift("run").code == 4
    assert (project.query(APPLIED), manifests(project, "ingestion")) == ([[1]], 3)

    said = project.starlift("quarantine", "release", "3")
    assert (said.code, project.query(APPLIED)) == (4, [[1]])
    said = project.starlift("quarantine", "release", "2")
    assert (said.code, said.json["seq"]) == (0, 3)
    assert (project.query(APPLIED), project.query(WAITING)) == ([[3]], [[100]])
    assert project.query("SELECT name FROM dim_client WHERE id = 1") == [["Anna"]]
    assert project.starlift("replay", "--into", "again").code == 0
    assert project.query("SELECT count(*) FROM again_starlift.quarantine") == [[100]]


def test_a_release_lets_exactly_one_batch_through(project: Project) -> None:
    project.change(SPOIL["transform"])
    assert project.starlift("run").code == 4
    project.change("UPDATE visit SET day = 'late' WHERE id >= 10")
    assert project.starlift("run").code == 4
    said = project.starlift("quarantine", "release", "2")
    assert (said.code, project.query(APPLIED)) == (4, [[2]])
    assert "batch 3 is held" in said.json["error"]["message"]
    assert project.starlift("quarantine", "release", "3").code == 0
    assert project.query(WAITING) == [[150]]


def test_fewer_rows_than_the_stated_number_hold_nothing(project: Project) -> None:
    project.change(MANY.format("visit", "1, 'soon'", LEAST_HELD - 2))
    assert project.starlift("run").code == 0
    assert project.query(WAITING) == [[LEAST_HELD - 1]]


def test_the_share_is_that_of_the_configuration(project: Project) -> None:
    project.declare({'margin = "0s"': 'margin = "0s"\nquarantine_hold = 0.7'})
    project.change(SPOIL["transform"])
    assert project.starlift("run").code == 0
    assert project.query(WAITING) == [[100]]


def test_one_command_lets_through_all_that_holds_chunks_and_a_rebuild_leaves_them_out(
    project: Project,
) -> None:
    """Whoever lets one of them through is not asked for another, and then for the first again."""
    project.change("INSERT INTO visit SELECT n, 1, '2024-06-06' FROM generate_series(10, 160) AS n")
    project.run()
    project.declare({"[limits]": "[limits]\nmax_rows = 120"})
    project.change("DELETE FROM visit WHERE id > 20", MANY.format("client", "'bad'", 229))
    whole = project.starlift("reconcile", "visit")
    assert whole.code == 4
    hint = whole.json["error"]["hint"]
    assert hint.endswith(": starlift reconcile --confirm 5 --release 3 --release 4")
    model = project.folder / "sql" / "models" / "fact_visit.sql"
    model.write_text(f"{model.read_text()}\n-- another\n")
    rebuilt = project.starlift("rebuild")
    assert (rebuilt.code, rebuilt.json["seq"], rebuilt.json["error"]["hint"]) == (4, 2, hint)
    assert project.query(APPLIED) == [[2]]
    said = project.starlift(*hint.split("starlift ")[1].split())
    assert (said.code, said.json["outcome"]) == (0, "applied"), said
    assert project.query("SELECT count(*) FROM current_fact_visit") == [[14]]
    assert project.query(WAITING) == [[230]]


def test_what_a_new_ddl_refuses_of_a_rebuild_is_released_as_its_error_says(project: Project) -> None:
    project.change(MANY.format("client", "'worse'", 149))
    project.run()
    (project.folder / "sql" / "warehouse" / "030_better.sql").write_text(
        "-- schema: star\nALTER TABLE dim_client ADD CHECK (name <> 'worse');"
    )
    said = project.starlift("rebuild")
    assert (said.code, said.json["error"]["hint"].endswith(": starlift rebuild --release")) == (4, True)
    assert project.starlift("rebuild", "--release").code == 0
    assert project.query(WAITING) == [[150]]

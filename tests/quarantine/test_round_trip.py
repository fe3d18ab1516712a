"""Into quarantine and out again: what a person decides about a row, and that a replay comes to the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.hints import ends_in_a_command
from tests.drift.project import Project, Said

BAD_DAY = "UPDATE visit SET day = '2024-02-31' WHERE id = 1"
DAYS = "SELECT id, day::text FROM current_fact_visit ORDER BY id"
OPEN = "SELECT source_table, key, stage, seq FROM starlift.quarantine WHERE dropped IS NULL ORDER BY 1, 2"
TOLD = """
SELECT source_table, key, q.seq, stage, reason, "row"::text, dropped, l.state, l.seq
FROM {schema}.quarantine q JOIN {schema}.ledger l USING (source_table, key) ORDER BY 1, 2
"""


def listed(project: Project) -> list[dict[str, Any]]:
    said = project.starlift("quarantine", "list")
    assert said.code == 0
    found = said.json["quarantine"]
    assert isinstance(found, list)
    return found


def text(project: Project, *words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says to a person."""
    with project.patch.context() as patch:
        patch.chdir(project.folder)
        for name, value in project.environment().items():
            patch.setenv(name, value)
        from starlift.entrypoints.cli import main

        capsys.readouterr()
        assert main(words) == 0
    return capsys.readouterr().out


def refused(said: Said, *mentioned: str) -> None:
    assert said.code == 2
    assert [part for part in mentioned if part not in said.json["error"]["message"]] == []
    assert ends_in_a_command(said.json["error"]["hint"])


def test_a_row_is_listed_shown_corrected_in_the_source_and_retried(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(BAD_DAY)
    project.run()
    (entry,) = listed(project)
    assert (entry["table"], entry["key"], entry["stage"], entry["seq"]) == ("visit", "(1)", "transform", 2)
    assert "2024-02-31" in entry["reason"]
    assert entry["dropped"] is None

    shown = project.starlift("quarantine", "show", "visit", "1").json
    assert shown["row"] == {"id": "1", "client_id": "1", "day": "2024-02-31"}
    assert shown["older_version_in"] == ["fact_visit"]
    told = text(project, "quarantine", "show", "visit", "(1)", capsys=capsys)
    assert "an older version is in fact_visit" in told
    assert "day        2024-02-31" in told
    told = text(project, "quarantine", "list", capsys=capsys)
    assert told.startswith("quarantine: 1 row\n")
    assert "starlift quarantine show visit '(1)'" in told
    assert project.query(DAYS)[0] == [1, "2024-01-01"]

    project.change("UPDATE visit SET day = '2024-02-29' WHERE id = 1")
    said = project.starlift("quarantine", "retry", "visit", "1")
    assert (said.code, said.json["still"], said.json["kind"]) == (0, [], "repair")
    assert project.query(DAYS)[0] == [1, "2024-02-29"]
    assert listed(project) == []
    assert (
        text(project, "quarantine", "retry", capsys=capsys) == "quarantine: 0 rows; nothing to read again\n"
    )


def test_a_retried_row_that_is_as_bad_as_before_stays_and_is_named_and_one_that_is_gone_goes(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(BAD_DAY)
    project.run()
    said = project.starlift("quarantine", "retry")
    assert (said.code, said.json["retried"]) == (0, [{"table": "visit", "key": "(1)"}])
    assert said.json["still"] == said.json["retried"]
    told = text(project, "quarantine", "retry", "visit", capsys=capsys)
    assert "1 row read again, 1 still in quarantine; see: starlift quarantine list" in told
    project.change("DELETE FROM visit WHERE id = 1")
    said = project.starlift("quarantine", "retry", "visit", "(1)")
    assert (said.code, said.json["still"]) == (0, [])
    assert project.query(DAYS) == [[2, "2024-02-02"], [3, "2024-03-03"]]


@pytest.mark.parametrize(
    ("spoil", "stage"),
    [(BAD_DAY, "transform"), ("UPDATE client SET name = 'bad' WHERE id = 1", "load")],
)
def test_a_dropped_row_keeps_its_reason_counts_no_more_and_stays_dropped_while_it_is_as_it_was(
    project: Project, spoil: str, stage: str
) -> None:
    project.change(spoil)
    project.run()
    (entry,) = listed(project)
    said = project.starlift("quarantine", "drop", entry["table"], "1", "--reason", "a test of 2019")
    assert said.code == 0
    assert (said.json["dropped"], said.json["still"]) == ([{"table": entry["table"], "key": "(1)"}], [])
    (entry,) = listed(project)
    assert (entry["dropped"], entry["stage"]) == ("a test of 2019", stage)
    status = project.starlift("status").json
    assert (status["quarantine"], [row["key"] for row in status["dropped"]]) == ([], ["(1)"])

    said = project.starlift("quarantine", "retry", entry["table"], "1")
    assert [row["key"] for row in said.json["still"]] == ["(1)"]
    assert [entry["dropped"] for entry in listed(project)] == ["a test of 2019"]
    assert project.starlift("quarantine", "retry").json["retried"] == []


@pytest.mark.parametrize("table", ["visit", "client"])
def test_a_dropped_row_that_comes_in_another_version_is_open_again_and_a_good_one_clears_it(
    project: Project, table: str
) -> None:
    versions = {
        "visit": "UPDATE visit SET day = '{}' WHERE id = 1",
        "client": "UPDATE client SET name = '{}' WHERE id = 1",
    }
    project.change(versions[table].format("bad"))
    project.run()
    assert project.starlift("quarantine", "drop", table, "1", "--reason", "no").code == 0
    project.change(versions[table].format("bad too"))
    project.run()
    assert [(entry["key"], entry["dropped"]) for entry in listed(project)] == [("(1)", None)]
    assert project.starlift("quarantine", "drop", table, "1", "--reason", "no").code == 0
    project.change(versions[table].format("2024-04-04"))
    project.run()
    assert listed(project) == []


def test_a_version_that_nobody_saw_is_not_dropped_with_the_one_before(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(BAD_DAY)
    project.run()
    project.change("UPDATE visit SET day = 'soon' WHERE id = 1")
    told = text(project, "quarantine", "drop", "visit", "1", "--reason", "no", capsys=capsys)
    assert "0 rows dropped; still open, in another version that came meanwhile: 1 row; see: " in told
    (entry,) = listed(project)
    assert "soon" in entry["reason"]
    assert entry["dropped"] is None


def test_a_replay_has_the_same_rows_in_quarantine_and_dropped(project: Project) -> None:
    project.change(BAD_DAY, "UPDATE visit SET day = '' WHERE id = 2", "UPDATE client SET name = 'bad'")
    project.run()
    for table, key in (("visit", "2"), ("client", "1")):
        assert project.starlift("quarantine", "drop", table, key, "--reason", "no").code == 0
    assert project.starlift("quarantine", "retry").code == 0
    assert project.starlift("replay", "--into", "again").code == 0
    live = project.query(TOLD.format(schema="starlift"))
    assert [row[6] for row in live] == ["no", None, None, "no"]
    assert project.query(TOLD.format(schema="again_starlift")) == live


def test_a_row_whose_parent_waits_refers_to_a_stand_in_until_the_parent_arrives(project: Project) -> None:
    project.change("INSERT INTO client VALUES (3, 'bad'); INSERT INTO visit VALUES (4, 3, '2024-04-04')")
    project.run()
    name = "SELECT name FROM current_fact_visit v JOIN dim_client c ON c.id = v.client_id WHERE v.id = 4"
    assert project.query(name) == [["(not loaded)"]]
    assert [entry["key"] for entry in listed(project)] == ["(3)"]
    project.change("UPDATE client SET name = 'Cleo' WHERE id = 3")
    assert project.starlift("quarantine", "retry", "client").json["still"] == []
    assert project.query(name) == [["Cleo"]]
    assert project.query("SELECT count(*) FROM history_fact_visit WHERE id = 4") == [[1]]


def test_a_parent_that_was_never_there_is_listed_as_inferred_until_it_arrives(project: Project) -> None:
    project.change("INSERT INTO visit VALUES (5, 9, '2024-05-05')")
    project.run()
    inferred = [(row["table"], row["key"]) for row in project.starlift("status").json["inferred"]]
    assert inferred == [("client", "(9)")]
    project.change("INSERT INTO client VALUES (9, 'Nina')")
    project.run()
    assert project.starlift("status").json["inferred"] == []
    assert project.query("SELECT name FROM dim_client WHERE id = 9") == [["Nina"]]


def test_what_is_not_in_quarantine_is_refused_with_the_list(project: Project) -> None:
    for words in (["show", "visit", "1"], ["retry", "visit", "1"], ["drop", "visit", "1", "--reason", "x"]):
        refused(project.starlift("quarantine", *words), "visit", "key 1", "in quarantine")
    for words in (["list", "visits"], ["retry", "visits"], ["show", "visits", "1"]):
        refused(project.starlift("quarantine", *words), "declares no table visits")
    refused(project.starlift("quarantine", "drop", "visit", "1", "--reason", " "), "needs a reason")
    refused(project.starlift("quarantine", "release", "1"), "batch 1 is in the warehouse already")
    refused(project.starlift("quarantine", "release", "7"), "the newest is 1")


def test_a_request_that_a_failing_cycle_did_not_answer_is_answered_by_the_next(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(BAD_DAY)
    project.run()
    project.change("ALTER TABLE visit RENAME TO visits")
    said = project.starlift("quarantine", "drop", "visit", "1", "--reason", "gone for good")
    assert (said.code, said.json["still"]) == (7, [{"table": "visit", "key": "(1)"}])
    project.change("ALTER TABLE visits RENAME TO visit")
    project.run()
    assert [entry["dropped"] for entry in listed(project)] == ["gone for good"]

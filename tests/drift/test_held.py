"""A table that drifted is held by name with exit code 7, the others reach the star, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.drift.project import Project

HOLDING = {
    "dropped": ("ALTER TABLE sale DROP note", "sale.note is gone", "ALTER TABLE sale ADD note varchar(9)"),
    "renamed": (
        "ALTER TABLE sale RENAME note TO remark",
        "sale.note was renamed to remark",
        "ALTER TABLE sale RENAME remark TO note",
    ),
    "narrowed": (
        "ALTER TABLE sale ALTER amount TYPE numeric(4,2)",
        "sale.amount was numeric(6,2) and is now numeric(4,2)",
        "ALTER TABLE sale ALTER amount TYPE numeric(6,2)",
    ),
    "retyped": (
        "ALTER TABLE sale ALTER maker_id TYPE text",
        "sale.maker_id was integer and is now text",
        "ALTER TABLE sale ALTER maker_id TYPE integer USING maker_id::integer",
    ),
    "key": (
        "ALTER TABLE sale DROP CONSTRAINT sale_pkey",
        "its key (id) is no longer unique",
        "ALTER TABLE sale ADD PRIMARY KEY (id)",
    ),
    "gone": (
        "ALTER TABLE sale RENAME TO sold",
        "table public.sale is not in the source",
        "ALTER TABLE sold RENAME TO sale",
    ),
}
"""What holds the sales, what is said of it, and what puts them back."""


@pytest.mark.parametrize(
    ("change", "policy"),
    [*((change, "ignore") for change in HOLDING), ("dropped", "add"), ("renamed", "add")],
)
def test_the_table_is_held_and_named_the_others_go_on_and_put_back_nothing_is_lost(
    project: Project, change: str, policy: str
) -> None:
    away, reason, back = HOLDING[change]
    project.declare({"[tables.sale]": f'[tables.sale]\nnew_columns = "{policy}"'})
    project.change(away, "UPDATE visit SET length = 11 WHERE id = 1")
    said = project.starlift("run")
    assert said.code == 7
    assert said.json["outcome"] == "applied"
    assert (said.json["error"]["code"], list(said.json["held"])) == ("drift", ["sale"])
    assert said.err.startswith("starlift: table sale is held, the others go on: ")
    assert reason in said.err
    assert said.err.rstrip().endswith((": starlift run", ": starlift reconcile --accept sale"))
    assert project.query("SELECT length FROM current_fact_visit ORDER BY id") == [[11], [20]]
    # while held: changes of the table itself, and of what it joins
    table = "sold" if change == "gone" else "sale"
    project.change(
        f"UPDATE {table} SET amount = 9.99 WHERE id = 1",
        f"INSERT INTO {table} (id, maker_id, amount) VALUES (4, '2', 4)",
        "UPDATE maker SET name = 'Bea' WHERE id = 2",
    )
    held = project.run(code=7)
    assert held["star"]["fact_sale"]["versions"] == 1, "what it joins is followed"
    (named,) = project.starlift("status").json["held"]
    assert (named["table"], reason in named["reason"]) == ("sale", True)
    assert project.run(code=7)["outcome"] == "held"
    project.change(back)
    project.run()
    assert project.starlift("status").json["held"] == []
    assert project.query("SELECT id, amount::text, name FROM current_fact_sale ORDER BY id") == [
        [1, "9.99", "Ann"],
        [2, "20.00", "Ann"],
        [3, "0.05", "Bea"],
        [4, "4.00", "Bea"],
    ]
    expected = {1: ["insert", "update"], 2: ["insert"], 3: ["insert", "update"], 4: ["insert"]}
    if change == "dropped":
        expected = {**expected, 3: ["insert", "update", "update"]}  # its note has gone with the column
    assert project.versions() == expected


def test_a_held_table_makes_the_warehouse_stale_and_itself_the_oldest(project: Project) -> None:
    project.change("ALTER TABLE sale RENAME TO sold", "UPDATE visit SET length = 1")
    project.run(code=7)
    status = project.starlift("status").json
    before, after = project.manifest(1), project.manifest(2)
    assert after.complete_to == before.complete_to
    assert status["tables"]["sale"]["complete_to"] == before.complete_to
    assert status["tables"]["visit"]["complete_to"] > before.complete_to
    assert status["freshness_s"] >= status["tables"]["visit"]["freshness_s"]


def test_a_table_that_is_joined_is_joined_as_it_was_while_it_is_held(project: Project) -> None:
    project.change("ALTER TABLE maker RENAME name TO title", "UPDATE maker SET title = 'Bea' WHERE id = 2")
    project.change("INSERT INTO sale VALUES (4, 2, 4, NULL)")
    project.run(code=7)
    assert project.query("SELECT id, name FROM current_fact_sale WHERE id > 2 ORDER BY id") == [
        [3, "Bob"],
        [4, "Bob"],
    ]
    project.change("ALTER TABLE maker RENAME title TO name")
    project.run()
    assert project.query("SELECT id, name FROM current_fact_sale WHERE id > 2 ORDER BY id") == [
        [3, "Bea"],
        [4, "Bea"],
    ]


def test_a_dimension_that_is_held_has_its_new_members_inferred(project: Project) -> None:
    project.change("ALTER TABLE client ALTER seen TYPE date", "INSERT INTO client VALUES (3, 'z', now())")
    project.change("INSERT INTO visit VALUES (3, 3, 30)")
    project.run(code=7)
    assert project.query("SELECT name FROM dim_client ORDER BY id") == [["x"], ["y"], ["(not loaded)"]]
    project.change("ALTER TABLE client ALTER seen TYPE timestamp(0)")
    project.run()
    assert project.query("SELECT name FROM dim_client ORDER BY id") == [["x"], ["y"], ["z"]]


def test_two_tables_are_held_each_by_name(project: Project) -> None:
    project.change("ALTER TABLE sale RENAME TO sold", "ALTER TABLE visit ALTER length TYPE text")
    said = project.starlift("run")
    assert (said.code, list(said.json["held"])) == (7, ["sale", "visit"])
    assert all(f"table {name} is held" in said.err for name in ("sale", "visit"))


def test_extract_alone_says_it_too(project: Project) -> None:
    project.change("ALTER TABLE sale RENAME TO sold")
    said = project.starlift("extract")
    assert (said.code, list(said.json["held"]), said.json["outcome"]) == (7, ["sale"], "extracted")
    assert project.starlift("extract").json["outcome"] == "held"


def test_as_a_process_it_ends_with_7_and_shows_a_person_the_name(project: Project) -> None:
    project.change("ALTER TABLE sale RENAME TO sold", "UPDATE visit SET length = 1")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("STARLIFT_")}
    for found in ("batch 2 applied", "nothing changed since batch 2"):
        ended = subprocess.run(
            [sys.executable, "-m", "starlift", "run"],
            cwd=project.folder,
            env={**outside, **project.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 7, ended
        assert found in ended.stdout
        assert ended.stderr.splitlines()[0].startswith(
            "starlift: table sale is held, the others go on: table "
        )


def test_a_table_that_was_never_there_stops_everything_as_a_mistake(project: Project) -> None:
    project.declare({"[tables.sale]": '[tables.extra]\nkey = ["id"]\ncolumns = ["id"]\n\n[tables.sale]'})
    project.change("UPDATE visit SET length = 1")
    said = project.starlift("run")
    assert (said.code, said.json["error"]["code"]) == (2, "configuration")
    assert project.query("SELECT count(*) FROM starlift.applied") == [[1]]

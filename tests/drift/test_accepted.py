"""A changed type or key that a person takes as it is: the table is read whole, and old keys go."""

from __future__ import annotations

import pytest

from tests.drift.project import Project

AMOUNTS = "SELECT id, amount::text FROM current_fact_sale ORDER BY id"


def accept(project: Project, table: str, code: int = 0) -> str:
    """Run `starlift reconcile --accept TABLE`; return what it said on stderr."""
    said = project.starlift("reconcile", "--accept", table)
    assert said.code == code, said
    return said.err


def test_a_narrowed_type_is_taken_as_it_is_and_rows_that_are_the_same_make_no_version(
    project: Project,
) -> None:
    project.change("ALTER TABLE sale ALTER amount TYPE numeric(4,1)")
    held = project.starlift("run")
    assert held.code == 7
    assert held.err.rstrip().endswith("or take it as it is: starlift reconcile --accept sale")
    assert "star table fact_sale" not in held.err
    accept(project, "sale")
    assert project.query(AMOUNTS) == [[1, "1.50"], [2, "20.00"], [3, "0.10"]]
    assert project.versions() == {1: ["insert"], 2: ["insert"], 3: ["insert", "update"]}
    assert project.run()["outcome"] == "nothing"


def test_a_retyped_column_is_taken_as_it_is_once_the_star_takes_it(project: Project) -> None:
    project.change("ALTER TABLE sale ALTER note TYPE integer USING id * 10")
    project.run(code=7)
    assert "the model makes column note as int32, which does not go into text" in accept(project, "sale", 2)
    project.run(code=7)
    project.migrate("ALTER TABLE fact_sale ALTER note TYPE integer USING NULL")
    accept(project, "sale")
    assert project.query("SELECT id, note FROM current_fact_sale ORDER BY id") == [[1, 10], [2, 20], [3, 30]]
    assert project.run()["outcome"] == "nothing"


def test_rows_that_changed_or_went_while_the_table_was_held_are_as_the_source_has_them(
    project: Project,
) -> None:
    project.change("ALTER TABLE sale ALTER amount TYPE numeric(4,2)")
    project.run(code=7)
    project.change("DELETE FROM sale WHERE id = 1", "UPDATE sale SET amount = 3 WHERE id = 2")
    project.change("INSERT INTO sale VALUES (4, 1, 4, NULL)")
    accept(project, "sale")
    assert project.query(AMOUNTS) == [[2, "3.00"], [3, "0.05"], [4, "4.00"]]
    assert project.versions()[1] == ["insert", "delete"]


MANY = "INSERT INTO maker SELECT n, 'maker ' || n FROM generate_series(3, 250) AS n"
BY_NAME = {'[tables.maker]\nkey = ["id"]': '[tables.maker]\nkey = ["name"]'}


@pytest.mark.parametrize("at_once", [1000, 100])
def test_another_key_of_a_table_that_makes_no_star_rows_is_accepted_and_the_old_keys_go(
    project: Project, at_once: int
) -> None:
    project.change(MANY, "ALTER TABLE maker ADD UNIQUE (name)")
    project.run()
    project.declare({**BY_NAME, "[limits]": f"[limits]\nmax_rows = {at_once}\nsweep_hold = 0.1"})
    held = project.starlift("run")
    assert held.code == 7
    assert "its key was (id) and is now declared as (name)" in held.err
    accept(project, "maker")
    states = project.query(
        "SELECT state, count(*) FROM starlift.ledger WHERE source_table = 'maker' GROUP BY 1 ORDER BY 1"
    )
    assert states == [["deleted", 250], ["live", 250]]
    assert project.query("SELECT id, name FROM current_fact_sale ORDER BY id") == [
        [1, "Ann"],
        [2, "Ann"],
        [3, "Bob"],
    ]
    assert project.versions() == {key: ["insert"] for key in (1, 2, 3)}
    project.change("INSERT INTO maker VALUES (999, 'Bea')", "UPDATE sale SET maker_id = 999 WHERE id = 3")
    project.run()
    assert project.query("SELECT name FROM current_fact_sale WHERE id = 3") == [["Bea"]]


def test_another_key_of_a_table_that_makes_star_rows_needs_another_model(project: Project) -> None:
    project.change("ALTER TABLE client ADD number integer", "UPDATE client SET number = 10 - id")
    project.change("ALTER TABLE client ALTER number SET NOT NULL, ADD UNIQUE (number)")
    project.declare(
        {
            '[tables.client]\nkey = ["id"]\ncolumns = ["id", "name", "seen"]': (
                '[tables.client]\nkey = ["number"]\ncolumns = ["id", "name", "seen", "number"]'
            )
        }
    )
    project.migrate("ALTER TABLE dim_client ADD number integer")
    project.run(code=7)
    said = accept(project, "client", 2)
    assert "the key of table client is now declared as (number), and model dim_client has still" in said
    assert project.query("SELECT count(*) FROM starlift.applied") == [[2]]


@pytest.mark.parametrize("at_once", [1000, 2])
def test_key_texts_that_change_with_their_type_are_accepted(project: Project, at_once: int) -> None:
    project.declare({"[limits]": f"[limits]\nmax_rows = {at_once}"})
    project.change("ALTER TABLE sale ALTER id TYPE numeric(12,2)")
    project.run(code=7)
    project.migrate("ALTER TABLE fact_sale ALTER id TYPE numeric(12,2)")
    accept(project, "sale")
    assert project.query(AMOUNTS) == [[1, "1.50"], [2, "20.00"], [3, "0.05"]]
    assert sorted(project.query("SELECT key, state FROM starlift.ledger WHERE source_table = 'sale'")) == [
        [f"({key})", "deleted"] if "." not in key else [f"({key})", "live"]
        for key in ("1", "1.00", "2", "2.00", "3", "3.00")
    ]


@pytest.mark.parametrize(
    ("script", "mentioned"),
    [
        ("ALTER TABLE sale RENAME TO sold", "table public.sale is not in the source"),
        ("ALTER TABLE sale DROP note", "column sale.note is gone from the source"),
        ("ALTER TABLE sale DROP CONSTRAINT sale_pkey", "its key (id) is no longer unique"),
    ],
)
def test_what_is_gone_cannot_be_accepted_and_nothing_is_written(
    project: Project, script: str, mentioned: str
) -> None:
    project.change(script, "UPDATE visit SET length = 1")
    said = accept(project, "sale", 2)
    assert mentioned in said
    assert "that cannot be accepted" in said
    assert project.query("SELECT count(*) FROM starlift.applied") == [[1]]


def test_to_accept_what_is_not_held_changes_nothing(project: Project) -> None:
    project.change("UPDATE sale SET amount = 3 WHERE id = 2")
    accept(project, "sale")
    assert project.versions() == {1: ["insert"], 2: ["insert", "update"], 3: ["insert"]}


def test_a_column_that_the_policy_added_and_is_gone_is_accepted(project: Project) -> None:
    project.declare({"[tables.visit]": '[tables.visit]\nnew_columns = "add"'})
    project.change("ALTER TABLE visit ADD mood text DEFAULT 'good'")
    project.run()
    project.change("ALTER TABLE visit DROP mood")
    assert "column visit.mood is gone" in project.starlift("run").err
    accept(project, "visit")
    project.run()
    assert project.versions("fact_visit") == {1: ["insert"], 2: ["insert"]}

"""A type that grew goes through: the table is read whole, and rows that are the same make no version."""

from __future__ import annotations

import pytest

from tests.drift.project import Project

WIDENED = {
    "more characters": (
        "ALTER TABLE sale ALTER note TYPE varchar(30)",
        "",
        "UPDATE sale SET note = 'more than nine' WHERE id = 1",
        ["more than nine", None, "c"],
    ),
    "any text": (
        "ALTER TABLE sale ALTER note TYPE text",
        "",
        "UPDATE sale SET note = 'more than nine' WHERE id = 1",
        ["more than nine", None, "c"],
    ),
    "more digits": (
        "ALTER TABLE sale ALTER amount TYPE numeric(8,2)",
        "ALTER TABLE fact_sale ALTER amount TYPE numeric(8,2)",
        "UPDATE sale SET amount = 123456.78 WHERE id = 1",
        ["123456.78", "20.00", "0.05"],
    ),
    "more digits behind the point": (
        "ALTER TABLE sale ALTER amount TYPE numeric(9,4)",
        "ALTER TABLE fact_sale ALTER amount TYPE numeric(9,4)",
        "UPDATE sale SET amount = 1.2345 WHERE id = 1",
        ["1.2345", "20.0000", "0.0500"],
    ),
    "any digits": (
        "ALTER TABLE sale ALTER amount TYPE numeric",
        "ALTER TABLE fact_sale ALTER amount TYPE numeric",
        "UPDATE sale SET amount = 1e20 WHERE id = 1",
        ["100000000000000000000", "20.00", "0.05"],
    ),
    "a larger key": (
        "ALTER TABLE sale ALTER id TYPE bigint",
        "ALTER TABLE fact_sale ALTER id TYPE bigint",
        "UPDATE sale SET amount = 9 WHERE id = 1",
        ["9.00", "20.00", "0.05"],
    ),
}
"""The change in the source, what the star needs for it, an edit, and a column of the star after it."""


@pytest.mark.parametrize("change", WIDENED)
def test_it_goes_through_as_soon_as_the_star_has_room(project: Project, change: str) -> None:
    script, ddl, edit, expected = WIDENED[change]
    project.change(script, "UPDATE visit SET length = 11 WHERE id = 1")
    if ddl:
        said = project.starlift("run")
        assert (said.code, list(said.json["held"])) == (7, ["sale"])
        assert "star table fact_sale: the model makes column" in said.err
        assert said.err.rstrip().endswith(": starlift migrate")
        assert project.query("SELECT length FROM current_fact_visit WHERE id = 1") == [[11]], "others go on"
        project.migrate(ddl)
    done = project.run()
    assert done["star"]["fact_sale"] == {**dict.fromkeys(done["star"]["fact_sale"], 0), "unchanged": 3}
    project.change(edit)
    project.run()
    column = "note" if "note" in script else "amount"
    found = project.query(f"SELECT {column}::text FROM current_fact_sale ORDER BY id")
    assert [row[0] for row in found] == expected
    assert project.versions() == {1: ["insert", "update"], 2: ["insert"], 3: ["insert"]}


def test_where_the_star_keeps_zeros_that_are_new_the_rows_have_a_version(project: Project) -> None:
    project.migrate("ALTER TABLE fact_sale ALTER amount TYPE numeric")
    project.change("ALTER TABLE sale ALTER amount TYPE numeric(9,4)")
    project.run()
    found = project.query("SELECT amount::text FROM current_fact_sale ORDER BY id")
    assert found == [["1.5000"], ["20.0000"], ["0.0500"]]
    assert project.versions() == {key: ["insert", "update"] for key in (1, 2, 3)}


def test_a_finer_time_and_a_dimension(project: Project) -> None:
    project.change("ALTER TABLE client ALTER seen TYPE timestamp(6), ALTER name TYPE varchar(30)")
    done = project.run()
    assert done["star"]["dim_client"] == {**dict.fromkeys(done["star"]["dim_client"], 0), "unchanged": 2}


def test_a_widened_table_that_is_joined(project: Project) -> None:
    project.change("ALTER TABLE maker ALTER name TYPE varchar", "ALTER TABLE maker ALTER id TYPE bigint")
    done = project.run()
    assert done["star"]["fact_sale"] == {**dict.fromkeys(done["star"]["fact_sale"], 0), "unchanged": 3}


def test_a_model_that_cannot_do_with_the_wider_type_holds_the_table(project: Project) -> None:
    project.change("ALTER TABLE visit ALTER length TYPE numeric(7,2)", "UPDATE sale SET note = 'z'")
    said = project.starlift("run")
    assert (said.code, list(said.json["held"])) == (7, ["visit"])
    assert "does not go into smallint unchanged" in said.err
    assert project.query("SELECT DISTINCT note FROM current_fact_sale") == [["z"]]


def test_an_extract_alone_lands_it_and_the_load_waits_for_the_ddl(project: Project) -> None:
    project.change("ALTER TABLE sale ALTER amount TYPE numeric(8,2)")
    for stage, code in (("extract", 0), ("transform", 0), ("load", 2)):
        assert project.starlift(stage).code == code
    project.migrate("ALTER TABLE fact_sale ALTER amount TYPE numeric(8,2)")
    project.run()
    assert project.versions() == {key: ["insert"] for key in (1, 2, 3)}


def test_while_the_warehouse_does_not_answer_rows_are_landed_all_the_same(project: Project) -> None:
    project.change("ALTER TABLE sale ALTER amount TYPE numeric(8,2)")
    said = project.starlift("run", STARLIFT_WAREHOUSE_URL="postgresql://starlift_warehouse@127.0.0.1:1/none")
    assert said.code == 5
    assert said.json["batches"]["landed"] == 1
    assert project.manifest(2).schema["sale"][2].type == "numeric(8,2)"

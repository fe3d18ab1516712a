"""Columns that come later: they are filled into the current versions, and no row gets a new one for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.drift.project import Project
from tests.postgres import PostgresForTests

BY_POLICY = {"[tables.sale]": '[tables.sale]\nnew_columns = "add"'}
BY_HAND = {'"amount", "note"]': '"amount", "note", "colour"]'}
COLOURED = "ALTER TABLE fact_sale ADD colour text"
SALES = "SELECT id, amount::text, note, colour FROM current_fact_sale ORDER BY id"
ALL = "SELECT id, op, seq, amount::text, colour FROM history_fact_sale ORDER BY id, seq"


@pytest.mark.parametrize("declaration", [BY_POLICY, BY_HAND])
def test_current_versions_are_filled_in_place_and_no_new_ones_made(
    project: Project, declaration: dict[str, str]
) -> None:
    project.change("UPDATE sale SET amount = 2 WHERE id = 1")
    project.run()
    project.declare(declaration)
    project.migrate(COLOURED)
    project.change("ALTER TABLE sale ADD colour text", "UPDATE sale SET colour = 'c' || id")
    done = project.run()
    assert done["star"]["fact_sale"] == {
        **dict.fromkeys(done["star"]["fact_sale"], 0),
        "updated": 3,
    }
    assert project.query(ALL) == [
        [1, "insert", 1, "1.50", None],
        [1, "update", 2, "2.00", "c1"],
        [2, "insert", 1, "20.00", "c2"],
        [3, "insert", 1, "0.05", "c3"],
    ]
    assert project.run()["outcome"] == "nothing"


def test_a_row_that_changed_as_well_has_a_version_and_that_is_filled(project: Project) -> None:
    project.declare(BY_POLICY)
    project.migrate(COLOURED)
    project.change(
        "ALTER TABLE sale ADD colour text",
        "UPDATE sale SET colour = 'c' || id",
        "UPDATE sale SET amount = 9 WHERE id = 1",
        "INSERT INTO sale VALUES (4, 1, 4, NULL, 'new')",
        "DELETE FROM sale WHERE id = 3",
    )
    done = project.run()["star"]["fact_sale"]
    assert (done["inserted"], done["versions"], done["updated"]) == (1, 1, 1)
    assert [row for row in project.query(ALL) if row[0] in (1, 2, 4)] == [
        [1, "insert", 1, "1.50", None],
        [1, "update", 2, "9.00", "c1"],
        [2, "insert", 1, "20.00", "c2"],
        [4, "insert", 2, "4.00", "new"],
    ]


def test_an_edit_of_the_new_column_alone_is_an_ordinary_version_from_then_on(project: Project) -> None:
    project.declare(BY_POLICY)
    project.migrate(COLOURED)
    project.change("ALTER TABLE sale ADD colour text DEFAULT 'red'")
    project.run()
    project.change("UPDATE sale SET colour = 'blue' WHERE id = 1")
    project.run()
    assert project.versions() == {1: ["insert", "update"], 2: ["insert"], 3: ["insert"]}
    assert project.query(SALES)[0][3] == "blue"


@pytest.mark.parametrize("ddl", ["text NOT NULL DEFAULT 'unknown'", "text DEFAULT 'unknown'"])
def test_a_default_in_the_star_is_overwritten_and_makes_no_version(project: Project, ddl: str) -> None:
    project.declare(BY_POLICY)
    project.migrate(f"ALTER TABLE fact_sale ADD colour {ddl}")
    project.change("ALTER TABLE sale ADD colour text DEFAULT 'red'")
    assert project.run()["quarantined"] == 0
    assert project.versions() == {1: ["insert"], 2: ["insert"], 3: ["insert"]}
    assert {row[3] for row in project.query(SALES)} == {"red"}


def test_a_column_of_a_joined_table_is_filled_into_all_that_join_it(project: Project) -> None:
    project.declare({"[tables.maker]": '[tables.maker]\nnew_columns = "add"'})
    project.migrate("ALTER TABLE fact_sale ADD town text")
    project.change(
        "ALTER TABLE maker ADD town text",
        "UPDATE maker SET town = 'in ' || name",
        "UPDATE sale SET note = 'z' WHERE id = 3",
    )
    project.run()
    assert project.versions() == {1: ["insert"], 2: ["insert"], 3: ["insert", "update"]}
    assert project.query("SELECT id, note, town FROM history_fact_sale ORDER BY record_id") == [
        [1, "a", "in Ann"],
        [2, None, "in Ann"],
        [3, "c", None],
        [3, "z", "in Bob"],
    ]


def test_a_dimension_has_the_new_column_in_its_rows(project: Project) -> None:
    project.declare({"[tables.client]": '[tables.client]\nnew_columns = "add"'})
    project.migrate("ALTER TABLE dim_client ADD tier integer")
    project.change("ALTER TABLE client ADD tier integer DEFAULT 2")
    assert project.run()["star"]["dim_client"]["updated"] == 2
    assert project.query("SELECT id, tier FROM dim_client ORDER BY id") == [[1, 2], [2, 2]]


def test_a_column_that_no_model_uses_changes_nothing(project: Project) -> None:
    project.declare({"[tables.visit]": '[tables.visit]\nnew_columns = "add"'})
    project.change("ALTER TABLE visit ADD mood text DEFAULT 'good'")
    done = project.run()
    assert done["star"]["fact_visit"] == {**dict.fromkeys(done["star"]["fact_visit"], 0), "unchanged": 2}
    assert not (project.folder / "processed" / "filled").exists()


@pytest.mark.parametrize(("declaration", "code"), [(BY_POLICY, 7), (BY_HAND, 2)])
def test_without_room_in_the_star_the_table_is_held_or_the_configuration_refused(
    project: Project, declaration: dict[str, str], code: int
) -> None:
    project.declare(declaration)
    project.change("ALTER TABLE sale ADD colour text DEFAULT 'red'")
    said = project.starlift("run")
    assert (said.code, "the star's table has no column colour" in said.err) == (code, True)
    project.migrate(COLOURED)
    project.run()
    assert project.versions() == {1: ["insert"], 2: ["insert"], 3: ["insert"]}
    assert {row[3] for row in project.query(SALES)} == {"red"}


def test_the_star_may_have_room_for_a_column_long_before_it_comes(project: Project) -> None:
    project.declare(BY_POLICY)
    project.migrate(COLOURED)
    project.change("UPDATE sale SET amount = 2 WHERE id = 1")
    project.run()
    project.change("ALTER TABLE sale ADD colour text DEFAULT 'red'")
    project.run()
    assert project.versions() == {1: ["insert", "update"], 2: ["insert"], 3: ["insert"]}
    assert {row[3] for row in project.query(SALES)} == {"red"}


def test_columns_of_the_star_that_no_model_makes_are_named(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.migrate(COLOURED)
    project.change("ALTER TABLE sale ALTER note TYPE text")
    project.run()
    assert "columns colour of star table fact_sale are made by no model" in caplog.text


def test_a_replay_of_the_processed_batches_gives_the_same_star(
    project: Project, postgres: PostgresForTests
) -> None:
    project.declare(BY_POLICY)
    project.change("UPDATE sale SET amount = 2 WHERE id = 1")
    project.run()
    project.migrate("ALTER TABLE fact_sale ADD colour text NOT NULL DEFAULT 'unknown'")
    project.change(
        "ALTER TABLE sale ADD colour text DEFAULT 'red'", "UPDATE sale SET note = 'z' WHERE id = 2"
    )
    project.run()
    project.change("UPDATE sale SET colour = 'blue' WHERE id = 3")
    project.run()
    tables = ("fact_sale", "dim_client", "starlift.ledger", "starlift.fact_version")
    with postgres.warehouse() as empty:
        again = replace(project, warehouse=empty)
        assert again.starlift("migrate").code == 0
        assert again.starlift("load").json["batches"]["applied"] == 4
        for table in tables:
            rows = f"SELECT t::text FROM {table} t ORDER BY 1"
            assert again.query(rows) == project.query(rows), table
    assert project.versions() == {1: ["insert", "update"], 2: ["insert", "update"], 3: ["insert", "update"]}


def test_a_column_of_a_joined_table_that_is_read_again_in_chunks_makes_no_version(project: Project) -> None:
    project.change("INSERT INTO maker SELECT n, 'maker ' || n FROM generate_series(3, 9) AS n")
    project.run()
    project.declare(
        {"[tables.maker]": '[tables.maker]\nnew_columns = "add"', "[limits]": "[limits]\nmax_rows = 3"}
    )
    project.migrate("ALTER TABLE fact_sale ADD nick text")
    project.change("ALTER TABLE maker ADD nick text DEFAULT 'x'", "UPDATE maker SET name = 'B.' WHERE id = 2")
    assert project.run()["batches"]["applied"] > 3
    assert project.query("SELECT id, name, nick FROM current_fact_sale ORDER BY id") == [
        [1, "Ann", "x"],
        [2, "Ann", "x"],
        [3, "B.", "x"],
    ]
    assert project.versions() == {1: ["insert"], 2: ["insert"], 3: ["insert", "update"]}

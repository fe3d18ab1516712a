"""Dimensions of several tables: a change of any of them makes the rows again that it concerns."""

from __future__ import annotations

import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core.manifest import Column, Counts
from starlift.errors import ConfigurationError
from tests.transform.lakes import (
    DIM_STAFF,
    FACT_SALE,
    SMALL,
    Pipeline,
    department,
    model,
    sale,
    staff,
    table,
)


def titles(pipeline: Pipeline) -> dict[int, str | None]:
    """Title by staff_id of the newest batch's rows."""
    return {row["staff_id"]: row["title"] for row in pipeline.star("dim_staff")}


def test_renaming_a_department_makes_all_its_staff_again_with_ledger_entries(pipeline: Pipeline) -> None:
    pipeline.run(
        {"staff": [staff(1, 1), staff(2, 2)], "department": [department(1, "A"), department(2, "B")]}
    )
    done = pipeline.run({"department": [department(1, "Renamed")]})
    assert titles(pipeline) == {1: "Renamed", 2: "B"}
    assert pipeline.ledger("staff") == {"(1)": "live", "(2)": "live"}
    assert pipeline.ledger("department") == {"(1)": "live"}
    assert done.counts == {"department": Counts(1, 1, 0), "staff": Counts(0, 0, 0)}
    assert done.star == {"dim_staff": 2}


def test_rows_made_again_keep_their_source_hash(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [{**staff(1, 1), "_hash": "-77"}]})
    pipeline.run({"department": [department(1, "A")]})
    assert pipeline._rows(pipeline.manifest().ledger, "staff") == [
        {"key": "(1)", "source_hash": -77, "state": "live"}
    ]


def test_a_joined_row_that_comes_later_than_its_driving_row_is_null_first_and_then_healed(
    pipeline: Pipeline,
) -> None:
    pipeline.run({"staff": [staff(1, 1)]})
    assert titles(pipeline) == {1: None}
    pipeline.run({"department": [department(1, "A")]})
    assert titles(pipeline) == {1: "A"}


def test_a_driving_row_that_comes_later_than_its_joined_row_finds_it_in_the_snapshot(
    pipeline: Pipeline,
) -> None:
    pipeline.run({"department": [department(1, "A")]})
    assert pipeline.manifest().star == ()
    pipeline.run({"sale": [sale(1)]})
    pipeline.run({"staff": [staff(1, 1)]})
    assert titles(pipeline) == {1: "A"}


def test_a_driving_row_alone_makes_no_other_row_again(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1), staff(2, 1)], "department": [department(1, "A")]})
    pipeline.run({"staff": [staff(2, 1, "Bob")]})
    assert [row["name"] for row in pipeline.star("dim_staff")] == ["Bob"]
    assert pipeline.ledger("staff") == {"(2)": "live"}


def test_the_newest_rows_of_both_tables_in_one_batch_meet(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1)], "department": [department(1, "A"), department(2, "B")]})
    pipeline.run({"staff": [staff(1, 2), staff(3, 1)], "department": [department(2, "New")]})
    assert titles(pipeline) == {1: "New", 3: "A"}


def test_a_joined_row_that_is_read_again_unchanged_makes_nothing_again(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1)], "department": [department(1, "A")]})
    before = pipeline.manifest().snapshots
    pipeline.run({"department": [department(1, "A")]})
    assert pipeline.manifest().star == ()
    assert pipeline.ledger("department") == {"(1)": "live"}
    assert pipeline.manifest().snapshots == before


def test_a_snapshot_is_written_only_when_its_table_changes_and_names_its_batch(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1)], "department": [department(1, "A")]})
    pipeline.run({"sale": [sale(1)]})
    pipeline.run({"staff": [staff(2, 1)]})
    assert {name: snapshot.seq for name, snapshot in pipeline.manifest().snapshots.items()} == {
        "staff": 3,
        "department": 1,
    }
    assert [snapshot.files[0].rows for snapshot in pipeline.manifest().snapshots.values()] == [1, 2]


REQUIRING = model(
    "dim_staff",
    "SELECT staff_id, required(title, 'no department ' || department_id) AS title "
    "FROM staff LEFT JOIN department USING (department_id)",
    driving="staff",
    joins="department",
    key="staff_id",
)
BADGE = model(
    "dim_badge", "SELECT staff_id, strict_int(name) AS n FROM staff", driving="staff", key="staff_id"
)


def test_a_row_refused_for_its_joined_row_is_healed_when_that_row_comes(engine: DuckDBEngine) -> None:
    pipeline = Pipeline(models=[REQUIRING], engine=engine)
    pipeline.run({"staff": [staff(1, 1), staff(2, 2)], "department": [department(2, "B")]})
    assert [(entry["key"], entry["reason"]) for entry in pipeline.quarantine()] == [
        ("(1)", "dim_staff: no department 1")
    ]
    done = pipeline.run({"department": [department(3, "C")]})
    assert pipeline.ledger("staff") == {"(1)": "quarantined", "(2)": "live"}
    assert (pipeline.quarantine()[0]["row"], done.quarantined) == (dict(staff(1, 1)), 1)
    assert done.counts["staff"] == Counts(0, 0, 0)
    pipeline.run({"department": [department(1, "A")]})
    assert pipeline.ledger("staff") == {"(1)": "live", "(2)": "live"}
    assert titles(pipeline) == {1: "A", 2: "B"}
    assert pipeline.quarantine() == []


def test_a_row_that_a_sister_model_still_refuses_is_not_called_live_again(engine: DuckDBEngine) -> None:
    pipeline = Pipeline(models=[BADGE, DIM_STAFF], engine=engine)
    pipeline.run({"staff": [staff(1, 1, "seven"), staff(2, 1, "8")]})
    pipeline.run({"department": [department(1, "A")]})
    assert pipeline.ledger("staff") == {"(1)": "quarantined", "(2)": "live"}
    assert [row["n"] for row in pipeline.star("dim_badge")] == [8]


def test_a_joined_row_that_cannot_be_typed_leaves_its_last_good_version_joined(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1)], "department": [department(1, "A")]})
    pipeline.run({"department": [department(1, "B", since="infinity")]})
    assert pipeline.ledger("department") == {"(1)": "quarantined"}
    pipeline.run({"staff": [staff(2, 1)]})
    assert titles(pipeline) == {2: "A"}
    pipeline.run({"department": [department(1, "C")]})
    assert titles(pipeline) == {1: "C", 2: "C"}


DATED = {**SMALL, "staff": table("staff_id", staff_id="integer", name="date", department_id="integer")}


def test_a_driving_row_that_cannot_be_typed_is_not_made_again_from_its_old_version(
    engine: DuckDBEngine,
) -> None:
    pipeline = Pipeline(DATED, [DIM_STAFF], engine)
    pipeline.run({"staff": [staff(1, 1, "2024-01-01"), staff(2, 1, "2024-01-02")]})
    pipeline.run({"staff": [staff(1, 1, "infinity")]})
    pipeline.run({"department": [department(1, "A")]})
    assert titles(pipeline) == {2: "A"}
    assert pipeline.ledger("staff") == {"(2)": "live"}
    pipeline.run({"staff": [staff(1, 1, "2024-01-03")]})
    assert titles(pipeline) == {1: "A"}


def test_a_whole_read_forgets_the_rows_that_are_gone(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1), staff(2, 1)], "department": [department(1, "A")]})
    pipeline.run({"staff": [staff(2, 1)]}, whole=["staff"])
    pipeline.run({"department": [department(1, "B")]})
    assert titles(pipeline) == {2: "B"}


def test_a_whole_read_of_an_empty_table_empties_its_snapshot(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1)], "department": [department(1, "A")]})
    done = pipeline.run({}, whole=["department"])
    assert (titles(pipeline), done.counts["department"]) == ({1: None}, Counts(0, 0, 0))
    assert pipeline.manifest().snapshots["department"].files == ()
    pipeline.run({"staff": [staff(2, 1)]})
    assert titles(pipeline) == {2: None}


def test_a_whole_read_keeps_the_last_good_version_of_a_row_it_cannot_type(pipeline: Pipeline) -> None:
    pipeline.run({"department": [department(1, "A"), department(2, "B")]})
    pipeline.run({"department": [department(1, "A2", since="infinity")]}, whole=["department"])
    pipeline.run({"staff": [staff(1, 1), staff(2, 2)]})
    assert titles(pipeline) == {1: "A", 2: None}


def test_a_table_whose_key_changed_starts_a_new_snapshot_when_it_is_read_whole(engine: DuckDBEngine) -> None:
    """Old rows stand under keys of another column: none of them may pass for a version of a new one."""
    tables = {**SMALL, "department": table("since", department_id="integer", title="integer", since="text")}
    pipeline = Pipeline(tables, [DIM_STAFF], engine)
    pipeline.run({"staff": [staff(1, 7), staff(2, 8)], "department": [department(8, "5", "7")]})
    columns, _ = tables["department"]
    pipeline.tables["department"] = (columns, ("department_id",))
    # (7) was the key of department 8; the row that has that key now cannot be typed
    pipeline.run({"department": [department(7, "seven", "x"), department(8, "6", "7")]}, whole=["department"])
    found: dict[int, object] = dict(titles(pipeline))
    assert found == {1: None, 2: 6}


def with_phone(pipeline: Pipeline) -> None:
    columns, key = pipeline.tables["department"]
    pipeline.tables["department"] = ((*columns, Column("phone", "text")), key)


def test_a_table_with_new_columns_starts_a_new_snapshot_when_it_is_read_whole(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1)], "department": [department(1, "A"), department(2, "B")]})
    with_phone(pipeline)
    pipeline.run({"department": [{**department(1, "A2"), "phone": "1"}]}, whole=["department"])
    assert titles(pipeline) == {1: "A2"}


def test_a_table_with_new_columns_of_which_only_a_part_was_read_is_refused(pipeline: Pipeline) -> None:
    pipeline.run({"department": [department(1, "A")]})
    with_phone(pipeline)
    pipeline.land({"department": [{**department(2, "B"), "phone": "1"}]})
    with pytest.raises(
        ConfigurationError, match="table department: its columns are not those of its snapshot"
    ):
        pipeline.transform()


def test_a_joined_table_that_is_not_taken_is_named(engine: DuckDBEngine) -> None:
    tables = {name: SMALL[name] for name in ("staff", "sale")}
    pipeline = Pipeline(tables, [DIM_STAFF, FACT_SALE], engine)
    pipeline.run({"sale": [sale(1)]})
    pipeline.land({"staff": [staff(1, 1)]})
    with pytest.raises(
        ConfigurationError, match="batch 2 was taken without table department, which a model reads"
    ) as caught:
        pipeline.transform()
    assert caught.value.hint == "have [tables.department] in sql/pipeline.toml, then: starlift rebuild"


@pytest.mark.parametrize("gone", ["staff", "department"])
def test_a_batch_that_lacks_a_table_of_a_snapshot_is_named_with_it(pipeline: Pipeline, gone: str) -> None:
    pipeline.run({"staff": [staff(1, 1)], "department": [department(1, "A")]})
    other = {"staff": "department", "department": "staff"}[gone]
    row = {"staff": staff(1, 1, "Bob"), "department": department(1, "B")}[other]
    del pipeline.tables[gone]
    pipeline.land({other: [row]})
    if gone == "department":
        assert pipeline.transform()[0].star == {"dim_staff": 1}  # its snapshot is whole
        return
    with pytest.raises(ConfigurationError, match="batch 2 was taken without table staff"):
        pipeline.transform()

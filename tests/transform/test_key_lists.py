"""A batch's inventories: what is gone is joined no more, and the load gets the lists as they were taken."""

from __future__ import annotations

import pytest

from starlift.core.identity import LONGEST_KEY, bucket, key_text
from starlift.core.manifest import Inventory, TableState
from starlift.errors import HeldError
from starlift.stages import log
from starlift.stages.parquet_files import read_parquet
from tests.transform.lakes import Pipeline, department, staff

TEAM = {
    "staff": [staff(1, 1), staff(2, 2), staff(3, 1)],
    "department": [department(1, "A"), department(2, "B")],
}


@pytest.fixture
def team(pipeline: Pipeline) -> Pipeline:
    """Three members of staff in two departments."""
    pipeline.run(TEAM)
    return pipeline


def titles(pipeline: Pipeline) -> dict[int, str | None]:
    """Title by staff_id of the newest batch's rows."""
    return {row["staff_id"]: row["title"] for row in pipeline.star("dim_staff")}


def test_a_joined_row_that_is_on_no_list_is_gone_from_the_rows_that_joined_it(team: Pipeline) -> None:
    team.run(inventory={"department": team.listed("department", {"(2)": 5})})
    assert titles(team) == {1: None, 2: "B", 3: None}


def test_a_driving_row_that_is_on_no_list_is_not_made_again(team: Pipeline) -> None:
    team.run(inventory={"staff": team.listed("staff", {"(1)": 5, "(2)": 5})})
    assert titles(team) == {}, "what is left has not changed"
    team.run({"department": [department(1, "A2")]})
    assert titles(team) == {1: "A2", 2: "B"}


def test_what_is_gone_goes_before_the_batch_is_taken_in(team: Pipeline) -> None:
    """The batch brings a department and tells that the other is gone."""
    team.run(
        {"department": [department(3, "C")], "staff": [staff(2, 3)]},
        inventory={"department": team.listed("department", {"(3)": 5, "(1)": 5})},
    )
    assert titles(team) == {1: "A", 2: "C", 3: "A"}
    team.run({"staff": [staff(2, 2)]})
    assert titles(team) == {2: None}


def test_a_list_of_buckets_tells_nothing_of_keys_in_others(team: Pipeline) -> None:
    assert bucket("(1)") != bucket("(2)")
    of_one = team.listed("department", {}, "buckets", buckets=(bucket("(1)"),))
    team.run(inventory={"department": of_one})
    assert titles(team) == {1: None, 2: "B", 3: None}


def test_of_keys_that_were_asked_for_those_that_brought_no_row_are_gone(team: Pipeline) -> None:
    asked = Inventory("keys", asked=("(1)", "(2)"))
    team.run({"department": [department(2, "B2")]}, inventory={"department": asked})
    assert titles(team) == {1: None, 2: "B2", 3: None}


def test_a_row_that_was_asked_for_and_cannot_be_typed_is_still_joined_as_its_last_good_version(
    team: Pipeline,
) -> None:
    asked = Inventory("keys", asked=("(1)",))
    team.run({"department": [department(1, "A2", since="infinity")]}, inventory={"department": asked})
    team.run({"staff": [staff(4, 1)]})
    assert titles(team) == {4: "A"}


def test_sums_tell_of_no_key(team: Pipeline) -> None:
    team.run(inventory={"department": Inventory("none", ((7, 1, "5"),))})
    assert team.star("dim_staff") == []
    assert team.manifest().inventory["department"].sums == ((7, 1, "5"),)


def test_the_load_gets_the_lists_with_typed_hashes_and_keys_that_an_index_holds(team: Pipeline) -> None:
    longest = "(" + "x" * LONGEST_KEY + ")"
    team.run(inventory={"sale": team.listed("sale", {"(1)": -(2**63), longest: 2**63 - 1})})
    found = team.manifest().inventory["sale"]
    rows = [row for file in found.files for row in read_parquet(team.processed, file).to_pylist()]
    assert rows == [
        {"key": "(1)", "source_hash": -(2**63)},
        {"key": key_text(["x" * LONGEST_KEY]), "source_hash": 2**63 - 1},
    ]
    assert all(file.key.startswith("inventory/sale/seq=") for file in found.files)


def test_an_empty_list_is_a_list(team: Pipeline) -> None:
    team.run(inventory={"department": Inventory("all")})
    assert titles(team) == {1: None, 2: None, 3: None}
    assert team.manifest().inventory["department"] == Inventory("all")


def test_a_list_that_is_not_what_was_written_holds_the_batch_by_name(team: Pipeline) -> None:
    inventory = team.listed("sale", {"(1)": 5})
    team.ingestion.put(inventory.files[0].key, b"other")
    with pytest.raises(HeldError, match=inventory.files[0].key):
        team.run(inventory={"sale": inventory})
    assert log.head(team.processed)[0] == 1


def test_what_else_the_load_is_to_know_goes_through(team: Pipeline) -> None:
    state = TableState("xid", ("sale_id",), (1,), count=7)
    late = TableState("timestamp", ("staff_id",), (1,), count=9)
    dropped = {"sale": {"(1)": "a test order"}}
    team.run(
        tables={"sale": state, "staff": late, "gone": state},
        passes={"sale": "xid", "staff": "time"},
        dropped=dropped,
    )
    made = team.manifest()
    assert (made.source_rows, made.dropped) == ({"sale": 7}, dropped), "an old count says nothing"


def test_a_stale_row_that_is_gone_is_joined_no_more(team: Pipeline) -> None:
    """Its newest version could not be typed, so the last good one was joined; now there is none."""
    team.run({"department": [department(1, "A2", since="infinity")]})
    team.run({"staff": [staff(1, 1)]})
    assert titles(team) == {1: "A"}
    team.run(inventory={"department": team.listed("department", {"(2)": 5})})
    assert titles(team) == {1: None, 2: "B", 3: None}

"""Replay: from the processed lake alone comes the star that is live, to the last surrogate key."""

from __future__ import annotations

import pytest

from tests.e2e import stars
from tests.e2e.project import Project

REPLAY = ("Another One", "Another One_starlift")


def test_a_replay_is_the_live_star_in_rows_and_in_shape(eventful: Project) -> None:
    live = stars.contents(eventful)
    ran = eventful.starlift("replay", "--into", REPLAY[0])
    assert ran.code == 0, ran
    assert (ran.document["seq"], ran.document["batches"]["applied"]) == (3, 3)
    assert stars.contents(eventful, REPLAY) == live == stars.contents(eventful)
    assert stars.catalogue(eventful, REPLAY) == stars.catalogue(eventful)
    assert stars.dumped(eventful, REPLAY) == stars.dumped(eventful)
    # and the history was one worth replaying
    assert all(live.values()), [name for name, rows in live.items() if not rows]
    for state in ("live", "quarantined", "dropped", "inferred", "deleted"):
        assert f"\t{state}\t" in live["ledger.ledger"], state
    for kind in ("update", "delete"):
        assert f"\t{kind}\t" in live["ledger.fact_version"], kind
    states = "SELECT key, state, seq FROM starlift.ledger WHERE source_table = :table ORDER BY key"
    went = [row for row in eventful.query(states, table="payment") if row[0] in ("(5)", "(6)", "(7)")]
    assert went == [["(5)", "deleted", 3], ["(6)", "live", 3], ["(7)", "deleted", 2]]
    told = "SELECT op, seq FROM history_fact_payment WHERE payment_id = 6 ORDER BY seq"
    assert eventful.query(told)[-2:] == [["delete", 2], ["insert", 3]]


def test_a_replay_that_broke_off_goes_on_and_one_of_another_history_is_refused(eventful: Project) -> None:
    newest = eventful.lakes["processed"] / f"manifests/{3:020d}.json"
    kept = newest.read_bytes()
    newest.unlink()
    assert eventful.starlift("replay", "--into", "half").document["seq"] == 2
    newest.write_bytes(kept)
    ran = eventful.starlift("replay", "--into", "half")
    assert (ran.document["seq"], ran.document["batches"]["applied"]) == (3, 1)
    assert stars.contents(eventful, ("half", "half_starlift")) == stars.contents(eventful)
    assert eventful.starlift("replay", "--into", "half").document["outcome"] == "nothing"
    eventful.query("UPDATE half_starlift.applied SET manifest_sha256 = 'another' WHERE seq = 3")
    refused = eventful.starlift("replay", "--into", "half")
    assert (refused.code, "another history" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("public", "is not free"),
        ("starlift", "is not free"),
        ("starlift_build", "is not free"),
        ("pg_mine", "is not free"),
        ("s" * 44, "is too long"),
        ("mine", "is not empty"),
    ],
)
def test_a_replay_into_what_is_in_use_is_refused_and_touches_nothing(
    project: Project, name: str, why: str
) -> None:
    project.query("CREATE SCHEMA mine")
    project.query("CREATE TYPE mine.mood AS ENUM ('sad')")
    before = stars.contents(project), stars.catalogue(project, ("mine", "mine_starlift"))
    ran = project.starlift("replay", "--into", name)
    assert (ran.code, why in ran.document["error"]["message"]) == (2, True), ran
    assert "starlift replay --into" in ran.document["error"]["hint"]
    assert (stars.contents(project), stars.catalogue(project, ("mine", "mine_starlift"))) == before


def test_a_lake_without_a_batch_is_not_replayed(unloaded: Project) -> None:
    ran = unloaded.starlift("replay", "--into", "replay")
    assert (ran.code, ran.document["error"]["hint"]) == (2, "starlift run")
    assert unloaded.query("SELECT FROM pg_namespace WHERE nspname LIKE 'replay%'") == []

"""A cycle goes on where it can, stops where it must, and says what it moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from starlift.core.manifest import Counts
from starlift.entrypoints.moved import moved_text
from starlift.errors import (
    ConfigurationError,
    DriftError,
    HeldError,
    InventoryNeeded,
    LostRace,
    StarliftError,
    UnavailableError,
)
from starlift.ports import Applied, Loaded, StarCounts
from starlift.stages.cycle import Cycle, Stages, run_cycle
from starlift.stages.extract import Extracted
from starlift.stages.transform import Transformed

CONTRACT = {"run_id", "outcome", "seq", "kind", "complete_to", "tables", "star", "quarantined", "seconds"}
CONTRACT |= {"unnamed"}
NO_FAULT: Mapping[str, StarliftError] = {}
NOW = "2024-11-15 12:00:00+00:00"


def extracted(seq: int = 2, kind: Any = "incremental", rows: int = 3) -> Extracted:
    counts = {"staff": Counts(rows, rows, 0), "design": Counts()}
    batches = {seq: counts} if kind else {}
    return Extracted(seq, kind, NOW, {"staff": "xid", "design": "xid"}, counts, {}, batches=batches)


def transformed(seq: int = 2, read: int = 3, rejected: int = 0) -> Transformed:
    counts = {"staff": Counts(read, read - rejected, rejected)}
    return Transformed(seq, "incremental", counts, rejected, {"dim_staff": read - rejected})


def loaded(seq: int = 2, inserted: int = 3) -> Loaded:
    return Loaded(seq, {"dim_staff": StarCounts(inserted=inserted)})


def applied(seq: int = 2) -> Applied:
    return Applied(seq, "incremental", "sha", NOW, NOW)


def stages(log: list[str] | None = None, fault: Mapping[str, StarliftError] = NO_FAULT) -> Stages:
    """Stages that move one batch, but for those that raise."""

    def step(name: str, result: Any) -> Any:
        if log is not None:
            log.append(name)
        if name in fault:
            raise fault[name]
        return result

    return Stages(
        check=lambda: step("check", None),
        extract=lambda: step("extract", extracted()),
        transform=lambda: step("transform", [transformed()]),
        load=lambda: step("load", ([loaded()], applied())),
    )


def test_a_cycle_says_what_the_contract_lists() -> None:
    document = run_cycle("run", stages()).document()
    assert document.keys() >= CONTRACT
    assert (document["run_id"], document["outcome"], document["seq"]) == ("run", "applied", 2)
    assert (document["kind"], document["complete_to"]) == ("incremental", NOW)
    assert document["tables"]["staff"] == {"mode": "xid", "read": 3, "shipped": 3, "rejected": 0}
    assert document["tables"]["design"] == {"mode": "xid", "read": 0, "shipped": 0, "rejected": 0}
    assert document["star"] == {"dim_staff": {**vars(StarCounts()), "inserted": 3}}
    assert document["seconds"].keys() == {"extract", "transform", "load"}


def test_nothing_begins_where_the_check_fails() -> None:
    log: list[str] = []
    cycle = run_cycle("run", stages(log, {"check": ConfigurationError("no", "starlift migrate")}))
    assert log == ["check"]
    assert (cycle.outcome, len(cycle.errors), cycle.seconds) == ("failed", 1, {})


@pytest.mark.parametrize("fault", [UnavailableError("no", "x"), DriftError("no", "x"), HeldError("no", "x")])
def test_a_stage_that_fails_does_not_stop_the_later_ones(fault: StarliftError) -> None:
    log: list[str] = []
    cycle = run_cycle("run", stages(log, {"extract": fault}))
    assert log == ["check", "extract", "transform", "load"]
    assert cycle.errors == [fault]
    assert cycle.loaded


def test_a_lost_race_leaves_the_rest_to_the_winner() -> None:
    log: list[str] = []
    cycle = run_cycle("run", stages(log, {"extract": LostRace("no", "x")}))
    assert log == ["check", "extract"]
    assert cycle.outcome == "lost"


def test_a_batch_that_another_run_applied_first_is_a_lost_race() -> None:
    overtaken = Stages(lambda: None, extracted, lambda: [transformed()], lambda: ([], applied(3)))
    cycle = run_cycle("run", overtaken)
    assert (cycle.outcome, [type(error) for error in cycle.errors]) == ("lost", [LostRace])


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({}, "applied"),
        ({"load": LostRace("no", "x")}, "lost"),
        ({"extract": InventoryNeeded("no", "x")}, "held"),
        ({"load": HeldError("no", "x")}, "held"),
        ({"extract": UnavailableError("no", "x")}, "applied"),
        ({"load": UnavailableError("no", "x")}, "failed"),
    ],
)
def test_the_outcome_is_what_became_of_the_newest_batch(
    fault: dict[str, StarliftError], outcome: str
) -> None:
    assert run_cycle("run", stages(fault=fault)).outcome == outcome


@pytest.mark.parametrize("stage", ["extract", "transform", "load"])
def test_a_stage_that_ends_as_was_wished_is_the_last_one(stage: str) -> None:
    log: list[str] = []
    ready = stages(log)
    cycle = run_cycle("run", replace(ready, stopped=lambda: log[-1] == stage))
    assert log[-1] == stage
    assert (cycle.outcome, cycle.errors) == ("stopped", [])
    told = moved_text({**cycle.document(), "left": 1200})
    assert (
        "stopped between two batches, nothing is lost: about 1,200 rows are still to be read; go on: " in told
    )


def test_chunks_that_wait_for_the_batch_which_closes_them_are_no_lost_race() -> None:
    ready = stages()
    waiting = run_cycle("run", replace(ready, load=lambda: ([], applied(1))))
    assert (waiting.outcome, waiting.errors) == ("transformed", [])
    built = run_cycle("run", replace(ready, load=lambda: ([loaded(1), loaded(2)], None)))
    document = built.document()
    assert (built.outcome, document["batches"]["applied"], document["built"], document["seq"]) == (
        "built",
        0,
        2,
        2,
    )
    assert "batches 1 to 2 built, to be seen when the read in chunks is complete" in moved_text(document)


def test_a_fault_that_nobody_foresaw_is_not_collected() -> None:
    def fault() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_cycle("run", Stages(fault, *3 * (lambda: pytest.fail("it went on"),)))


def test_a_stage_alone_gives_its_part() -> None:
    landed = Cycle("run", extracted=extracted()).document()
    assert (landed["outcome"], landed["seq"], landed["kind"]) == ("extracted", 2, "incremental")
    made = Cycle("run", transformed=[transformed()]).document()
    assert (made["outcome"], made["seq"], made["kind"]) == ("transformed", 2, "incremental")
    put = Cycle("run", loaded=[loaded()], applied=applied()).document()
    assert (put["outcome"], put["seq"], put["kind"], put["complete_to"]) == ("applied", 2, "incremental", NOW)


def test_a_stage_that_finds_nothing_names_the_newest_batch_and_no_kind() -> None:
    idle = Cycle("run", applied=applied(7)).document()
    assert (idle["outcome"], idle["seq"], idle["kind"]) == ("nothing", 7, None)
    idle = Cycle("run", extracted=extracted(7, None, 0)).document()
    assert (idle["outcome"], idle["seq"], idle["kind"]) == ("nothing", 7, None)
    assert Cycle("run").document()["seq"] is None


def test_rows_are_read_once_and_shipped_or_rejected_over_all_batches() -> None:
    cycle = Cycle("run", extracted=extracted(3), transformed=[transformed(2, 5, 2), transformed(3, 3, 1)])
    assert cycle.tables()["staff"] == {"mode": "xid", "read": 8, "shipped": 5, "rejected": 3}
    assert cycle.quarantined == 3
    earlier = Cycle("run", transformed=[transformed(2, 5, 2)])
    assert earlier.tables()["staff"] == {"mode": None, "read": 5, "shipped": 3, "rejected": 2}


def test_star_rows_are_added_up_over_all_batches() -> None:
    cycle = Cycle("run", loaded=[loaded(2, 3), loaded(3, 4), Loaded(4, {}, quarantined=2)])
    assert cycle.star() == {"dim_staff": StarCounts(inserted=7)}
    assert cycle.quarantined == 2


@pytest.mark.parametrize(
    ("cycle", "sentence"),
    [
        (Cycle("r", extracted(), [transformed()], [loaded()], applied()), "batch 2 applied, complete to "),
        (
            Cycle("r", extracted(3), [], [loaded(2), loaded(3)], applied(3)),
            "batches 2 to 3 applied, complete to ",
        ),
        (Cycle("r", extracted()), "batch 2 landed, complete to "),
        (Cycle("r", transformed=[transformed()]), "batch 2 transformed"),
        (Cycle("r", transformed=[transformed(1), transformed(2)]), "batches 1 to 2 transformed"),
        (Cycle("r", extracted(7, None, 0)), "nothing changed since batch 7"),
        (Cycle("r"), "nothing is pending"),
        (Cycle("r", extracted(), errors=[UnavailableError("n", "x")]), "batch 2 landed and waiting"),
        (
            Cycle("r", extracted(), [transformed()], errors=[HeldError("n", "x")]),
            "batch 2 transformed and waiting",
        ),
    ],
)
def test_the_last_sentence_says_how_far_which_batch_came(cycle: Cycle, sentence: str) -> None:
    assert moved_text(cycle.document()).splitlines()[-1].startswith(sentence)


def test_a_failure_that_moved_nothing_has_no_sentence() -> None:
    assert moved_text(Cycle("r", errors=[HeldError("n", "x")]).document()) == ""
    assert moved_text(Cycle("r", extracted(7, None, 0), errors=[LostRace("n", "x")]).document()) == ""


def test_a_person_sees_the_tables_that_moved_their_numbers_aligned() -> None:
    cycle = Cycle("r", extracted(2, rows=11187), [transformed(2, 11187, 1)], [loaded(2, 11186)], applied())
    cycle.seconds = {"extract": 0.25, "load": 1.0}
    assert moved_text(cycle.document()).splitlines() == [
        "source table  mode  rows read  rejected",
        "staff         xid      11,187         1",
        "",
        "star table  inserted  updated  versions  unchanged  tombstones",
        "dim_staff     11,186        0         0          0           0",
        "",
        f"batch 2 applied, complete to {NOW} (extract 0.25 s, load 1.00 s)",
        "1 row in quarantine; see them: starlift quarantine list",
    ]

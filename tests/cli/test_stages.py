"""Each stage is a command of its own, which takes what is pending and gives its part of the answer."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from starlift.entrypoints import local
from starlift.stages.extract import Run
from starlift.stages.watch import Watch
from tests.cli.conftest import Here
from tests.cli.project import Project

CHANGE = "UPDATE design SET design_name = 'Changed', last_updated = now() WHERE design_id = {}"


def test_the_stages_one_by_one_do_what_a_run_does(project: Project, here: Here) -> None:
    landed = here(project.folder, "extract", "--json")
    assert landed.code == 0
    assert (landed.json["outcome"], landed.json["seq"], landed.json["kind"]) == ("extracted", 1, "bootstrap")
    assert landed.json["seconds"].keys() == {"extract"}
    assert landed.json["tables"]["staff"]["read"] == 20

    project.update(CHANGE.format(1))
    assert "batch 2 landed" in here(project.folder, "extract").out

    made = here(project.folder, "transform", "--json")
    assert (made.json["outcome"], made.json["seq"], made.json["batches"]["transformed"]) == (
        "transformed",
        2,
        2,
    )
    assert made.json["seconds"].keys() == {"transform"}

    put = here(project.folder, "load", "--json")
    assert (put.json["outcome"], put.json["seq"], put.json["batches"]["applied"]) == ("applied", 2, 2)
    assert (put.json["kind"], put.json["star"]["dim_staff"]["inserted"]) == ("incremental", 20)
    assert put.json["seconds"].keys() == {"load"}

    assert here(project.folder, "transform").out.startswith("nothing is pending (transform")
    assert here(project.folder, "load").out.startswith("nothing changed since batch 2 (load")
    for stage in ("extract", "transform", "load"):
        idle = here(project.folder, stage, "--json")
        assert (idle.code, idle.json["outcome"]) == (0, "nothing")


def test_every_stage_tells_how_far_it_is(project: Project) -> None:
    told: list[tuple[str, str, int]] = []

    class Ear(Watch):
        def __call__(self, stage: str, what: str, rows: int, _left: int = 0, /) -> None:
            told.append((stage, what, rows))

    progress = Ear()
    pipeline = project.pipeline()
    local.extract(pipeline, Run("one", "test", progress))
    assert ("extract", "staff", 20) in told
    project.update(CHANGE.format(2))
    local.extract(pipeline, Run("two", "test", progress))
    told.clear()
    local.transform(pipeline, progress)
    local.load(pipeline, progress)
    assert [(stage, what) for stage, what, _ in told] == [
        ("transform", "batch 1"),
        ("transform", "batch 2"),
        ("load", "batch 1"),
        ("load", "batch 2"),
    ]
    assert [rows for _, what, rows in told if what == "batch 2"] == [1, 1]


def test_a_column_that_nobody_named_is_warned_of_until_it_is(
    project: Project, here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    config = project.config("forgetful", {'drop = ["manager"]': ""})
    with caplog.at_level(logging.WARNING, "starlift"):
        here(project.folder, "extract", STARLIFT_CONFIG=config)
    (message,) = caplog.messages
    assert "columns manager of table department are neither taken nor dropped" in message
    assert message.endswith(f"name them under [tables.department] in {config}, then: starlift run")


def test_an_error_of_a_stage_alone_is_its_only_answer(untouched: Project, here: Here) -> None:
    missing = (untouched.folder / "unmounted").as_uri()
    for stage in ("transform", "load"):
        said = here(untouched.folder, stage, "--json", STARLIFT_PROCESSED=missing)
        assert said.code == 5
        assert said.json.keys() == {"error"}


def test_a_demo_that_is_not_there_cannot_be_taken_away(tmp_path: Path, here: Here) -> None:
    (tmp_path / ".env").write_text("half written")
    said = here(tmp_path, "demo", "--clean", "--folder", "elsewhere")
    assert (said.code, said.out) == (0, "there is no demo in elsewhere\n")
    assert here(tmp_path, "demo", "--clean", "--json").json == {"removed": []}

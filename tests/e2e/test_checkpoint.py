"""A checkpoint: from it on everything works without what was before, and nobody loses history unasked."""

from __future__ import annotations

import re
from argparse import Namespace

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.entrypoints import collecting, commands, rebuilding, status, verifying
from starlift.entrypoints.answers import Answer
from starlift.errors import ConfigurationError, DriftError, HeldError, StarliftError
from starlift.stages.beginning import first_batch
from starlift.stages.checkpoint import of_everything
from starlift.stages.shapes import Shapes
from starlift.stages.watch import UNWATCHED
from tests.e2e import edits
from tests.e2e.project import Project

HEALED = (
    "UPDATE currency SET currency_code = 'EUR' WHERE currency_id = 3;"
    "UPDATE sales_order SET agreed_payment_date = '2024-02-28' WHERE sales_order_id = 3;"
    "INSERT INTO design (design_id, design_name, file_location, file_name, last_updated) "
    "VALUES (9005, 'Later', '/usr', 'later-20241120-abcd.json', now())"
)
"""What heals the rows of an eventful history that wait."""


LONG = 50_000
"""A fourth of the characters of a name, of which twenty are more than a batch may have."""


def change(project: Project, sql: str) -> None:
    """Change the source."""
    with project.application() as application:
        application.run(sql)


def checkpoint(project: Project) -> Answer:
    """Run `starlift checkpoint` within this process."""
    return commands.checkpoint(commands.Call(project.pipeline(), Namespace()))


def rebuilt(project: Project, first: int | None = None) -> Answer:
    """Run `starlift rebuild` within this process."""
    return rebuilding.answer(project.pipeline(), (), UNWATCHED, first=first)


def gc(project: Project, before: int | None = None) -> dict[str, int]:
    """Run `starlift gc --older-than 0s` within this process; return how many objects went, and why."""
    told = collecting.answer(project.pipeline(), UNWATCHED, 0, before, dry_run=True)
    named = (told.document or {})["objects"]
    # manifests first: where it breaks off, no log begins with a batch that has lost its objects
    assert named == sorted(named, key=lambda name: "/manifests/" not in name)
    answer = collecting.answer(project.pipeline(), UNWATCHED, 0, before)
    assert (answer.document or {})["removed"] == (told.document or {})["removed"]
    return {why: each["objects"] for why, each in (answer.document or {})["removed"].items()}


def old_objects(project: Project, before: int) -> list[str]:
    """Return what the lakes have of batches before a number."""
    pattern = re.compile(r"seq=(\d{20})/|manifests/(\d{20})\.json$")
    found = [(key, pattern.search(key)) for key in project.objects()]
    return [key for key, match in found if match and int(match[1] or match[2]) < before]


def walked(project: Project) -> tuple[int, int, int]:
    """Run `starlift verify-log` within this process; return how it ends, and from where to where it went."""
    answer = verifying.log_answer(project.pipeline(), UNWATCHED)
    document = answer.document or {}
    if answer.errors:
        assert f"manifest {paths.manifest(3)} in the lake" in answer.errors[0].message
    return answer.exit_code, document["first"], document["applied"]


def current(project: Project, schema: str) -> dict[str, list[list[object]]]:
    """Return what a star shows of the present, but for surrogate keys."""
    facts = {
        "current_fact_payment": "payment_record_id",
        "current_fact_purchase_order": "purchase_record_id",
        "current_fact_sales_order": "sales_record_id",
    }
    tables = {**facts, "dim_staff": "", "dim_counterparty": "", "dim_currency": ""}
    return {
        name: project.query(
            f"SELECT CAST(to_jsonb(r) - '{own}' - 'valid_from' AS text) FROM \"{schema}\".{name} r ORDER BY 1"
        )
        for name, own in tables.items()
    }


def test_from_a_checkpoint_everything_goes_on_without_what_was_before(lived: Project) -> None:
    change(lived, HEALED)
    lived.cycle()
    change(lived, "DELETE FROM payment WHERE payment_id = 4; UPDATE payment SET paid = NOT paid")
    made = checkpoint(lived)
    assert (made.exit_code, made.errors) == (0, ())
    seq = (made.document or {})["checkpoint"]
    assert seq == 5
    assert f"batch {seq} is a checkpoint" in made.text
    assert lived.query("SELECT kind FROM starlift.applied WHERE seq = 5") == [["bootstrap"]]
    deleted = lived.differences()
    assert deleted.keys() == {"dim_design"}  # rows of dimensions stay
    history = lived.query("SELECT count(*) FROM history_fact_payment")

    newest = (lived.lakes["ingestion"] / paths.manifest(4)).read_bytes()
    assert gc(lived) == {}
    assert gc(lived, before=seq)["expired"] > 50
    assert old_objects(lived, seq) == []
    change(lived, "UPDATE staff SET first_name = 'Newest' WHERE staff_id = 1; UPDATE payment SET paid = true")
    assert lived.cycle()["seq"] == 6
    assert lived.differences() == deleted
    assert lived.query("SELECT count(*) FROM history_fact_payment") > history
    assert status.report(lived.pipeline()).errors == ()

    replayed = commands.replay(commands.Call(lived.pipeline(), Namespace(into="again"))).document or {}
    assert (replayed["first"], replayed["seq"]) == (5, 6)
    assert current(lived, "again") == current(lived, "public")

    assert walked(lived) == (0, 5, 6)
    late = lived.lakes["ingestion"] / paths.manifest(4)
    late.write_bytes(newest)
    assert walked(lived)[0] == 4
    late.unlink()

    with pytest.raises(HeldError, match="begins with checkpoint 5, the star with batch 1: no replay"):
        verifying.answer(lived.pipeline(), UNWATCHED, deep=True)
    with pytest.raises(HeldError, match=r"loses [1-9][\d,]* older versions") as refused:
        rebuilt(lived)
    assert refused.value.hint.endswith("starlift rebuild --from-checkpoint 5")
    assert lived.query("SELECT min(seq) FROM starlift.applied") == [[1]]
    seen = current(lived, "public")
    done = rebuilt(lived, first=5).document or {}
    assert (done["first"], done["seq"]) == (5, 6)
    assert lived.query("SELECT min(seq) FROM starlift.applied") == [[5]]
    assert current(lived, "public") == seen
    assert lived.differences().keys() == {"dim_design"}
    # what it said is gone with the history; orders refer to it all the same
    assert lived.query("SELECT design_name FROM dim_design WHERE design_id = 8") == [["(not loaded)"]]
    # the old generation may go, and there is no history left to lose
    assert set(gc(lived)) == {"generation"}
    assert walked(lived) == (0, 5, 6)
    pipeline = lived.pipeline()
    with pipeline.warehouse as warehouse:
        assert first_batch(pipeline.ingestion, warehouse, None) == 5


def refusal(project: Project) -> StarliftError:
    """Return why a checkpoint is refused; it has landed nothing."""
    before = len(list((project.lakes["ingestion"] / "manifests").iterdir()))
    answer = checkpoint(project)
    assert (answer.document or {})["checkpoint"] is None
    assert len(list((project.lakes["ingestion"] / "manifests").iterdir())) == before
    return answer.errors[0]


def test_what_cannot_be_a_checkpoint_is_refused_by_name(lived: Project) -> None:
    with pytest.raises(ConfigurationError, match="there is no batch in the lake"):
        of_everything({}, MemoryLake(), None, Shapes())
    config = lived.own_sql() / "pipeline.toml"
    sound = config.read_text()
    edits.replace(config, "[limits]\n", "[limits]\nmax_rows = 100\n")
    error = refusal(lived)
    assert isinstance(error, ConfigurationError)
    assert re.search(r"\w+ alone \d+", error.message)
    config.write_text(sound)
    edits.replace(config, "[limits]\n", '[limits]\nmemory = "150MB"\n')
    with lived.application() as application:
        application.run(f"UPDATE staff SET first_name = repeat('long', {LONG})")
    error = refusal(lived)
    assert isinstance(error, ConfigurationError)
    assert "batches of 1,000,000 bytes" in error.message
    config.write_text(sound)
    change(lived, "ALTER TABLE payment RENAME COLUMN paid TO settled")
    error = refusal(lived)
    assert isinstance(error, DriftError)
    assert "table payment is held" in error.message
    change(lived, "ALTER TABLE payment RENAME COLUMN settled TO paid")
    (lived.lakes["ingestion"] / paths.manifest(1)).unlink()
    with pytest.raises(HeldError, match="has no checkpoint to begin with"):
        rebuilt(lived)
    with pytest.raises(ConfigurationError, match=r"batch 2 of the lake .* is no checkpoint"):
        rebuilt(lived, first=2)

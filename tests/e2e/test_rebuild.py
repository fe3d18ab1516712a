"""Rebuild: the star of today's models, from what was landed, in one step that readers do not see coming."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

import pytest

from starlift.adapters.postgres import sweeping
from starlift.core import holding, paths
from starlift.entrypoints import local, rebuilding
from starlift.errors import ConfigurationError, HeldError, StarliftError, TooManyRejected
from starlift.stages.extract import Reconciliation
from starlift.stages.watch import UNWATCHED, Watch
from tests.e2e import chain, edits, stars
from tests.e2e.project import Project
from tests.postgres import connected


def rebuilt(project: Project, *named: str) -> dict[str, Any]:
    """Rebuild, which must succeed, within this process; return what `--json` would print."""
    answer = rebuilding.answer(project.pipeline(), named, UNWATCHED)
    assert not answer.errors
    assert answer.document
    assert answer.document["outcome"] == "rebuilt"
    return dict(answer.document)


def assert_live_is_what_a_replay_makes(project: Project) -> None:
    """The law of everything here: the live star is a function of the lake and of `sql/`."""
    local.replay(project.pipeline(), "other star")
    pair = ("other star", "other star_starlift")
    assert stars.contents(project, pair) == stars.contents(project)
    assert stars.catalogue(project, pair) == stars.catalogue(project)
    for schema in pair:
        project.query(f'DROP SCHEMA "{schema}" CASCADE')


def refused(error: StarliftError) -> str:
    """Return the message and the hint of an error of the configuration."""
    assert error.exit_code == 2
    return f"{error.message}\n{error.hint}"


def refusal_of_run(project: Project) -> str:
    """Run a cycle, which must refuse; return what it says."""
    (error,) = local.cycle(project.pipeline()).errors
    return refused(error)


def refusal_of_rebuild(project: Project, *named: str) -> str:
    """Rebuild, which must refuse; return what it says."""
    with pytest.raises(ConfigurationError) as caught:
        rebuilt(project, *named)
    return refused(caught.value)


def test_a_rebuild_by_unchanged_models_makes_the_same_star_and_the_pipeline_goes_on(lived: Project) -> None:
    before = stars.contents(lived)
    ran = rebuilt(lived)
    assert (ran["generation"], ran["changes"], ran["seq"]) == (1, {}, 3)
    assert ran["published"] == ["applied"]
    assert without_hashes(stars.contents(lived)) == without_hashes(before)
    assert lived.cycle()["outcome"] == "nothing"
    with lived.application() as application:
        application.run("UPDATE design SET design_name = 'After' WHERE design_id = 1")
    assert lived.cycle()["seq"] == 4
    assert lived.query("SELECT design_name FROM dim_design WHERE design_id = 1") == [["After"]]
    assert_live_is_what_a_replay_makes(lived)
    assert not (lived.lakes["processed"] / paths.manifest(4)).exists()


def without_hashes(contents: dict[str, str]) -> dict[str, str]:
    """Without the hashes of processed manifests: those of another generation name another manifest before."""
    lines = contents["ledger.applied"].splitlines()
    cut = ["\t".join(part for part in line.split("\t") if len(part) != 64) for line in lines]
    return {**contents, "ledger.applied": "\n".join(cut)}


def test_a_changed_model_stops_the_pipeline_until_it_is_rebuilt(lived: Project) -> None:
    model = lived.sql / "models/dim_design.sql"
    edits.replace(model, "design_name,", "upper(design_name) AS design_name,")
    objects, star = lived.objects(), stars.contents(lived)
    said = refusal_of_run(lived)
    assert "model dim_design has changed" in said
    assert said.endswith("starlift rebuild")
    assert (lived.objects(), stars.contents(lived)) == (objects, star)
    ran = rebuilt(lived, "dim_design")
    assert ran["changes"] == {"dim_design": "has changed"}
    assert ran["published"] == ["dim_design", "applied", "dimension_row"]
    assert lived.cycle()["outcome"] == "nothing"
    names = lived.query("SELECT DISTINCT design_name FROM dim_design WHERE design_name <> '(not loaded)'")
    assert names
    assert all(name == name.upper() for (name,) in names)
    assert_live_is_what_a_replay_makes(lived)


SOAK = bool(os.environ.get("STARLIFT_SOAK_KILLS"))
"""Whether to kill at more of the steps."""


@pytest.mark.parametrize(
    ("place", "steps"),
    [
        ("ingestion", range(1, 1000, 7 if SOAK else 11)),
        ("processed", range(1, 1000, 11 if SOAK else 17)),
        # a few while batches are loaded, and then all of those around the marker and the publishing
        ("warehouse", [2, 9, 20, 30, *range(19, 1000)]),
    ],
)
def test_a_rebuild_that_is_killed_anywhere_comes_to_the_same_end_when_it_is_run_again(
    lived: Project, place: str, steps: Sequence[int]
) -> None:
    edits.add_manager(lived)
    old = stars.contents(lived)
    killed_at: list[str] = []
    said: list[str] = []
    with lived.forks() as forks:
        for step in steps:
            killed = forks.kill_rebuild(place, step)
            if killed.code == 0:
                break
            assert killed.code == -9, killed
            killed_at.append(killed.step)
            if stars.contents(lived) != old:
                assert killed.step == "after COMMIT"
                break
            said.append(refusal_of_run(lived))
            assert said[-1].endswith("starlift rebuild")
    print(f"killed at {len(killed_at)} steps at the {place}:", *killed_at, sep="\n  ")  # noqa: T201
    assert len(killed_at) >= 4
    assert any("; a rebuild was begun and has made" in text for text in said)
    assert any("broke off before it was published" in text for text in said) == (place == "warehouse")
    assert_live_is_what_a_replay_makes(lived)
    assert lived.cycle()["outcome"] == "nothing"
    assert lived.query("SELECT FROM pg_namespace WHERE nspname LIKE 'starlift_build%'") == []


def test_a_rebuild_of_named_models_refuses_where_another_has_changed_and_names_it(lived: Project) -> None:
    for name in ("dim_design", "dim_currency"):
        model = lived.sql / f"models/{name}.sql"
        model.write_text(model.read_text() + "-- edited\n")
    said = refusal_of_rebuild(lived, "dim_design")
    assert "model dim_currency has changed" in said
    assert said.endswith("starlift rebuild dim_design dim_currency")
    assert "there is no model dim_desing" in refusal_of_rebuild(lived, "dim_desing")
    assert rebuilt(lived, "dim_currency", "dim_design")["published"] == ["applied"]
    edits.replace(lived.sql / "models/dim_design.sql", "from: design", "from: desing")
    assert refusal_of_rebuild(lived).endswith("edit sql/models/dim_design.sql, then: starlift rebuild")


EDITS: dict[str, Callable[[Project], None]] = {
    "a column that was not taken": edits.add_manager,
    "a column that may not be null, and others of wider types": edits.add_margin,
    "a table that was not taken": edits.add_region,
    "no payments": edits.remove_payments,
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_rebuild_takes_tables_and_columns_in_and_out_of_a_star_that_lives(
    lived: Project, edit: str
) -> None:
    EDITS[edit](lived)
    assert refusal_of_run(lived).endswith("starlift rebuild")
    rebuilt(lived)
    assert_live_is_what_a_replay_makes(lived)
    with lived.application() as application:
        application.run("UPDATE sales_order SET units_sold = 60001 WHERE sales_order_id = 1")
        application.run("UPDATE department SET manager = 'Ada' WHERE department_id = 1")
    assert lived.cycle()["seq"] >= 4
    assert_live_is_what_a_replay_makes(lived)
    assert chain_faults(lived) == []


def chain_faults(project: Project) -> list[str]:
    """What is wrong with the ingestion lake: the processed one has generations."""
    return [fault for fault in chain.faults(project) if fault.startswith("ingestion")]


def test_a_new_column_of_a_dimension_has_what_the_source_has(lived: Project) -> None:
    edits.add_manager(lived)
    rebuilt(lived)
    with lived.application() as application:
        managers = application.run(
            "SELECT staff_id, manager FROM staff JOIN department USING (department_id)"
        )
    assert lived.query("SELECT staff_id, manager FROM dim_staff ORDER BY 1") == sorted(managers)


def test_a_new_column_of_a_fact_is_filled_into_the_current_versions_and_makes_none(lived: Project) -> None:
    versions = "SELECT sales_record_id, sales_order_id, units_sold FROM fact_sales_order ORDER BY 1"
    before = lived.query(versions)
    edits.add_channel(lived)
    rebuilt(lived)
    assert lived.query(versions) == before
    with lived.application() as application:
        channels = dict(application.run("SELECT sales_order_id, channel FROM sales_order"))
    found = dict(lived.query("SELECT sales_order_id, channel FROM current_fact_sales_order"))
    # of an order in quarantine the version of before stays
    assert found == {**channels, 3: None}
    assert (found[1], found[2]) == (None, "shop")
    assert lived.query(
        "SELECT DISTINCT channel FROM history_fact_sales_order WHERE valid_to IS NOT NULL"
    ) == [[None]]
    assert_live_is_what_a_replay_makes(lived)


SOLD = """
CREATE VIEW sold AS SELECT first_name, CAST(sum(units_sold) AS bigint) AS units
FROM current_fact_sales_order JOIN dim_staff ON staff_id = sales_staff_id GROUP BY 1
"""


def test_what_people_made_of_the_star_survives_a_rebuild(lived: Project) -> None:
    for statement in (
        "GRANT SELECT ON dim_staff, current_fact_sales_order, history_fact_sales_order TO PUBLIC",
        "GRANT SELECT (first_name) ON dim_staff TO starlift_analyst",
        "COMMENT ON COLUMN dim_staff.first_name IS 'ours'",
        "COMMENT ON VIEW current_fact_sales_order IS 'ours too'",
        SOLD,
    ):
        lived.query(statement)
    acl = (
        "SELECT relname, CAST(relacl AS text), obj_description(oid) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    before = lived.query(acl), lived.query("TABLE sold ORDER BY 1")
    edits.add_manager(lived)
    edits.drop_location(lived)
    edits.add_margin(lived)
    said = refusal_of_rebuild(lived)
    assert "changes columns on which others build, and nothing was changed: view public.sold\n" in said
    assert said.endswith("starlift rebuild")
    assert "a rebuild was begun and has made 4 of 4 batches" in refusal_of_run(lived)
    assert (lived.query(acl), lived.query("TABLE sold ORDER BY 1")) == before
    lived.query("DROP VIEW sold")
    rebuilt(lived)
    lived.query(SOLD)
    assert (lived.query(acl), lived.query("TABLE sold ORDER BY 1")) == before


WHOLE = """
SELECT (SELECT count(*) FROM current_fact_sales_order JOIN dim_design USING (design_id)), count(*),
       count(*) FILTER (WHERE design_name = upper(design_name))
FROM dim_design
"""


def test_readers_see_the_old_star_whole_until_they_see_the_new_one(lived: Project) -> None:
    edits.replace(lived.sql / "models/dim_design.sql", "design_name,", "upper(design_name) AS design_name,")
    seen: list[tuple[int, ...]] = []
    stop = Event()

    def read() -> None:
        with connected(lived.warehouse.analyst) as analyst:
            while not stop.is_set():
                seen.append(tuple(analyst.run(WHOLE)[0]))

    reader = Thread(target=read)
    reader.start()
    try:
        rebuilt(lived)
    finally:
        stop.set()
        reader.join()
    sales, designs, _ = seen[0]
    with connected(lived.warehouse.analyst) as analyst:
        after = tuple(analyst.run(WHOLE)[0])
    assert set(seen) <= {seen[0], after}
    # all but the one that has not arrived
    assert (seen[0], after) == ((sales, designs, 0), (sales, designs, designs - 1))


def test_a_model_that_breaks_a_law_changes_nothing_and_its_correction_is_rebuilt(lived: Project) -> None:
    before = stars.contents(lived)
    (lived.sql / "checks/designs_do_not_shout.sql").write_text(
        "SELECT design_id FROM dim_design WHERE design_name = upper(design_name)"
    )
    model = lived.sql / "models/dim_design.sql"
    whole = model.read_text()
    edits.replace(model, "design_name,", "upper(design_name) AS design_name,")
    with pytest.raises(HeldError, match=r"breaks the law sql/checks/designs_do_not_shout\.sql"):
        rebuilt(lived)
    assert stars.contents(lived) == before
    assert "a rebuild was begun and has made 3 of 3 batches" in refusal_of_run(lived)
    model.write_text(whole.replace("design_name,", "lower(design_name) AS design_name,"))
    assert "a rebuild was begun" not in refusal_of_run(lived)
    assert rebuilt(lived)["generation"] == 2
    assert_live_is_what_a_replay_makes(lived)


def test_a_model_that_refuses_most_rows_is_held_unless_a_person_lets_them_pass(
    lived: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "LEAST_HELD", 1)
    assert rebuilt(lived)["published"] == ["applied"]  # what was let through before passes
    before = stars.contents(lived)
    model = lived.sql / "models/dim_design.sql"
    edits.replace(
        model, "design_name,", "required(nullif(design_name, design_name), 'no name') AS design_name,"
    )
    with pytest.raises(TooManyRejected, match="8 of 8 rows of design would go into quarantine") as caught:
        rebuilt(lived)
    assert caught.value.hint.endswith("starlift rebuild --release")
    assert stars.contents(lived) == before
    answer = rebuilding.answer(lived.pipeline(), (), UNWATCHED, release=True)
    assert not answer.errors
    assert lived.query("SELECT count(*) FROM starlift.quarantine WHERE source_table = 'design'")[0][0] > 9


def test_a_star_that_refuses_most_rows_is_held_too(lived: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "LEAST_HELD", 1)
    edits.add_channel(lived)
    edits.replace(lived.sql / "warehouse/040_channel.sql", "varchar;", "varchar NOT NULL;")
    with pytest.raises(TooManyRejected, match=r"fact_sales_order\.channel is NULL") as caught:
        rebuilt(lived)
    assert caught.value.hint.startswith("correct the model or the star's DDL")


def test_a_batch_that_waits_for_a_person_goes_on_waiting_after_a_rebuild(
    lived: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "LEAST_HELD", 1)
    with lived.application() as application:
        application.run("DELETE FROM payment WHERE payment_id > 1")
    wish = Reconciliation(tables=frozenset({"payment"}))
    (held,) = local.cycle(lived.pipeline(), reconciled=wish).errors
    assert held.exit_code == 4
    edits.replace(lived.sql / "models/dim_design.sql", "design_name,", "upper(design_name) AS design_name,")
    answer = rebuilding.answer(lived.pipeline(), (), UNWATCHED)
    assert [error.message for error in answer.errors] == [held.message]
    assert answer.document
    assert answer.document["seq"] == 3
    (again,) = local.cycle(lived.pipeline()).errors
    assert again.message == held.message
    done = local.cycle(lived.pipeline(), confirmed=(4,))
    assert not done.errors
    assert_live_is_what_a_replay_makes(lived)


def test_what_a_run_loads_while_a_rebuild_is_under_way_is_in_the_star_that_is_published(
    lived: Project,
) -> None:
    old = lived.pipeline()
    assert old.models  # as a process has them that began before the edit
    edits.replace(lived.sql / "models/dim_design.sql", "design_name,", "upper(design_name) AS design_name,")
    ran_between: list[int] = []

    class Meanwhile(Watch):
        def __call__(self, stage: str, what: str, _rows: int, _left: int = 0, /) -> None:
            if (stage, what) == ("load", "batch 3") and not ran_between:
                with lived.application() as application:
                    application.run("UPDATE design SET design_name = 'meanwhile' WHERE design_id = 1")
                done = local.cycle(old)
                assert not done.errors
                ran_between.append(done.document()["seq"])

    answer = rebuilding.answer(lived.pipeline(), (), Meanwhile())
    assert answer.document is not None
    assert (ran_between, answer.document["seq"]) == ([4], 4)
    assert lived.query("SELECT design_name FROM dim_design WHERE design_id = 1") == [["MEANWHILE"]]
    assert_live_is_what_a_replay_makes(lived)
    done = local.cycle(old)
    assert done.errors
    assert lived.query("SELECT max(seq) FROM starlift.applied") == [[4]]


def test_a_source_that_does_not_answer_is_told_and_the_star_is_made_of_what_was_landed(
    lived: Project,
) -> None:
    edits.replace(lived.sql / "models/dim_design.sql", "design_name,", "upper(design_name) AS design_name,")
    with lived.application() as application:
        application.run("ALTER ROLE starlift_source CONNECTION LIMIT 0")
        ran = lived.starlift("rebuild")
        application.run("ALTER ROLE starlift_source CONNECTION LIMIT -1")
    assert (ran.code, ran.document["outcome"], ran.document["seq"]) == (5, "rebuilt", 3)
    assert ran.document["error"]["code"] == "unavailable"
    assert_live_is_what_a_replay_makes(lived)


def test_the_star_of_another_pipeline_is_not_replaced(lived: Project) -> None:
    lived.query("UPDATE starlift.applied SET manifest_sha256 = 'another' WHERE seq = 3")
    before = stars.contents(lived)
    with pytest.raises(HeldError, match="did not come from the lake"):
        rebuilt(lived)
    assert stars.contents(lived) == before


def test_a_processed_lake_that_was_lost_is_made_again(lived: Project) -> None:
    before = stars.contents(lived)
    for entry in list(lived.lakes["processed"].iterdir()):
        entry.rename(lived.folder / f"lost {entry.name}")
    assert rebuilt(lived)["seq"] == 3
    assert without_hashes(stars.contents(lived)) == without_hashes(before)
    assert lived.cycle()["outcome"] == "nothing"

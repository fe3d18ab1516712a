"""What contradicts the batches before is refused, a row that waits stays where it is, and an outage does
not keep it there."""

from __future__ import annotations

from starlift.entrypoints import local
from starlift.entrypoints.initialise import LAKES
from starlift.stages.extract import Run
from tests.cli.project import Project, assert_refused, with_login
from tests.postgres import connected


def test_a_changed_model_is_refused_before_anything_is_landed(standing: Project) -> None:
    config = standing.config("changed-model", {"SELECT": "SELECT DISTINCT"}, "models/dim_design.sql")
    said = standing.starlift("run", "--json", STARLIFT_CONFIG=config)
    assert_refused(said, 2, "model dim_design has changed", "starlift rebuild")


def test_a_lake_belongs_to_one_source(standing: Project) -> None:
    config = standing.config("other-source", {'name = "totesys"': 'name = "shop"'})
    said = standing.starlift("run", "--json", STARLIFT_CONFIG=config)
    assert_refused(said, 2, "holds batches of 'totesys'", "'shop'", "set STARLIFT_INGESTION")


def test_a_warehouse_loaded_from_another_lake_is_held(standing: Project) -> None:
    others = {lake: standing.folder / "other-lake" / lake for lake in LAKES}
    for folder in others.values():
        folder.mkdir(parents=True)
    values = {f"STARLIFT_{lake.upper()}": folder.as_uri() for lake, folder in others.items()}
    said = standing.starlift("run", "--json", **values)
    assert_refused(said, 4, "batch 1 of the warehouse did not come from the lake", "other-lake/ingestion")
    assert said.json["outcome"] == "held"
    assert not [file for folder in others.values() for file in folder.iterdir()]


def test_a_processed_lake_of_another_pipeline_is_held(standing: Project) -> None:
    other = standing.folder / "other-processed"
    (other / "manifests").mkdir(parents=True)
    manifest = next((standing.lake / "processed" / "manifests").glob("*.json"))
    text = manifest.read_text().replace('"code_version":"', '"code_version":"another ')
    (other / "manifests" / manifest.name).write_text(text)
    said = standing.starlift("run", "--json", STARLIFT_PROCESSED=other.as_uri())
    assert_refused(said, 4, "batch 1 of the warehouse did not come from the lake", "other-processed")


def test_a_load_from_another_lake_is_held(standing: Project) -> None:
    other = standing.folder / "empty-processed"
    other.mkdir()
    said = standing.starlift("load", "--json", STARLIFT_PROCESSED=other.as_uri())
    assert_refused(said, 4, "batch 1 of the warehouse did not come from the lake", "empty-processed")
    assert set(said.json) == {"error"}


def test_an_outage_of_the_warehouse_does_not_keep_rows_in_the_source(project: Project) -> None:
    project.cycle()
    project.update("UPDATE design SET design_name = 'First' WHERE design_id = 1")
    url = with_login(project.warehouse.owner, database="gone")
    said = project.starlift("run", "--json", STARLIFT_WAREHOUSE_URL=url)
    assert_refused(said, 5, '"gone"')
    assert said.json["outcome"] == "failed"
    assert said.json["batches"] == {"landed": 1, "transformed": 1, "applied": 0}
    project.update("UPDATE design SET design_name = 'Second' WHERE design_id = 1")
    said = project.starlift("run")
    assert said.code == 0, said
    assert "batches 2 to 3 applied" in said.out
    assert project.query("SELECT design_name FROM dim_design WHERE design_id = 1") == [["Second"]]


def test_two_causes_give_the_code_of_the_first_in_the_contract_and_both_messages(project: Project) -> None:
    project.cycle()
    project.update("UPDATE design SET design_name = 'First' WHERE design_id = 1")
    local.extract(project.pipeline(), Run("run", "test"))
    with connected(project.warehouse.owner) as owner:
        owner.run("ALTER TABLE dim_design RENAME TO dim_desing")
    nowhere = with_login(project.source.reader, database="gone")
    said = project.starlift("run", "--json", STARLIFT_SOURCE_URL=nowhere)
    assert said.code == 5
    assert said.json["error"]["code"] == "unavailable"
    assert said.json["batches"] == {"landed": 0, "transformed": 1, "applied": 0}
    assert '"gone"' in said.err
    assert "dim_design" in said.err
    assert "Traceback" not in said.err


def test_a_load_that_finds_the_lock_taken_is_one_line_and_exit_code_6(project: Project) -> None:
    config = project.config("impatient", {'lock_wait = "30s"': 'lock_wait = "10ms"'})
    with connected(project.warehouse.owner) as other:
        other.run("SELECT pg_advisory_lock(hashtextextended('starlift writes starlift', 0))")
        said = project.starlift("run", STARLIFT_CONFIG=config)
    assert said.code == 6
    assert said.errors == ["starlift: another load holds the lock of schema starlift"]
    assert "batch 1 transformed and waiting" in said.out
    said = project.starlift("load", "--json")
    assert (said.code, said.json["outcome"], said.json["seq"]) == (0, "applied", 1)

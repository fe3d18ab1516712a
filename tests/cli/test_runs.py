"""`starlift runs` lists the newest batches, wherever they have come to."""

from __future__ import annotations

from pathlib import Path

from starlift.core import paths
from starlift.entrypoints import local
from starlift.stages.extract import Run
from tests.cli.conftest import Here
from tests.cli.project import Project


def test_it_lists_batches_newest_first_with_rows_seconds_and_how_far_they_came(
    project: Project, here: Here
) -> None:
    assert "there is no batch yet; the first one: starlift run" in here(project.folder, "runs").out
    project.update("UPDATE sales_order SET agreed_delivery_date = '31/02/2024' WHERE sales_order_id = 1")
    first = project.cycle()
    project.update("UPDATE design SET design_name = 'Changed' WHERE design_id = 1")
    project.cycle()
    project.update("UPDATE design SET design_name = 'Again' WHERE design_id IN (1, 2)")
    local.extract(project.pipeline(), Run("third", "test"))

    runs = here(project.folder, "runs", "--json").json["runs"]
    assert [(run["seq"], run["kind"], run["state"]) for run in runs] == [
        (3, "incremental", "landed"),
        (2, "incremental", "applied"),
        (1, "bootstrap", "applied"),
    ]
    landed, changed, bootstrap = runs
    assert (landed["run_id"], landed["read"], landed["star_rows"], landed["load_s"]) == (
        "third",
        2,
        None,
        None,
    )
    assert (changed["read"], changed["shipped"], changed["rejected"], changed["star_rows"]) == (1, 1, 0, 1)
    assert bootstrap["read"] == sum(counts["read"] for counts in first["tables"].values())
    assert (bootstrap["rejected"], bootstrap["shipped"]) == (1, bootstrap["read"] - 1)
    assert bootstrap["star"] == first["star"]
    for run in (changed, bootstrap):
        assert run["extract_s"] > 0
        assert run["load_s"] > 0
        assert run["lag_s"] >= 0

    text = here(project.folder, "runs", "--last", "2")
    assert [line.split()[:2] for line in text.out.splitlines()] == [
        ["batch", "kind"],
        ["3", "incremental"],
        ["2", "incremental"],
    ]
    assert here(project.folder, "runs", "--last", "0").code == 2

    # an object that has been expired takes only what it told with it
    Path(project.lake / "ingestion" / paths.manifest(1)).unlink()
    Path(project.lake / "processed" / paths.manifest(1)).unlink()
    oldest = here(project.folder, "runs", "--json").json["runs"][-1]
    assert (oldest["kind"], oldest["read"], oldest["extract_s"]) == ("bootstrap", None, None)
    assert oldest["load_s"] == bootstrap["load_s"]

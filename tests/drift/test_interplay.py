"""Commands meet one another's unfinished work: two rebuilds, one that broke off, a table held in chunks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from starlift.bootstrap import Pipeline
from starlift.core import paths
from starlift.entrypoints import local
from starlift.errors import LostRace
from starlift.settings import Settings
from starlift.stages.generations import Within
from starlift.stages.load import load
from starlift.stages.rebuild import Parts, rebuild
from starlift.stages.watch import Watch
from tests.drift.project import Project
from tests.postgres import connected


def pipeline(project: Project) -> Pipeline:
    """The project's pipeline as a process would have it that begins now."""
    config = str(project.folder / "sql" / "pipeline.toml")
    return Pipeline(Settings({**project.environment(), "STARLIFT_CONFIG": config}))


class Hurried(Watch):
    """Wishes to end as soon as that can be."""

    wished = True


@dataclass(frozen=True)
class Eventful(Within):
    """A lake in which something happens before a generation is committed."""

    deed: Callable[[], object]

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if key == paths.committed(1) or key == paths.committed(2):
            self.deed()
        return super().put_if_absent(key, data)


def rebuilt(project: Project, comment: str, deed: Callable[[], object]) -> None:
    """Change a model and rebuild, with something happening before the generation is committed."""
    file = project.folder / "sql" / "models" / "fact_visit.sql"
    file.write_text(f"{file.read_text()}\n-- {comment}\n")
    of = pipeline(project)
    lake = Eventful(of.processed_root, "", deed)
    with of.warehouse as warehouse:
        made_by = of.models, of.engine, of.code_version
        rebuild(Parts(of.ingestion, lake, warehouse, *made_by, share=1.0))


def test_of_two_rebuilds_of_other_models_one_publishes_its_own_star_or_none(project: Project) -> None:
    """The second begins anew in the place where the first is building, and dies before it commits."""

    def killed() -> None:
        raise KeyboardInterrupt

    def another() -> None:
        with pytest.raises(KeyboardInterrupt):
            rebuilt(project, "the second", killed)

    with pytest.raises(LostRace):
        rebuilt(project, "the first", another)
    # the first's generation is the current one by now, and nobody's star
    for words in (["load"], ["run"]):
        assert project.starlift(*words).json["error"]["hint"].endswith(": starlift rebuild")
    assert project.starlift("rebuild").code == 0
    assert project.run()["outcome"] == "nothing"
    assert project.starlift("verify").code == 0


def test_a_table_that_is_held_in_the_middle_of_its_chunks_is_compared_among_the_others(
    project: Project,
) -> None:
    project.declare({"[limits]": "[limits]\nmax_rows = 50"})
    project.change("INSERT INTO visit SELECT n, 1, 5 FROM generate_series(10, 200) AS n")
    assert local.cycle(pipeline(project), Hurried()).stopped
    project.change("ALTER TABLE visit RENAME length TO size", "UPDATE client SET name = 'Cleo' WHERE id = 1")
    assert (project.run(code=7)["outcome"], project.starlift("verify").code) == ("applied", 7)
    project.change("ALTER TABLE visit RENAME size TO length", "UPDATE visit SET length = 7 WHERE id = 12")
    said = project.starlift("verify")
    assert (said.code, set(said.json["tables"])) == (0, {"maker", "client", "sale", "visit"})
    assert said.json["tables"]["visit"]["pending"] > 100
    project.run()
    said = project.starlift("verify")
    assert (said.code, said.json["tables"]["visit"]["pending"]) == (0, 0)


def test_what_a_rebuild_is_the_first_to_find_missing_is_asked_for(project: Project) -> None:
    project.change("DELETE FROM visit WHERE id = 2")
    assert project.starlift("extract").code == 0
    assert project.starlift("rebuild").code == 0
    assert project.run()["star"]["fact_visit"]["tombstones"] == 1
    assert project.run()["outcome"] == "nothing"


class Dying:
    """A warehouse whose load is killed when it comes to publish."""

    def __init__(self, warehouse: Any) -> None:
        self._warehouse = warehouse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    def publish(self, *_: object, **__: object) -> None:
        raise KeyboardInterrupt


def test_a_star_that_is_built_and_not_published_is_what_the_next_run_publishes(project: Project) -> None:
    for lake in ("ingestion", "processed"):
        shutil.rmtree(project.folder / lake)
        (project.folder / lake).mkdir()
    with connected(project.warehouse.owner) as owner:
        owner.run("DROP SCHEMA starlift CASCADE")
        owner.run("DROP TABLE dim_date, dim_client, fact_sale, fact_visit CASCADE")
    assert project.starlift("migrate").code == 0
    project.declare({"[limits]": "[limits]\nmax_rows = 4"})
    for stage in ("extract", "transform"):
        assert project.starlift(stage).code == 0
    of = pipeline(project)
    with of.warehouse as warehouse:
        dying: Any = Dying(warehouse)
        with pytest.raises(KeyboardInterrupt):
            load(of.processed, dying)
    assert project.query("SELECT count(*) FROM starlift.applied") == [[0]]
    project.run()
    assert project.query("SELECT id FROM current_fact_visit ORDER BY 1") == [[1], [2]]

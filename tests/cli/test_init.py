"""`starlift init` makes a folder in which the pipeline runs, and touches nothing that is there."""

from __future__ import annotations

import re
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from starlift.entrypoints.initialise import LAKES, env_text, write_project
from starlift.errors import UnavailableError
from starlift.settings import VARIABLES, read_file
from tests.cli.conftest import Here
from tests.cli.project import Project, assert_refused
from tests.cli.unwritable import CAN_LOCK, locked, starlift_without_override
from tests.postgres import SQL, PostgresForTests, SourceDatabase

EXAMPLE = SQL.parent / ".env.example"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_becomes_a_pipeline_that_runs(
    tmp_path: Path, postgres: PostgresForTests, totesys_small: SourceDatabase
) -> None:
    with postgres.warehouse() as warehouse:
        project = Project(tmp_path, totesys_small, warehouse)
        said = project.starlift("init")
        assert said.code == 0, said
        assert said.out.splitlines()[0] == "wrote .env"
        assert said.out.endswith("Next: fill in .env, then: starlift migrate && starlift run\n")
        project.fill_in()
        migrated = project.starlift("migrate")
        assert migrated.code == 0, migrated
        assert "applied view current_fact_payment" in migrated.out
        assert project.starlift("migrate").out == "the warehouse is up to date\n"
        ran = project.starlift("run")
        assert ran.code == 0, ran
        assert "batch 1 applied" in ran.out
        assert ran.errors == []
        assert "nothing changed since batch 1" in project.starlift("run").out
        assert project.query("SELECT count(*) FROM dim_staff") == [[20]]
        told = "".join(f"{each.out}{each.err}" for each in (said, migrated, ran))
        assert str(tmp_path) not in told


def test_what_it_writes_is_the_sql_of_the_repository(tmp_path: Path) -> None:
    written, kept = write_project(tmp_path)
    assert kept == []
    assert set(written) == {".env", *(f"sql/{name}" for name in contents(SQL))}
    assert contents(tmp_path / "sql") == contents(SQL)


def test_only_its_owner_may_read_the_env(tmp_path: Path) -> None:
    write_project(tmp_path)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_second_time_keeps_everything(tmp_path: Path, here: Here) -> None:
    write_project(tmp_path)
    before = contents(tmp_path)
    said = here(tmp_path, "init", "--json")
    assert said.json["written"] == []
    assert set(said.json["kept"]) == set(before)
    assert contents(tmp_path) == before


def test_a_changed_file_stays_and_a_missing_one_comes_back(tmp_path: Path, here: Here) -> None:
    write_project(tmp_path)
    (tmp_path / ".env").write_text("STARLIFT_SOURCE_URL='half")
    (tmp_path / "sql" / "pipeline.toml").write_text("mine")
    (tmp_path / "sql" / "roles" / "source.sql").unlink()
    said = here(tmp_path, "init")
    assert said.out.splitlines() == [
        "wrote sql/ (1 file)",
        "kept  .env",
        f"kept  sql/ ({len(contents(SQL)) - 1} files)",
        "Next: starlift migrate && starlift run",
    ]
    assert (tmp_path / ".env").read_text() == "STARLIFT_SOURCE_URL='half"
    assert (tmp_path / "sql" / "pipeline.toml").read_text() == "mine"


def test_an_env_that_leads_elsewhere_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "not-mounted")
    assert ".env" in write_project(tmp_path)[1]
    assert not (tmp_path / "not-mounted").exists()
    assert not (tmp_path / "lake").exists()


def test_the_lakes_of_a_new_env_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "a folder # with 'odd' characters, ü"
    folder.mkdir()
    write_project(folder)
    values = read_file(folder / ".env")
    for lake in LAKES:
        assert values[f"STARLIFT_{lake.upper()}"] == (folder / "lake" / lake).as_uri()
        assert (folder / "lake" / lake).is_dir()


def test_the_example_of_the_repository_is_what_init_writes() -> None:
    """To change it: edit ENVIRONMENT in initialise.py, and write env_text(Path("/var/lib/starlift")) here."""
    assert EXAMPLE.read_text() == env_text(Path("/var/lib/starlift"))


def test_an_env_has_every_variable_that_is_needed_and_names_all_others(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(env_text(tmp_path))
    assert read_file(tmp_path / ".env").keys() == VARIABLES.keys()
    documented = (SQL.parent / "docs" / "configuration.md").read_text()
    names = set(re.findall(r"STARLIFT_[A-Z_]+[A-Z]", documented))
    assert names == set(re.findall(r"STARLIFT_[A-Z_]+[A-Z]", env_text(tmp_path)))


@pytest.mark.parametrize("name", ["sql", "lake"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UnavailableError, match=f"{name}.* cannot be written") as raised:
        write_project(tmp_path)
    assert raised.value.hint.endswith("starlift init")


@pytest.mark.skipif(not CAN_LOCK, reason="no folder can be locked to this user")
def test_a_folder_that_is_locked_is_refused(standing: Project) -> None:
    folder = standing.folder / "locked"
    folder.mkdir(exist_ok=True)
    write_project(folder)
    (folder / "sql" / "pipeline.toml").unlink()
    with locked(folder / "sql"):
        said = starlift_without_override(
            Project(folder, standing.source, standing.warehouse), "init", "--json"
        )
    assert_refused(said, 5, "sql/pipeline.toml cannot be written: Permission denied", "starlift init")


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Let a file of this process grow so far only, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    with file_size_limit(100), pytest.raises(UnavailableError, match=r"\.env cannot be written"):
        write_project(tmp_path)
    assert not (tmp_path / ".env").exists()
    assert ".env" in write_project(tmp_path)[0]

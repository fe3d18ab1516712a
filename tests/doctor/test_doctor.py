"""`starlift doctor` finds each fault where it was made for real, and its remedy is what mends it."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from starlift.adapters.memory import MemoryLake
from starlift.adapters.postgres.examination import is_pooled
from starlift.core import paths
from starlift.entrypoints.cli import main
from starlift.stages.probing import probe
from tests.cli.hints import ends_in_a_command
from tests.cli.project import with_login
from tests.drift.project import Project, Said, write_sql
from tests.e2e.relay import Relay
from tests.postgres import PostgresForTests, connected

SOURCE = """
CREATE TABLE client (id integer PRIMARY KEY, name text NOT NULL, seen timestamp NOT NULL DEFAULT now());
CREATE TABLE visit (id integer PRIMARY KEY, length smallint NOT NULL);
CREATE INDEX client_seen ON client (seen);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.seen := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON client FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE visit SET (autovacuum_enabled = false);
INSERT INTO client VALUES (1, 'Ann');
INSERT INTO visit VALUES (1, 10);
"""
CONFIG = """
[source]
name = "small"

[tables.client]
key = ["id"]
columns = ["id", "name", "seen"]
cursor = "seen"
mode = "timestamp"

[tables.visit]
key = ["id"]
columns = ["id", "length"]
"""
MODELS = {
    "dim_client": "-- One row per client.\n-- kind: dimension\n-- key: id\n-- from: client\n"
    "SELECT id, name FROM client",
}
STAR = "-- schema: star\nCREATE TABLE dim_client (id integer PRIMARY KEY, name text NOT NULL);\n"


@pytest.fixture(scope="module")
def project(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A pipeline without a fault, before its first batch."""
    folder = tmp_path_factory.mktemp("doctor")
    for lake in ("ingestion", "processed"):
        (folder / lake).mkdir()
    write_sql(folder, MODELS, STAR)
    (folder / "sql" / "pipeline.toml").write_text(CONFIG)
    with (
        postgres.other_source("doctor_small", SOURCE, ("public",)) as source,
        postgres.warehouse() as warehouse,
        pytest.MonkeyPatch.context() as patch,
    ):
        project = Project(folder, source, warehouse, patch)
        with connected(source.admin) as admin:
            admin.run(f"ALTER DATABASE {source.name} SET TimeZone = 'UTC'")
        assert project.starlift("migrate").code == 0
        yield project


UNNOTICED = "the server does not notice that a client is gone"
"""Begins what is to be noted of every warehouse on PostgreSQL 13."""


def found(said: Said, *levels: str) -> list[dict[str, Any]]:
    """Return the findings of some levels, all of whose remedies end in a command; not what is to be noted of
    this version of PostgreSQL wherever it is."""
    findings = said.json["findings"]
    assert isinstance(findings, list)
    for finding in findings:
        assert bool(finding["remedy"]) == (finding["level"] != "ok"), finding
        assert not finding["remedy"] or ends_in_a_command(finding["remedy"]), finding
        assert (finding["code"] == 0) == (finding["level"] != "bad"), finding
    return [
        finding
        for finding in findings
        if finding["level"] in levels and not finding["what"].startswith(UNNOTICED)
    ]


def is_well(project: Project) -> None:
    said = project.starlift("doctor")
    assert (said.code, found(said, "note", "bad")) == (0, []), said.json


def follow(remedy: str, admin: pg8000.native.Connection) -> None:
    """Do what a remedy says, as an administrator of the source."""
    program, _, database, _, statement = shlex.split(remedy[remedy.index("psql") :])
    assert (program, database) == ("psql", admin.run("SELECT current_database()")[0][0])
    admin.run(statement)


def test_a_pipeline_without_a_fault_is_well_and_is_told_what_was_looked_at(project: Project) -> None:
    said = project.starlift("doctor")
    assert (said.code, found(said, "note", "bad")) == (0, [])
    parts = {finding["part"] for finding in found(said, "ok")}
    assert parts == {"configuration", "source", "warehouse", "ingestion", "processed", "pipeline"}
    whats = " ".join(finding["what"] for finding in found(said, "ok"))
    for part in ("pg_read_all_stats", "no transaction is prepared", "clock", "UTF8", "trigger touch", "UTC",
                 "put if absent", "table visit is read by xid", "migrated; no extension"):  # fmt: skip
        assert part in whats, part
    assert said.json["findings"] == project.starlift("doctor").json["findings"]


def test_a_server_that_does_not_notice_that_a_client_is_gone_is_noted(
    project: Project, postgres: PostgresForTests
) -> None:
    noted = [finding["what"] for finding in project.starlift("doctor").json["findings"]]
    assert any(what.startswith(UNNOTICED) for what in noted) == (postgres.version < 14)


def test_a_person_reads_a_line_each_with_the_remedy_below_it(
    project: Project, capsys: pytest.CaptureFixture[str], postgres: PostgresForTests
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        gone = {"STARLIFT_PROCESSED": (project.folder / "unmounted").as_uri()}
        for name, value in {**project.environment(), **gone}.items():
            patch.setenv(name, value)
        assert main(["doctor"]) == 5
    *lines, fault, remedy, empty, count = capsys.readouterr().out.splitlines()
    others = [line for line in lines if not line.startswith("ok    ")]
    old = postgres.version < 14  # one note, and its remedy on a line of its own
    assert [line[:21] for line in others] == (["note  warehouse      ", " " * 21] if old else [])
    assert fault.startswith("bad   processed      cannot read generations/head: ")
    assert remedy.startswith(" " * 21)
    assert ends_in_a_command(remedy.strip())
    assert (empty, count) == ("", f"1 bad, {int(old)} to note, {len(lines) - len(others)} ok")


SQL_FAULTS = {
    "no right to select": (
        "REVOKE SELECT ON visit FROM starlift_source",
        "bad",
        5,
        "may not select id, length",
    ),
    "row-level security": (
        "ALTER TABLE visit ENABLE ROW LEVEL SECURITY",
        "bad",
        5,
        "row-level security hides",
    ),
    "no index": ("DROP INDEX client_seen", "note", 0, "no index begins with the cursor client.seen"),
    "bloat": (
        "INSERT INTO visit SELECT n, 1 FROM generate_series(2, 12000) AS n; DELETE FROM visit WHERE id > 1",
        "note",
        0,
        "table visit has 11,999 dead rows",
    ),
}


def await_statistics(project: Project, admin: pg8000.native.Connection, *, noted: bool) -> Said:
    """They come when they come; before PostgreSQL 15 only while their session does something."""
    while bool(found(said := project.starlift("doctor"), "note")) != noted:
        admin.run("SELECT")
    return said


@pytest.mark.parametrize("fault", SQL_FAULTS)
def test_a_fault_of_the_source_is_found_and_its_remedy_mends_it(project: Project, fault: str) -> None:
    make, level, code, what = SQL_FAULTS[fault]
    with connected(project.source.admin) as admin:
        for statement in make.split("; "):
            admin.run(statement)
        said = project.starlift("doctor")
        if fault == "bloat":
            said = await_statistics(project, admin, noted=True)
        (finding,) = found(said, "note", "bad")
        assert (finding["level"], said.code) == (level, code), finding
        assert what in finding["what"]
        follow(finding["remedy"], admin)
        if fault == "row-level security":
            is_well(project)
            admin.run("ALTER ROLE starlift_source NOBYPASSRLS")
            admin.run("ALTER TABLE visit DISABLE ROW LEVEL SECURITY")
            return
        if fault == "bloat":
            await_statistics(project, admin, noted=False)
        is_well(project)


def test_who_holds_watermarks_back_is_named_and_can_be_ended(project: Project) -> None:
    with connected(project.source.admin) as admin:
        clerk = pg8000.native.Connection(**_arguments(project.source.admin))
        clerk.run("BEGIN")
        (pid,) = clerk.run("SELECT pg_backend_pid()")[0]
        (finding,) = found(project.starlift("doctor"), "note", "bad")
        assert f"pid {pid} of postgres is idle in a transaction" in finding["what"]
        follow(finding["remedy"], admin)
        clerk._usock.close()

        admin.run("BEGIN")
        admin.run("INSERT INTO visit VALUES (7, 7)")
        admin.run("PREPARE TRANSACTION 'a ''b'")
        (finding,) = found(project.starlift("doctor"), "note", "bad")
        assert "transaction a 'b of postgres is prepared since" in finding["what"]
        follow(finding["remedy"], admin)
    is_well(project)


def test_sessions_whose_state_is_hidden_keep_the_watermark_where_it_is(project: Project) -> None:
    with connected(project.source.admin) as admin:
        admin.run("SET track_activities = off")
        said = project.starlift("doctor")
        (finding,) = found(said, "note", "bad")
        assert (said.code, finding["level"]) == (4, "bad")
        assert "sessions that hide their state (track_activities off): 1" in finding["what"]
        admin.run("SET track_activities = on")
        admin.run("SELECT 1")
        is_well(project)


def test_a_role_that_does_not_see_others_sessions_cannot_read_by_cursor(project: Project) -> None:
    with connected(project.source.admin) as admin:
        admin.run("REVOKE pg_read_all_stats FROM starlift_source")
        try:
            said = project.starlift("doctor")
            note, bad = found(said, "note"), found(said, "bad")
            assert (said.code, len(note), len(bad)) == (2, 1, 1)
            assert "mode timestamp needs to see every open transaction" in bad[0]["what"]
        finally:
            follow(found(said, "note")[0]["remedy"], admin)
    is_well(project)


def test_a_cursor_that_nothing_moves_and_a_zone_with_summer_time_are_named_as_untold(
    project: Project,
) -> None:
    with connected(project.source.admin) as admin:
        admin.run("ALTER TABLE client DISABLE TRIGGER touch")
        admin.run(f"ALTER DATABASE {project.source.name} SET TimeZone = 'Europe/London'")
        said = project.starlift("doctor")
        assert said.code == 0
        moves, zone = (finding["what"] for finding in found(said, "note", "bad"))
        assert "whether the cursor client.seen moves on update cannot be told: no trigger moves it" in moves
        assert "TimeZone is Europe/London, which has summer time; in which zone" in zone
        admin.run("ALTER TABLE client ENABLE TRIGGER touch")
        admin.run(f"ALTER DATABASE {project.source.name} SET TimeZone = 'UTC'")
    is_well(project)


def test_a_table_near_the_scan_budget_is_noted(project: Project) -> None:
    project.declare({'name = "small"': 'name = "small"\n\n[limits]\nscan_budget = "8kB"'})
    (finding,) = found(project.starlift("doctor"), "note", "bad")
    assert "of scan_budget, and every poll scans it" in finding["what"]
    project.declare({'name = "small"\n\n[limits]\nscan_budget = "8kB"': 'name = "small"'})


def with_values(project: Project, **values: str) -> Said:
    """Run the doctor with other variables."""
    there = {**project.environment(), **values}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "environment", lambda _: there)
        return project.starlift("doctor")


def test_what_lies_between_is_noted_and_what_is_not_there_is_exit_code_5(project: Project) -> None:
    with Relay(project.source.reader) as relay:
        (finding,) = found(with_values(project, STARLIFT_SOURCE_URL=relay.url), "note", "bad")
        assert "at another port than the one dialled" in finding["what"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = with_login(project.source.reader, port=free.getsockname()[1])
        said = with_values(project, STARLIFT_SOURCE_URL=nowhere)
    (finding,) = found(said, "note", "bad")
    assert (said.code, finding["part"]) == (5, "source")


def test_a_pool_by_transaction_is_noticed(project: Project) -> None:
    with connected(project.source.reader) as one, connected(project.source.reader) as other:

        class Pool:
            """Gives each statement the other session."""

            def __init__(self) -> None:
                self.sessions = [one, other]

            def run(self, statement: str) -> Any:
                self.sessions.reverse()
                return self.sessions[0].run(statement)

        assert is_pooled(Pool())
        assert not is_pooled(one)


def test_an_encoding_that_checks_nothing_is_noted_beside_the_tables_that_are_not_there(
    project: Project,
) -> None:
    with connected(project.source.admin) as admin:
        name = f"{project.source.name}_ascii"
        admin.run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
        said = with_values(project, STARLIFT_SOURCE_URL=with_login(project.source.reader, database=name))
        admin.run(f"DROP DATABASE {name}")
    assert said.code == 2
    assert "its encoding is SQL_ASCII" in found(said, "note")[0]["what"]
    assert ["is not in the source" in finding["what"] for finding in found(said, "bad")] == [True, True]


def test_a_warehouse_that_lacks_something_says_what(project: Project) -> None:
    name = project.warehouse.name
    with connected(project.warehouse.admin) as admin:
        admin.run(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC, starlift_warehouse")
        said = project.starlift("doctor")
        (finding,) = found(said, "note", "bad")
        assert said.code == 5
        assert "role starlift_warehouse may not make temporary tables" in finding["what"]
        assert finding["remedy"].endswith(f"psql -d {name} -f sql/roles/warehouse.sql")
        admin.run(f"GRANT TEMPORARY ON DATABASE {name} TO starlift_warehouse")
        admin.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        (finding,) = found(project.starlift("doctor"), "note", "bad")
        assert "it is read-only" in finding["what"]
        admin.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    (project.folder / "sql" / "warehouse" / "900_more.sql").write_text("-- schema: star\nSELECT 1;\n")
    said = project.starlift("doctor")
    (finding,) = found(said, "note", "bad")
    assert (said.code, finding["what"]) == (2, "not applied yet: 900_more.sql")
    (project.folder / "sql" / "warehouse" / "900_more.sql").unlink()
    is_well(project)


def test_a_lake_that_is_not_there_is_exit_code_5_and_the_rest_is_looked_at(project: Project) -> None:
    gone = (project.folder / "unmounted").as_uri()
    said = with_values(project, STARLIFT_INGESTION=gone)
    (finding,) = found(said, "note", "bad")
    assert (said.code, finding["part"]) == (5, "ingestion")
    assert {finding["part"] for finding in found(said, "ok")} >= {"source", "warehouse", "processed"}


def test_a_configuration_that_cannot_be_read_is_said_once(project: Project) -> None:
    said = with_values(project, STARLIFT_CONFIG=str(Path("nowhere") / "pipeline.toml"))
    (finding,) = found(said, "note", "bad")
    assert (said.code, finding["part"]) == (2, "configuration")


class Careless(MemoryLake):
    """A store that ignores If-None-Match."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


def test_a_store_that_gives_a_name_twice_is_a_fault() -> None:
    finding = probe(Careless("careless"), "processed")[-1]
    assert (finding.level, finding.code) == ("bad", 2)
    assert "lets a name be taken twice" in finding.what
    assert ends_in_a_command(finding.remedy)


def test_a_lake_is_tried_under_a_name_that_no_batch_has() -> None:
    lake = MemoryLake("lake")
    for _ in range(2):
        assert [finding.level for finding in probe(lake, "ingestion")] == ["ok", "ok"]
    assert list(lake.keys("")) == [paths.PROBE]


def _arguments(url: str) -> dict[str, Any]:
    from starlift.adapters.postgres.connection import Dsn, connection_arguments

    return connection_arguments(Dsn.parse(url), "source")

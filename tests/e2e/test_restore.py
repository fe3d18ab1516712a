"""A source that is not where it was: restored from an older backup, on its old timeline or a new one, or
replaced by another server."""

from __future__ import annotations

import random
import shutil
import subprocess  # nosec B404
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from starlift.adapters.embedded import EmbeddedServer
from starlift.adapters.embedded.provision import create_database, run_script, set_password
from starlift.totesys import changes
from tests.e2e import chain
from tests.e2e.conftest import fill_tiny
from tests.e2e.project import Project, new_project
from tests.e2e.test_deletes import delete_sale, gone, history, settle
from tests.postgres import PostgresForTests, SourceDatabase, connected, new_server, script

NOON = datetime(2024, 11, 5, 12)
READER = "starlift_source"
NewSource = Callable[[str], tuple[EmbeddedServer, SourceDatabase]]


@pytest.fixture
def new_source(tmp_path: Path) -> Iterator[NewSource]:
    """Makes tiny Totesys on servers of their own, which may be stopped and replaced."""
    servers = []

    def make(name: str) -> tuple[EmbeddedServer, SourceDatabase]:
        server = new_server(tmp_path / name)
        servers.append(server)
        server.start()
        with connected(server.url()) as admin:
            create_database(admin, "totesys")
        with connected(server.url("totesys")) as admin:
            run_script(admin, script("source/totesys.sql"))
            fill_tiny(admin)
            run_script(admin, script("roles/source.sql"))
            set_password(admin, READER, "secret")
        urls = server.url("totesys"), server.url("totesys", READER, "secret")
        return server, SourceDatabase("totesys", *urls)

    yield make
    for server in servers:
        server.remove()


def data_of(server: EmbeddedServer) -> Path:
    with connected(server.url()) as admin:
        return Path(admin.run("SHOW data_directory")[0][0])


def back_up(server: EmbeddedServer) -> Path:
    """Copy a server's data, cold; return where."""
    data = data_of(server)
    server.stop()
    subprocess.run(["cp", "-a", data, f"{data}.backup"], check=True)
    server.start()
    return data


def restore(server: EmbeddedServer, data: Path, new_timeline: bool) -> None:
    """Put the copy back; recovery from an archive, here an empty one, ends on a timeline of its own."""
    server.stop()
    shutil.rmtree(data)
    shutil.move(f"{data}.backup", data)
    if new_timeline:
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write("restore_command = 'false'\n")
        signal = data / "recovery.signal"
        signal.touch()
        shutil.chown(signal, data.stat().st_uid, data.stat().st_gid)
    server.start()


@pytest.mark.parametrize("new_timeline", [False, True], ids=["same timeline", "new timeline"])
def test_a_source_restored_from_an_older_backup_is_read_whole_and_the_star_follows_it_back(
    still_server: PostgresForTests, new_source: NewSource, tmp_path: Path, new_timeline: bool
) -> None:
    server, source = new_source("restored")
    folder = tmp_path / "project"
    folder.mkdir()
    with new_project(still_server, source, folder) as project:
        project.cycle()
        data = back_up(server)
        delete_sale(project, 2)
        with project.application() as application:
            application.run("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 1")
            changes.place_orders(application, random.Random(1), NOON, sales=1)  # noqa: S311
            (new,) = application.run("SELECT max(sales_order_id) FROM sales_order")[0]
        settle(project)
        assert gone(project.differences()) == set()

        restore(server, data, new_timeline)
        ran = project.starlift("run")
        assert ran.code == 0, ran
        cause = "timeline went from 1 to 2" if new_timeline else "write-ahead log went back"
        assert cause in ran.stderr
        settle(project)

        assert gone(project.differences()) == set()
        facts = "fact_sales_order", "sales_order_id"
        assert history(project, *facts, 1) == ["insert", "update", "update"]
        assert history(project, *facts, 2) == ["insert", "delete", "insert"]
        assert history(project, *facts, new) == ["insert", "delete"]
        assert chain.faults(project) == []


def test_another_server_is_read_once_a_person_says_that_it_took_the_place(
    still_server: PostgresForTests, new_source: NewSource, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    _, first = new_source("first")
    with new_project(still_server, first, folder) as project:
        project.cycle()
        _, second = new_source("second")
        moved: Project = replace(project, source=second)
        delete_sale(moved, 2)
        for command in (["run"], ["reconcile", "sales_order"]):
            refused = moved.starlift(*command)
            assert (refused.code, refused.document["error"]["code"]) == (4, "inventory_needed")
            assert refused.document["error"]["hint"].endswith(": starlift reconcile")
        assert moved.starlift("reconcile").code == 0
        settle(moved)
        assert gone(moved.differences()) == set()
        assert history(moved, "fact_sales_order", "sales_order_id", 2) == ["insert", "delete"]
        assert history(moved, "fact_sales_order", "sales_order_id", 1) == ["insert"], "equal rows stay"

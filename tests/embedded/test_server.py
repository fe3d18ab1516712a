"""One server, started by another process that is gone, and what a user of it may rely on."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pg8000.exceptions import InterfaceError

from starlift.adapters.embedded import EmbeddedServer, postmaster
from starlift.errors import UnavailableError
from tests.postgres import connected

SETTINGS = {"fsync": "off", "max_prepared_transactions": "10"}

_START = """
import json, sys
from starlift.adapters.embedded import EmbeddedServer
EmbeddedServer(sys.argv[1], json.loads(sys.argv[2])).start()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    folder = tempfile.mkdtemp(prefix="starlift tests-")
    Path(folder).chmod(0o755)
    try:
        subprocess.run([sys.executable, "-c", _START, folder, json.dumps(SETTINGS)], check=True)
        yield EmbeddedServer(folder, SETTINGS)
    finally:
        EmbeddedServer(folder).remove()


@pytest.fixture(autouse=True)
def running(server: EmbeddedServer) -> None:
    server.start()


def pid(server: EmbeddedServer) -> int:
    found = postmaster.find(data(server))
    assert found is not None
    return found.pid


def data(server: EmbeddedServer) -> Path:
    place = json.loads((server.folder / "server.json").read_text())
    return server.folder / str(place["cluster"]) / "data"


def kill(server: EmbeddedServer) -> None:
    os.kill(pid(server), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.running and time.monotonic() < deadline:
        time.sleep(0.01)


def test_it_outlives_the_process_that_started_it_and_is_found_by_its_folder(server: EmbeddedServer) -> None:
    assert server.running
    with connected(server.url()) as connection:
        assert connection.run("SHOW max_prepared_transactions") == [["10"]]


def test_starting_twice_is_the_same_server(server: EmbeddedServer) -> None:
    before = pid(server)
    EmbeddedServer(server.folder).start()
    assert pid(server) == before


def test_a_stopped_server_starts_again_on_its_port_with_its_data(server: EmbeddedServer) -> None:
    with connected(server.url()) as connection:
        connection.run("CREATE TABLE kept AS SELECT 7 AS number")
    port = server.port
    server.stop()
    assert not server.running
    server.stop()
    server.start()
    assert server.port == port
    with connected(server.url()) as connection:
        assert connection.run("DELETE FROM kept RETURNING number") == [[7]]
        connection.run("DROP TABLE kept")


def test_it_comes_back_after_a_hard_kill_with_what_was_committed(server: EmbeddedServer) -> None:
    with connected(server.url()) as connection:
        connection.run("CREATE TABLE committed AS SELECT 8 AS number")
    kill(server)
    assert not server.running
    server.start()
    with connected(server.url()) as connection:
        assert connection.run("SELECT number FROM committed") == [[8]]
        connection.run("DROP TABLE committed")


def test_a_start_waits_for_a_killed_servers_last_child(server: EmbeddedServer) -> None:
    """It holds the shared memory until it notices, and a busy one does not notice."""

    def keep_busy() -> None:
        with suppress(InterfaceError, OSError), connected(server.url()) as connection:
            began.set()
            connection.run(
                "DO $$ DECLARE until timestamptz := clock_timestamp() + interval '1.2 s'; "
                "BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$; SELECT pg_sleep(9)"
            )

    began = threading.Event()
    busy = threading.Thread(target=keep_busy)
    busy.start()
    began.wait()
    time.sleep(0.2)
    kill(server)
    began_at = time.monotonic()
    server.start()
    assert time.monotonic() - began_at > 0.5
    busy.join()


def test_a_dead_servers_pid_that_now_is_a_strangers_does_not_stop_a_start(server: EmbeddedServer) -> None:
    kill(server)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        file = data(server) / "postmaster.pid"
        file.write_text("\n".join([str(stranger.pid), *file.read_text().splitlines()[1:]]) + "\n")
        server.start()
        stranger.terminate()
    assert server.running


def test_two_starts_at_once_make_one_server(server: EmbeddedServer) -> None:
    server.stop()
    starts = [threading.Thread(target=EmbeddedServer(server.folder, SETTINGS).start) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert server.running


def test_a_port_that_someone_took_is_given_up(server: EmbeddedServer) -> None:
    port = server.port
    server.stop()
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", port))
        taker.listen()
        server.start()
        assert server.port != port
    with connected(server.url()) as connection:
        assert connection.run("SELECT 1") == [[1]]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8 as loopback")
def test_it_listens_on_no_address_but_127_0_0_1(server: EmbeddedServer) -> None:
    socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)
    with connected(server.url()) as connection:
        assert connection.run("SHOW unix_socket_directories") == [[""]]


def test_nobody_gets_in_without_the_password(server: EmbeddedServer) -> None:
    for wrong in ("postgres", server.password[:-1]):
        with pytest.raises(UnavailableError), connected(server.url(password=wrong)):
            pass
    with connected(server.url()) as connection:
        methods = connection.run("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert methods == [["scram-sha-256"]]


def test_only_its_owner_may_read_the_password(server: EmbeddedServer) -> None:
    file = server.folder / "password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(server.password) >= 24
    assert server.password not in (data(server).parent / "log").read_text()
    assert not list(data(server).parent.glob("*password*"))


def test_a_url_quotes_what_it_carries(server: EmbeddedServer) -> None:
    assert server.url("a b", "o'k@f", "p:/w%") == (
        f"postgresql://o%27k%40f:p%3A%2Fw%25@127.0.0.1:{server.port}/a%20b"
    )
    assert server.url(user="guest") == f"postgresql://guest@127.0.0.1:{server.port}/postgres"


def test_text_is_utf_8_and_sorts_by_code_point(server: EmbeddedServer) -> None:
    with connected(server.url()) as connection:
        ordered = connection.run(
            "SELECT string_agg(word, '' ORDER BY word), upper('é'), current_setting('server_encoding') "
            "FROM unnest(ARRAY['é', 'a', 'Z', '😀', 'B']) AS word"
        )
    assert ordered == [["BZaé😀", "É", "UTF8"]]


def test_commits_are_durable_unless_asked_otherwise(server: EmbeddedServer) -> None:
    server.stop()
    durable = EmbeddedServer(server.folder)
    durable.start()
    with connected(durable.url()) as connection:
        shown = connection.run(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), "
            "current_setting('full_page_writes'), current_setting('data_checksums')"
        )
    durable.stop()
    assert shown == [["on", "on", "on", "on"]]


def test_settings_cannot_open_it_to_the_network(server: EmbeddedServer) -> None:
    server.stop()
    EmbeddedServer(server.folder, {**SETTINGS, "listen_addresses": "*"}).start()
    with connected(server.url()) as connection:
        assert connection.run("SHOW listen_addresses") == [["127.0.0.1"]]


def test_a_start_that_fails_says_what_the_server_said(server: EmbeddedServer) -> None:
    server.stop()
    with pytest.raises(UnavailableError, match="no_such_setting") as raised:
        EmbeddedServer(server.folder, {"no_such_setting": "1"}).start()
    assert raised.value.hint.startswith("tail -n 30 ")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_server_that_does_not_stop_in_time_is_an_error(server: EmbeddedServer) -> None:
    frozen = pid(server)
    os.kill(frozen, signal.SIGSTOP)
    try:
        with pytest.raises(UnavailableError, match="did not stop"):
            EmbeddedServer(server.folder, patience=1).stop()
    finally:
        os.kill(frozen, signal.SIGCONT)
    server.stop()


_TEST_RUN = """
from tests.postgres import server_of_this_process
with server_of_this_process() as server:
    print(server.folder, server.port, flush=True)
    input()
"""


def test_a_test_run_that_is_killed_leaves_no_server_and_no_folder() -> None:
    command, root = [sys.executable, "-c", _TEST_RUN], Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as run:
        assert run.stdout is not None
        folder, port = run.stdout.readline().split()
        run.kill()
    deadline = time.monotonic() + 30
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=5)

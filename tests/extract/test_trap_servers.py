"""Traps that take a server of the test's own: a standby, and one whose transaction ids are far along."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pg8000.native
import pytest

from starlift.adapters.embedded import EmbeddedServer
from starlift.adapters.embedded.account import Account, account_for, give, run_as
from starlift.adapters.embedded.binaries import programs
from starlift.core import polling
from starlift.errors import ConfigurationError
from tests.extract.conftest import Extractor, MakeExtractor
from tests.postgres import connected, new_server
from tests.versions.choice import chosen

ITEM = "CREATE TABLE item (id int PRIMARY KEY, name text, changed timestamptz DEFAULT now())"
PATIENCE = 60.0
SEGMENT = 1 << 20
"""Transactions of which one file of pg_xact says how they ended, with two bits each."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server with two items."""
    server = new_server(tmp_path / "server")
    server.start()
    with connected(server.url()) as owner:
        owner.run(ITEM)
        owner.run("INSERT INTO item VALUES (1, 'a'), (2, 'b')")
    yield server
    server.remove()


def data_of(server: EmbeddedServer) -> Path:
    place = json.loads((server.folder / "server.json").read_text())
    return Path(server.folder, place["cluster"], "data")


@pytest.fixture
def standby(server: EmbeddedServer, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A standby that follows the server: a copy of its data, cold, told whom to follow."""
    data = data_of(server)
    server.stop()
    standby = new_server(tmp_path / "standby")
    standby.folder.mkdir()
    place = json.loads((server.folder / "server.json").read_text())
    if not Path(place["cluster"]).is_relative_to("/"):
        copy = standby.folder / "cluster"
    else:
        copy = data.parent.with_name(f"{data.parent.name}-standby")
        place["cluster"] = str(copy)
    subprocess.run(["cp", "-a", data.parent, copy], check=True)
    # the port is taken, so the start will choose another
    (standby.folder / "server.json").write_text(json.dumps(place))
    (standby.folder / "password").write_text(server.password)
    server.start()
    with (copy / "data" / "postgresql.auto.conf").open("a") as settings:
        login = f"user=postgres password={server.password}"
        settings.write(f"primary_conninfo = 'host=127.0.0.1 port={server.port} {login}'\n")
    (copy / "data" / "standby.signal").touch()
    give(copy / "data" / "standby.signal", account_for(data))
    standby.start()
    yield standby
    standby.remove()


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def names(connection: pg8000.native.Connection) -> list[str]:
    return [name for (name,) in connection.run("SELECT name FROM item ORDER BY id") or ()]


def extractor_at(server: EmbeddedServer, extractor: Extractor) -> Extractor:
    extractor.url = server.url()
    return extractor


def test_a_standby_whose_activity_and_rows_are_not_its_primary_s_is_refused_until_it_is_promoted(
    server: EmbeddedServer, standby: EmbeddedServer, extractor_of: MakeExtractor
) -> None:
    with connected(server.url()) as owner, connected(server.url()) as late, connected(standby.url()) as copy:
        owner.run("UPDATE item SET name = 'replicated' WHERE id = 1")
        until(lambda: names(copy) == ["replicated", "b"])
        copy.run("ALTER SYSTEM SET primary_conninfo = ''")
        copy.run("SELECT pg_reload_conf()")
        until(lambda: owner.run("SELECT FROM pg_stat_replication") == [])
        owner.run("UPDATE item SET name = 'not replicated' WHERE id = 2")
        late.run("BEGIN")
        late.run("INSERT INTO item VALUES (3, 'late')")
        assert names(copy) == ["replicated", "b"], "it lags"
        assert copy.run("SELECT FROM pg_stat_activity WHERE xact_start < now()") == [], "nor does it show"

        extractor = extractor_at(standby, extractor_of("timestamp"))
        with pytest.raises(ConfigurationError, match="is a standby") as refused:
            extractor.poll()
        assert refused.value.hint == "point STARLIFT_SOURCE_URL at the primary, then: starlift run"
        assert list(extractor.lake.keys("")) == [], "nothing was read"

        extractor_at(server, extractor).poll()
        assert extractor.names() == {"1": "replicated", "2": "not replicated"}
        late.run("ROLLBACK")
    # its primary is lost, and with it what was not replicated
    server.stop()
    with connected(standby.url()) as promoted:
        assert promoted.run("SELECT pg_promote()") == [[True]]
        extractor_at(standby, extractor)
        assert "timeline went from 1 to 2" in (extractor.poll().went_back or "")
        assert names(promoted) == ["replicated", "b"]
        assert {row["id"]: row["name"] for row in extractor.rows(2)} == {"1": "replicated", "2": "b"}


class ScratchCluster:
    """A server whose next transaction id is moved far ahead, as years of writing would."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._data = data_of(server)
        self._account: Account | None = account_for(self._data)

    def go_on_from(self, xid: int) -> None:
        """Freeze every row there is, and have the next transaction get an xid8."""
        oldest = self._freeze()
        self._server.stop()
        epoch, low = divmod(xid, 1 << 32)
        status = self._data / "pg_xact" / f"{low // SEGMENT:04X}"
        status.write_bytes(bytes(SEGMENT // 4))
        give(status, self._account)
        place = json.loads((self._server.folder / "server.json").read_text())
        given = Path(place["programs"]) if place["programs"] else None
        resetwal = programs(self._account, self._data.parent, given) / "pg_resetwal"
        command = [str(resetwal), "-D", str(self._data), "-e", str(epoch), "-x", str(low), "-u", oldest]
        done = run_as(self._account, command, timeout=60)
        assert done.returncode == 0, done
        self._server.start()

    def _freeze(self) -> str:
        with connected(self._server.url()) as admin:
            admin.run("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
            databases = [name for (name,) in admin.run("SELECT datname FROM pg_database") or ()]
        for name in databases:
            with connected(self._server.url(name)) as admin:
                admin.run("VACUUM (FREEZE)")
                oldest = admin.run(
                    "SELECT datfrozenxid::text FROM pg_database ORDER BY age(datfrozenxid) DESC"
                )
        return str(oldest[0][0])


def test_frozen_rows_past_2_to_the_31_xids_and_a_px_past_2_to_the_32_are_told_by_their_real_age(
    server: EmbeddedServer, extractor_of: MakeExtractor
) -> None:
    """A frozen row keeps the xid it was written with, and its age wraps: it would be newer than any."""
    found = chosen()
    if found is not None and not (found / "pg_resetwal").exists():
        pytest.skip("this PostgreSQL comes without pg_resetwal")
    cluster = ScratchCluster(server)
    extractor = extractor_at(server, extractor_of("xid"))
    extractor.poll()

    def polled_after_an_update() -> list[str]:
        with connected(server.url()) as owner:
            owner.run("UPDATE item SET name = name || '.' WHERE id = 1")
        return sorted(str(row["id"]) for row in extractor.rows(extractor.poll().seq))

    def age() -> int:
        with connected(server.url()) as owner:
            return int(owner.run("SELECT age(xmin) FROM item WHERE id = 2")[0][0])

    def px() -> int:
        return int(extractor.manifest(extractor.poll().seq).tables["item"].px or 0)

    cluster.go_on_from(2_100_000_000)
    assert age() > polling.XID_REACH
    assert polled_after_an_update() == ["1", "2"], "too far from px to be compared: read whole"
    assert polled_after_an_update() == ["1"]

    cluster.go_on_from(4_200_000_000)
    assert age() < 0
    assert polled_after_an_update() == ["1", "2"]
    assert polled_after_an_update() == ["1"]

    cluster.go_on_from((1 << 32) + 1_000)
    assert polled_after_an_update() == ["1", "2"], "its xid came again, and once it looks new: no harm"
    assert px() > 1 << 32
    assert polled_after_an_update() == ["1"]
    with connected(server.url()) as owner:
        rows = {str(key): name for key, name in owner.run("SELECT id, name FROM item") or ()}
    assert extractor.names() == rows

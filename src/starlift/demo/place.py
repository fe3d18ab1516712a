"""Where the demo lives: a folder with a PostgreSQL server, two databases, two lakes, an `.env`, a `sql/` that
is there to be edited, and a `psql` that knows the way."""

from __future__ import annotations

import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pg8000.native

from starlift.adapters.embedded import EmbeddedServer
from starlift.adapters.embedded.binaries import programs
from starlift.adapters.embedded.provision import create_database, drop_database, run_script, set_password
from starlift.adapters.embedded.server import HOST
from starlift.adapters.postgres.connection import Dsn, connect
from starlift.errors import ConfigurationError
from starlift.settings import Settings, read_file

_PARTS = ("ingestion", "processed", "postgres", "sql", "psql", ".env")
"""What the demo makes in its folder."""

_DATABASES = {"totesys": ("source.sql",), "warehouse": ("warehouse.sql", "analyst.sql")}


@dataclass(frozen=True)
class Place:
    """A demo's folder. values: its `.env`."""

    folder: Path
    server: EmbeddedServer
    values: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        """What a pipeline reads; the user's own STARLIFT_* play no part."""
        return Settings(self.values, str(self.folder / ".env"))

    @property
    def analyst(self) -> str:
        """The address under which an analyst reads the star."""
        return self.values["STARLIFT_ANALYST_URL"]

    @contextmanager
    def totesys(self) -> Iterator[pg8000.native.Connection]:
        """A connection as Totesys's own application has it."""
        connection = connect(Dsn.parse(self.server.url("totesys")), "source", "totesys")
        try:
            yield connection
        finally:
            connection.close()


def open_place(folder: Path) -> Place:
    """Start the server of a demo, making what is not there yet; a new Totesys has no rows.

    Raises ConfigurationError where the folder has files of somebody else's: `clean` would remove them.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    others = [name for name in _PARTS if name != "postgres" and (folder / name).exists()]
    if others and not _is_a_demo(folder):
        raise ConfigurationError(
            f"{folder} is no demo's, and has {', '.join(others)} in it, which a demo would overwrite",
            "choose another folder: starlift demo --folder .demo",
        )
    server = EmbeddedServer(folder / "postgres")
    server.start()
    file = folder / ".env"
    if not file.exists():
        _provision(folder, server)
    return Place(folder, server, read_file(file))


def _provision(folder: Path, server: EmbeddedServer) -> None:
    """Make databases, roles and files. `.env` comes last: without it the next demo begins anew."""
    for part in ("ingestion", "processed", "sql"):
        shutil.rmtree(folder / part, ignore_errors=True)
    for lake in ("ingestion", "processed"):
        (folder / lake).mkdir(mode=0o700)
    sql = folder / "sql"
    shutil.copytree(Path(str(files("starlift") / "reference")), sql)
    passwords = {f"starlift_{role}": secrets.token_urlsafe(12) for role in ("source", "warehouse", "analyst")}
    for database, scripts in _DATABASES.items():
        with _admin(server, "postgres") as admin:
            drop_database(admin, database)
            create_database(admin, database)
        with _admin(server, database) as admin:
            if database == "totesys":
                run_script(admin, (sql / "source/totesys.sql").read_text())
            for script in scripts:
                run_script(admin, (sql / "roles" / script).read_text())
    with _admin(server, "postgres") as admin:
        for role, password in passwords.items():
            set_password(admin, role, password)
    _write_psql(folder, server, passwords["starlift_analyst"])
    _write_env(folder, {role: _url(server, role, passwords[role]) for role in passwords})


@contextmanager
def _admin(server: EmbeddedServer, database: str) -> Iterator[pg8000.native.Connection]:
    connection = connect(Dsn.parse(server.url(database)), "source", "starlift demo")
    try:
        yield connection
    finally:
        connection.close()


def _url(server: EmbeddedServer, role: str, password: str) -> str:
    return server.url("totesys" if role == "starlift_source" else "warehouse", role, password)


def _write_psql(folder: Path, server: EmbeddedServer, password: str) -> None:
    """Not everyone has a psql; the server's programs do."""
    file = folder / "psql"
    file.touch(0o700)
    file.write_text(
        "#!/bin/sh\n# psql on the demo's star, as an analyst has it: ./psql -c 'SELECT ...'\n"
        "# Without a pager, which would take what is pasted after a query for its own.\n"
        f"PGPASSWORD={password} exec {shlex.quote(str(programs(None, folder) / 'psql'))} "
        f'-h {HOST} -p {server.port} -U starlift_analyst -d warehouse -P pager=off "$@"\n'
    )


def _write_env(folder: Path, urls: Mapping[str, str]) -> None:
    file = folder / ".env"
    file.touch(0o600)
    file.write_text(
        "# The demo's own settings: in this folder every starlift command works on the demo.\n"
        f"STARLIFT_SOURCE_URL={urls['starlift_source']}\n"
        f"STARLIFT_WAREHOUSE_URL={urls['starlift_warehouse']}\n"
        f"STARLIFT_ANALYST_URL={urls['starlift_analyst']}\n"
        f"STARLIFT_INGESTION={(folder / 'ingestion').as_uri()}\n"
        f"STARLIFT_PROCESSED={(folder / 'processed').as_uri()}\n"
        f"STARLIFT_CONFIG={folder / 'sql/pipeline.toml'}\n"
    )


def _is_a_demo(folder: Path) -> bool:
    return (folder / "postgres" / "server.json").is_file()


def clean(folder: Path) -> list[str]:
    """Stop a demo's server and remove what the demo made; return the names removed.

    A folder without a demo's server is not a demo's, and nothing in it is touched.
    """
    folder = folder.resolve()
    if not _is_a_demo(folder):
        return []
    EmbeddedServer(folder / "postgres").remove()
    removed = [name for name in _PARTS if (folder / name).exists()]
    for name in removed:
        target = folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
    return removed

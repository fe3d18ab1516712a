"""A club's database, the pipeline on it, and what the two leave behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # nosec B404
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pg8000.native

import starlift
from tests.postgres import SQL, SourceDatabase, WarehouseDatabase, connected

HERE = Path(__file__).parent
KEY = "the key of the club, which nobody else may know"
BUCKET = "club"
LAWS = ("quarantine_and_ledger_agree", "record_ids_are_dense", "versions_follow_each_other")

_VERBOSE = (
    "import logging, sys\n"
    "logging.basicConfig(level=logging.DEBUG)\n"
    "from starlift.entrypoints.cli import main\n"
    "sys.exit(main())"
)
"""Runs a command with every library saying all it has to say."""

_SILENT = (
    "log_statement = 'none'",
    "log_min_duration_statement = -1",
    "log_duration = off",
    "log_min_messages = 'panic'",
    "log_min_error_statement = 'panic'",
    "auto_explain.log_min_duration = -1",
    "pg_stat_statements.track = 'none'",
)
"""What the club and the watch themselves say is in no log, so that whatever is there is of the pipeline."""


@dataclass(frozen=True)
class Said:
    """A command and what it said."""

    words: str
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The answer to `--json`."""
        return json.loads(self.stdout)


@dataclass
class Club:
    """A folder to run `starlift` in, with `sql/`, one lake and all that a process may write. said: by every
    command so far. aws: the environment that leads to the other lake, and to the key."""

    folder: Path
    source: SourceDatabase
    warehouse: WarehouseDatabase
    aws: dict[str, str]
    said: list[Said] = field(default_factory=list)

    @property
    def values(self) -> dict[str, str]:
        """The pipeline's variables, without the key."""
        return {
            "STARLIFT_SOURCE_URL": self.source.reader,
            "STARLIFT_WAREHOUSE_URL": self.warehouse.owner,
            "STARLIFT_INGESTION": f"s3://{BUCKET}/ingestion",
            "STARLIFT_PROCESSED": (self.folder / "processed").as_uri(),
        }

    def starlift(self, *words: str, folder: str = "", code: int | None = 0, **values: str) -> Said:
        """Run a command, with the key from its secret; it must end with the exit code, if one is given."""
        return self._run([sys.executable, "-m", "starlift"], words, folder, code, values)

    def starlift_verbosely(self, *words: str, code: int = 0) -> Said:
        """Run a command at the most verbose level that Python has, with the key from the environment."""
        values = {"STARLIFT_HMAC_KEY": KEY, "STARLIFT_HMAC_SECRET": ""}
        return self._run([sys.executable, "-X", "dev", "-c", _VERBOSE], words, "", code, values)

    def _run(
        self,
        program: list[str],
        words: tuple[str, ...],
        folder: str,
        code: int | None,
        values: dict[str, str],
    ) -> Said:
        outside = {n: value for n, value in os.environ.items() if not n.startswith(("STARLIFT_", "AWS_"))}
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp")}
        path = {"PYTHONPATH": str(Path(starlift.__file__).parents[1])}
        secret = {"STARLIFT_HMAC_SECRET": "club/hmac"}
        ended = subprocess.run(
            [*program, *words],
            cwd=self.folder / folder,
            env={**outside, **own, **path, **self.aws, **secret, **self.values, **values},
            capture_output=True,
            text=True,
            check=False,
        )
        self.said.append(Said(" ".join(words), ended.returncode, ended.stdout, ended.stderr))
        assert code in (None, ended.returncode), (words, ended.returncode, ended.stderr[-2000:])
        return self.said[-1]

    @contextmanager
    def clerk(self) -> Iterator[pg8000.native.Connection]:
        """A connection of the club's own, which leaves no trace in the server's log."""
        with silent(self.source.admin) as connection:
            yield connection


@contextmanager
def silent(url: str) -> Iterator[pg8000.native.Connection]:
    """A connection of a superuser, for a block, of which nothing is logged or counted."""
    with connected(url) as connection:
        for setting in _SILENT:
            connection.run(f"SET {setting}")
        yield connection


def make_folder(folder: Path) -> None:
    """Write `sql/` and make the folders that a process may write to."""
    for name in ("processed", "home", "tmp", "draft"):
        (folder / name).mkdir()
    shutil.copytree(HERE / "sql", folder / "sql")
    shutil.copy(SQL / "warehouse" / "010_pipeline.sql", folder / "sql" / "warehouse")
    (folder / "sql" / "checks").mkdir()
    for law in LAWS:
        shutil.copy(SQL / "checks" / f"{law}.sql", folder / "sql" / "checks")


class Watch:
    """Sees, as long as the block lasts, every query text that `pg_stat_activity` shows of any session."""

    def __init__(self, url: str) -> None:
        self.seen: set[str] = set()
        self._url = url
        self._over = Event()
        self._thread = Thread(target=self._look, name="watch")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        with silent(self._url) as connection:
            while not self._over.wait(0.02):
                self.seen |= {str(row[0]) for row in connection.run("SELECT query FROM pg_stat_activity")}

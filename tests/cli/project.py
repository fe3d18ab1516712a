"""A project folder as `starlift init` leaves it, and the `starlift` command run in it as a process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from starlift.bootstrap import Pipeline
from starlift.entrypoints.initialise import write_project
from starlift.entrypoints.local import cycle
from starlift.settings import Settings, read_file
from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase, connected

STARLIFT = (sys.executable, "-m", "starlift")
PATIENCE = 60.0
"""Seconds after which a command hangs."""

NO_SUCH_TABLE = {"[tables.staff]": '[tables.stuff]\nkey = ["id"]\ncolumns = ["id"]\n\n[tables.staff]'}
"""A change to pipeline.toml: it takes a table that the source has not."""

COMMAND = re.compile(
    r"(?:^ *|[:&] )(?:starlift (?:[a-z]+ )?(?:[a-z]+|--help)|unset|mkdir -p|chmod|psql|aws)\b(?:[^:]|file:)*$"
)
"""How the last line of a refusal ends."""

PROGRESS = re.compile(
    r"(?:extract|transform|load|publish) .*: [\d,]+ rows?(?:, done)?(?:, about [\d,]+ to go(?:, .+ left)?)?"
)


@dataclass(frozen=True)
class Said:
    """What a command said. json: the one object of its stdout. errors: its stderr without the progress,
    which shows only where the machine is slow."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if not PROGRESS.fullmatch(line)]

    @property
    def json(self) -> dict[str, Any]:
        assert self.out.count("\n") == 1, self
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document


@dataclass
class Project:
    """A folder with `.env`, `sql/` and the lakes, over two databases."""

    folder: Path
    source: SourceDatabase
    warehouse: WarehouseDatabase
    secrets: list[str] = field(default_factory=list)
    """What no command may ever say."""

    def __post_init__(self) -> None:
        urls = self.source.reader, self.warehouse.owner
        self.secrets += [password for url in urls if (password := urlsplit(url).password)]

    @property
    def lake(self) -> Path:
        """The folder that has the two lakes in it."""
        return self.folder / "lake"

    def fill_in(self) -> None:
        """Do what `starlift init` asks for: write the two addresses into `.env`."""
        file = self.folder / ".env"
        text = file.read_text()
        for name, url in (("SOURCE", self.source.reader), ("WAREHOUSE", self.warehouse.owner)):
            text = text.replace(f"STARLIFT_{name}_URL=\n", f"STARLIFT_{name}_URL={url}\n")
        file.write_text(text)

    def starlift(self, *words: str, **values: str) -> Said:
        """Run `starlift WORDS` in the folder; `values` are set in its environment."""
        return self.ended(self.start(*words, **values))

    def start(self, *words: str, **values: str) -> subprocess.Popen[str]:
        """Start `starlift WORDS`; `ended` waits for it."""
        return subprocess.Popen(
            [*STARLIFT, *words],
            cwd=self.folder,
            env=environment(**values),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> Said:
        """Wait for a command and return what it said, which is never a secret."""
        out, err = process.communicate(timeout=PATIENCE)
        assert not [secret for secret in self.secrets if secret in out + err]
        return Said(process.returncode, out, err)

    def pipeline(self) -> Pipeline:
        """The pipeline within this process, for what leads up to a test."""
        values = read_file(self.folder / ".env")
        return Pipeline(Settings({**values, "STARLIFT_CONFIG": str(self.folder / "sql" / "pipeline.toml")}))

    def migrate(self) -> None:
        """Make the star's tables."""
        pipeline = self.pipeline()
        with pipeline.warehouse as warehouse:
            warehouse.migrate(pipeline.models)

    def cycle(self) -> dict[str, Any]:
        """Run one cycle that must succeed."""
        done = cycle(self.pipeline())
        assert not done.errors, done.errors
        return done.document()

    def update(self, sql: str) -> None:
        """Change the source, as its owner."""
        with connected(self.source.admin) as connection:
            connection.run(sql)

    def query(self, sql: str) -> list[list[Any]]:
        """Ask the warehouse, as its owner."""
        with connected(self.warehouse.owner) as connection:
            return connection.run(sql) or []

    def state(self) -> tuple[dict[str, int], list[list[Any]]]:
        """Everything a run may change: the files of both lakes by size, and what the warehouse counts."""
        files = {
            str(file.relative_to(self.lake)): file.stat().st_size for file in sorted(self.lake.rglob("*"))
        }
        if not self.query("SELECT to_regclass('starlift.applied')")[0][0]:
            return files, []
        return files, self.query(
            "SELECT (SELECT count(*) FROM starlift.applied), (SELECT count(*) FROM starlift.ledger), "
            "(SELECT count(*) FROM fact_sales_order), (SELECT count(*) FROM starlift.quarantine)"
        )

    def config(self, name: str, changes: Mapping[str, str], file: str = "pipeline.toml") -> str:
        """Copy `sql/` with a text of one file replaced; return the path of the copy's pipeline.toml."""
        copy = self.folder / name
        for path in (self.folder / "sql").rglob("*.*"):
            target = copy / path.relative_to(self.folder / "sql")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        text = (copy / file).read_text()
        for old, new in changes.items():
            assert text.count(old) >= 1, old
            text = text.replace(old, new, 1)
        (copy / file).write_text(text)
        return str(copy / "pipeline.toml")


def environment(**values: str) -> dict[str, str]:
    """The environment of a command: that of the tests without what points anywhere, and the values."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STARLIFT_", "AWS_"))}
    return {**kept, **values}


def with_login(url: str, password: str | None = None, port: int | None = None, database: str = "") -> str:
    """Return an address with another password, port or database."""
    parts = urlsplit(url)
    secret = parts.password if password is None else password
    location = f"{parts.username}:{secret}@{parts.hostname}:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=location, path=f"/{database}" if database else parts.path))


@contextmanager
def new_project(postgres: PostgresForTests, source: SourceDatabase, folder: Path) -> Iterator[Project]:
    """Set up a project over a source, its warehouse migrated and empty, for a block."""
    with postgres.warehouse() as warehouse:
        write_project(folder)
        project = Project(folder, source, warehouse)
        project.fill_in()
        project.migrate()
        yield project


def assert_refused(said: Said, code: int, *mentioned: str) -> None:
    """Hold a refusal under `--json` to the contract: its code, one object on stdout, one message on stderr
    that mentions what is wrong and ends in a command to type, and nothing of Python's."""
    assert said.code == code, said
    assert set(said.json["error"]) == {"code", "message", "hint"}
    assert "Traceback" not in said.err, said.err
    lines = said.errors
    assert lines[0].startswith("starlift: "), said.err
    assert len(lines) == 2, said.err
    assert COMMAND.search(lines[-1]), said.err
    missing = [text for text in mentioned if text not in said.err]
    assert not missing, said.err
    assert said.json["error"]["message"] in lines[0]
    assert said.json["error"]["hint"] == lines[1].strip()

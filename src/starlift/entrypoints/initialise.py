"""`starlift init`: the files a project starts from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from starlift.bootstrap import Pipeline
from starlift.errors import UnavailableError
from starlift.settings import DEFAULT_CONFIG, Settings

if TYPE_CHECKING:
    from starlift.adapters.postgres.connection import Dsn

TEMPLATE = "starlift.reference"
"""The package that carries the repository's sql/ folder: the Totesys star, whole."""

LAKES = ("ingestion", "processed")

ENVIRONMENT = """\
# Where the pipeline reads and writes. `starlift init` writes this file; what the environment itself sets
# wins over it. In AWS the deployment sets these; `make demo` reads none of them.

# The database to read, for example
#   postgresql://starlift_source:password@db.example.com:5432/totesys?sslrootcert=/etc/ssl/certs/db-ca.pem
# A special character in the password is percent-encoded (@ is %40). Without sslmode the server's
# certificate is verified, unless the host is this machine.
STARLIFT_SOURCE_URL={source}

# The database to keep the star in, for example
#   postgresql://starlift_warehouse:password@warehouse.example.com:5432/warehouse
STARLIFT_WAREHOUSE_URL=

# Instead of a URL: the name or ARN of a secret in AWS Secrets Manager, JSON with host, port, dbname,
# username, password and, if need be, sslrootcert. Where both are set the secret wins.
#STARLIFT_SOURCE_SECRET=starlift/source
#STARLIFT_WAREHOUSE_SECRET=starlift/warehouse

# The two lakes: rows as they were read, and rows of the star. s3://bucket, s3://bucket/prefix or
# file:///folder; neither inside the other. A folder must exist. The pipeline's state is in them: keep them.
STARLIFT_INGESTION={ingestion}
STARLIFT_PROCESSED={processed}

# The key under which columns are hashed, where the configuration says so (hmac): openssl rand -hex 32
# Or the name or ARN of a secret, JSON with key; where both are set the secret wins.
#STARLIFT_HMAC_KEY=
#STARLIFT_HMAC_SECRET=starlift/hmac

# The tables to take, and where models, DDL and checks are: in the folders beside this file
#STARLIFT_CONFIG=sql/pipeline.toml

# For s3:// and secrets the usual AWS variables count, the endpoint of another S3 included
#AWS_PROFILE=starlift
#AWS_REGION=eu-west-2
#AWS_ENDPOINT_URL=http://127.0.0.1:9000
"""
"""The text of a new `.env`, and of the repository's .env.example."""


def write_project(folder: Path) -> tuple[list[str], list[str]]:
    """Write `.env`, the lakes it names and `sql/` into a folder. Return the names written and those kept
    as they were.

    A file that is there is never touched. Raises UnavailableError where the folder cannot be written.
    """
    return _write(folder, "", dict(_template(files(TEMPLATE), PurePosixPath("sql"))))


@dataclass(frozen=True)
class Wanted:
    """What `init --source` was asked for. source: the database. url: what `.env` is to say of it. schemas:
    all where none is named."""

    source: Dsn
    url: str
    schemas: Sequence[str] = ()
    facts: Sequence[str] = ()
    dimensions: Sequence[str] = ()


def write_draft(folder: Path, wanted: Wanted) -> tuple[list[str], list[str]]:
    """Write the same for a source of one's own: a first configuration, and a first star, as its catalogue
    suggests them. A configuration and models that are there already stay, and what is drafted fits them.

    Nothing is written unless the source could be read and has every table that is named.
    """
    from starlift.adapters.postgres.catalogue import read_catalogue
    from starlift.core.draft.project import draft

    catalogue = read_catalogue(wanted.source, wanted.schemas)
    file = folder / DEFAULT_CONFIG
    there = Pipeline(Settings({"STARLIFT_CONFIG": str(file)}))
    if file.exists():
        catalogue = catalogue.under(there.config)
    kept = there.models if has_models(folder) else ()
    reference = {
        name.removeprefix("sql/"): data.decode()
        for name, data in _template(files(TEMPLATE), PurePosixPath("sql"))
    }
    texts = draft(catalogue, wanted.facts, wanted.dimensions, reference, kept)
    return _write(folder, wanted.url, {f"sql/{name}": text.encode() for name, text in texts.items()})


def has_models(folder: Path) -> bool:
    """Whether a project's folder has any star table yet."""
    return any((folder / DEFAULT_CONFIG).parent.glob("models/*.sql"))


def _write(folder: Path, source: str, sql: dict[str, bytes]) -> tuple[list[str], list[str]]:
    project = _Project(folder)
    lakes = folder / "lake"
    if not os.path.lexists(folder / ".env"):
        for lake in LAKES:
            project.make_folder(lakes / lake)
    project.write(".env", env_text(lakes, source).encode(), mode=0o600)
    for name, data in sql.items():
        project.write(name, data)
    return project.written, project.kept


def env_text(lakes: Path, source: str = "") -> str:
    """Return a `.env` with the lakes in a folder, the source's URL and the warehouse's left to fill in."""
    ingestion, processed = ((lakes / lake).absolute().as_uri() for lake in LAKES)
    return ENVIRONMENT.format(source=_env_value(source), ingestion=ingestion, processed=processed)


def _env_value(text: str) -> str:
    """Quote what a `.env` would read otherwise; an address has no need of it as a rule."""
    if all(letter not in text for letter in "'\"\\# \t"):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _template(folder: Traversable, prefix: PurePosixPath) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = prefix / entry.name
        if entry.is_dir():
            found.extend(_template(entry, name))
        elif name.suffix in (".sql", ".toml", ".csv", ".md"):
            found.append((str(name), entry.read_bytes()))
    return found


class _Project:
    """A folder that is filled without touching what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[str] = []
        self.kept: list[str] = []

    def make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def write(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file whole, with the given permissions from its first moment, or keep what is there."""
        target = self.folder / name
        self.make_folder(target.parent)
        try:
            descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        except FileExistsError:
            self.kept.append(name)
            return
        except OSError as error:
            raise _unwritable(target, error) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:
            target.unlink()  # or the next init would keep the half
            raise _unwritable(target, error) from error
        self.written.append(name)


def _unwritable(target: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"{target} cannot be written: {error.strerror}", "change to a folder of yours, then: starlift init"
    )

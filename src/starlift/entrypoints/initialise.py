"""`starlift init`: the files a project starts from."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from starlift.errors import UnavailableError

TEMPLATE = "starlift.reference"
"""The package that carries the repository's sql/ folder: the Totesys star, whole."""


def write_project(folder: Path) -> tuple[list[str], list[str]]:
    """Write `.env` and `sql/` into a folder. Return the names written and those kept as they were.

    A file that is there is never touched. Raises UnavailableError where the folder cannot be written.
    """
    written: list[str] = []
    kept: list[str] = []
    environment = env_text(folder)
    for name, data in [(".env", environment.encode()), *_template(files(TEMPLATE), PurePosixPath("sql"))]:
        target = folder / name
        if target.exists():
            kept.append(name)
            continue
        _write(target, data)
        written.append(name)
    return written, kept


def env_text(folder: Path) -> str:
    """Return a `.env` with the lakes below `folder` and the database addresses left to fill in."""
    return f"""\
# Where the pipeline reads and writes. docs/configuration.md says what else can be set.
# Each address is postgresql://user:password@host:5432/database; TLS is verified unless the host is local.
STARLIFT_SOURCE_URL=
STARLIFT_WAREHOUSE_URL=
STARLIFT_INGESTION={(folder / "lake" / "ingestion").absolute().as_uri()}
STARLIFT_PROCESSED={(folder / "lake" / "processed").absolute().as_uri()}
"""


def _template(folder: Traversable, prefix: PurePosixPath) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = prefix / entry.name
        if entry.is_dir():
            found.extend(_template(entry, name))
        elif name.suffix in (".sql", ".toml", ".csv", ".md"):
            found.append((str(name), entry.read_bytes()))
    return found


def _write(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if target.name == ".env" else 0o644
        target.touch(mode)
        target.write_bytes(data)
    except OSError as error:
        raise UnavailableError(
            f"{target} cannot be written: {error.strerror}",
            "change to a folder of yours, then: starlift init",
        ) from error

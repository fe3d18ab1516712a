"""`starlift init --source`: where the source is, and what is left to do once the draft is written."""

from __future__ import annotations

from pathlib import Path

from starlift.adapters.postgres.connection import Dsn, variable
from starlift.bootstrap import Pipeline
from starlift.entrypoints.initialise import has_models
from starlift.entrypoints.terminal import tell
from starlift.errors import ConfigurationError
from starlift.settings import Settings, read

SOURCE, WAREHOUSE = variable("source"), variable("warehouse")


def source_of(given: str) -> tuple[Dsn, str]:
    """Return the database that `--source` names, and the URL of it for a new `.env`.

    given: a URL, or '' for what the environment or `.env` says, as every other command has it. Raises
    ConfigurationError where that is nothing.
    """
    if given:
        dsn = Dsn.parse(given, "--source")
        if dsn.password is not None:
            tell(
                "starlift: a password on the command line shows in the process list and in the shell's "
                f"history; with {SOURCE} in the environment or in .env: starlift init --source"
            )
        return dsn, given
    settings = read(Path())
    url = settings.values.get(SOURCE, "").strip()
    if not url and settings.secret("source") is None:
        raise ConfigurationError(
            f"--source names no database, and {SOURCE} is not set", "starlift init --source URL"
        )
    return Pipeline(settings).dsn("source"), url


def next_step(folder: Path, url: str) -> str:
    """Return what to do next. url: of the source that the draft is of."""
    there = _settings(folder)
    if there is None:
        return "mend .env, then: starlift init --source"
    if not has_models(folder):
        return "draft a star: starlift init --source --fact TABLE --dimension TABLE"
    todo = ["decide where sql/ says DECIDE"]
    if there.secret("source") is None and there.values.get(SOURCE, "").strip() != url:
        todo.append("name this source in .env")
    if there.secret("warehouse") is None and not there.values.get(WAREHOUSE, "").strip():
        todo.append("name the warehouse in .env")
    return f"{', '.join(todo)}, then: starlift migrate && starlift run"


def _settings(folder: Path) -> Settings | None:
    try:
        return read(folder)
    except ConfigurationError:
        return None

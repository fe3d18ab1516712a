"""What the environment says: where the databases and lakes are. `.env` in the working folder counts too,
below the environment itself. Read once, at an entrypoint; nothing else reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starlift.errors import ConfigurationError

if TYPE_CHECKING:
    from dotenv.parser import Binding

VARIABLES = {
    "STARLIFT_SOURCE_URL": "postgresql://user:password@host:5432/totesys",
    "STARLIFT_WAREHOUSE_URL": "postgresql://user:password@host:5432/warehouse",
    "STARLIFT_INGESTION": "file:///var/lib/starlift/ingestion, or s3://bucket/prefix",
    "STARLIFT_PROCESSED": "file:///var/lib/starlift/processed, or s3://bucket/prefix",
}
"""The variables a whole pipeline needs, each with an example of its value."""

HMAC_KEY = "STARLIFT_HMAC_KEY"
"""The variable of the key under which columns are hashed; a pipeline that hashes none needs none."""

ENVIRONMENT = "the environment"

DEFAULT_CONFIG = "sql/pipeline.toml"

_OURS = "STARLIFT_"
_PLAIN_NAME = re.compile(r"(?:STARLIFT|AWS)_[A-Z0-9_]*")


@dataclass(frozen=True)
class Settings:
    """The STARLIFT_* variables as they were found.

    origin: where they were looked for. places: file and line of those that a file sets.
    """

    values: Mapping[str, str] = field(repr=False)
    origin: str = ENVIRONMENT
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The pipeline's TOML file; models, DDL and checks are in folders beside it."""
        return Path(self.values.get("STARLIFT_CONFIG") or DEFAULT_CONFIG)

    def need(self, name: str) -> str:
        """Return a variable's value. Raises ConfigurationError where it is missing or empty."""
        value = self.values.get(name, "").strip()
        if value:
            return value
        raise self._missing(name)

    def _missing(self, name: str) -> ConfigurationError:
        assignment = f"{name}=... (for example {VARIABLES.get(name, '...')})"
        if name in self.places:
            return ConfigurationError(
                f"{self.places[name]}: {name} is empty", f"write {assignment} there, then: starlift run"
            )
        if name in self.values:
            return ConfigurationError(
                f"{name} is empty in {ENVIRONMENT}", f"set {assignment}, or unset it for .env: unset {name}"
            )
        state = f"{name} is not set in {self.origin}"
        if self.origin == ENVIRONMENT:
            return ConfigurationError(
                state, f"set {assignment}; a .env to fill in is written by: starlift init"
            )
        return ConfigurationError(state, f"write {assignment} to .env, then: starlift run")

    def secret(self, role: str) -> str | None:
        """Return the Secrets Manager name or ARN for a role's database, or for the key (`hmac`); None where
        the value itself is set."""
        return self.values.get(f"STARLIFT_{role.upper()}_SECRET", "").strip() or None

    def located(self, name: str, error: ConfigurationError) -> ConfigurationError:
        """Return an error about a variable's value with the file and line that set it."""
        place = self.places.get(name)
        return ConfigurationError(f"{place}: {error.message}", error.hint) if place else error


def read(folder: Path) -> Settings:
    """Return the settings: those of the environment, and below them those of `folder/.env`.

    What else the file sets (`AWS_*`) is added to the environment, where other libraries look for it.
    Raises ConfigurationError, with the line, for a `.env` that is half written.
    """
    ours = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
    file = folder / ".env"
    if not file.is_file():
        return Settings(ours)
    places: dict[str, str] = {}
    for name, (value, line) in _read_lines(file).items():
        if not name.startswith(_OURS):
            os.environ.setdefault(name, value)
        elif name not in ours:
            ours[name] = value
            places[name] = f"{file}, line {line}"
    return Settings(ours, f"{ENVIRONMENT} and {file}", places)


def read_file(file: Path) -> dict[str, str]:
    """Return what a `.env` says. Raises ConfigurationError, with the line, where it is half written."""
    return {name: value for name, (value, _) in _read_lines(file).items()}


def _read_lines(file: Path) -> dict[str, tuple[str, int]]:
    """Return the value and the line number of every name; where a name is there twice, the last counts."""
    from dotenv.parser import parse_stream

    try:
        with file.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}", f"make it yours and readable: chmod 600 {file}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file} is not UTF-8 text: {error.reason}", "save it as UTF-8, then: starlift run"
        ) from None
    found: dict[str, tuple[str, int]] = {}
    for binding in bindings:
        if binding.error or (binding.key is not None and not _is_whole(binding.value)):
            raise _half_written(file, binding)
        if binding.key is not None:
            found[binding.key] = (str(binding.value), _line(binding))
    return found


def _is_whole(value: str | None) -> bool:
    """A value over several lines is a quotation mark that was never closed."""
    return value is not None and "\n" not in value


def _half_written(file: Path, binding: Binding) -> ConfigurationError:
    """Say which line; of its text only a name of ours, because the rest may be a password."""
    name = _PLAIN_NAME.match(binding.original.string.strip())
    what = f"{name[0]} has no whole value" if name else "it has no name and value"
    return ConfigurationError(
        f"{file}, line {_line(binding)} is half written: {what}",
        f"write NAME=value there, with quotation marks in pairs or none: edit {file}, then: starlift run",
    )


def _line(binding: Binding) -> int:
    """The parser counts blank lines into the statement that follows them."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")

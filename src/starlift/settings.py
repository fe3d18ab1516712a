"""What the environment says: where the databases and lakes are. `.env` in the working folder counts too,
below the environment itself. Read once, at an entrypoint; nothing else reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlift.errors import ConfigurationError

VARIABLES = {
    "STARLIFT_SOURCE_URL": "postgresql://user:password@host:5432/totesys",
    "STARLIFT_WAREHOUSE_URL": "postgresql://user:password@host:5432/warehouse",
    "STARLIFT_INGESTION": "file:///var/lib/starlift/ingestion, or s3://bucket/prefix",
    "STARLIFT_PROCESSED": "file:///var/lib/starlift/processed, or s3://bucket/prefix",
}
"""The variables a whole pipeline needs, each with an example of its value."""

DEFAULT_CONFIG = "sql/pipeline.toml"


@dataclass(frozen=True)
class Settings:
    """The STARLIFT_* variables as they were found."""

    values: Mapping[str, str]
    origin: str = "the environment"

    @property
    def config(self) -> Path:
        """The pipeline's TOML file; models, DDL and checks are in folders beside it."""
        return Path(self.values.get("STARLIFT_CONFIG") or DEFAULT_CONFIG)

    def need(self, name: str) -> str:
        """Return a variable's value. Raises ConfigurationError where it is missing or empty."""
        value = self.values.get(name, "").strip()
        if not value:
            state = "is empty" if name in self.values else "is not set"
            raise ConfigurationError(
                f"{name} {state} in {self.origin} (for example {VARIABLES[name]})",
                f"set {name} in .env (`starlift init` writes one), then: starlift run",
            )
        return value

    def secret(self, role: str) -> str | None:
        """Return the Secrets Manager name or ARN for a role's database, None where a URL is used."""
        return self.values.get(f"STARLIFT_{role.upper()}_SECRET") or None


def read(folder: Path) -> Settings:
    """Read `folder/.env` into the environment, below what is set there, and return the settings.

    Raises ConfigurationError, with the line, for a `.env` that is half written.
    """
    file = folder / ".env"
    if file.is_file():
        for name, value in read_file(file).items():
            os.environ.setdefault(name, value)
    found = {name: value for name, value in os.environ.items() if name.startswith("STARLIFT_")}
    return Settings(found, "the environment and .env" if file.is_file() else "the environment")


def read_file(file: Path) -> dict[str, str]:
    """Return what a `.env` says. Raises ConfigurationError, with the line, where it is half written."""
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}", "starlift init") from error
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            text = binding.original.string.strip()
            name = text.split("=")[0].split()[0] if text else ""
            raise ConfigurationError(
                f"{file}, line {_line(binding.original.string, binding.original.line)}: "
                f"{name or 'this'} has no value; write NAME=value",
                f"edit {file}, then: starlift run",
            )
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _line(text: str, first: int) -> int:
    """The parser counts blank and comment lines into the statement that follows them."""
    return first + len(text) - len(text.lstrip("\n"))

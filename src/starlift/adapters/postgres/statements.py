"""The SQL that a project brings along: the files of sql/warehouse and sql/checks."""

from __future__ import annotations

from pathlib import Path

from starlift.adapters.sql_files import read_files
from starlift.errors import ConfigurationError


def read_statements(folder: Path) -> dict[str, str]:
    """Return the text of a folder's SQL files by file name, in ascending order, with Unix line ends.

    Raises ConfigurationError where the folder or a file cannot be read.
    """
    files = {f"{name}.sql": content for name, content in read_files(folder, ".sql").items()}
    return {file: _text(content, file) for file, content in files.items()}


def _text(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: {error}", "save it as UTF-8, then: starlift migrate") from error

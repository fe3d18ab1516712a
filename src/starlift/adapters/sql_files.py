"""Reads what the folder `sql/` holds: models, reference data, and the SQL of other parts.

The strict macros are not among it. They are the package's own (`macros.sql` beside this module), because
the sandbox rests on them: a macro that casts without a check would undo the rule that models do not.
"""

from __future__ import annotations

import re
from pathlib import Path

from starlift.core.models import Model, parse_model, with_dependencies
from starlift.errors import ConfigurationError

_MACRO = re.compile(r"^CREATE MACRO (\w+)\(.*?;$", re.MULTILINE | re.DOTALL)


def load_models(folder: Path) -> tuple[Model, ...]:
    """Return the models in `folder`/models by name, with the reference data of `folder`/reference.

    Each model's sha256 covers its text, the macros it uses and its reference data. ConfigurationError
    names the file and line that is wrong.
    """
    models = read_files(folder / "models", ".sql") if (folder / "models").exists() else {}
    if not models:
        raise ConfigurationError(
            f"there is no model in {folder / 'models'}",
            "write one SELECT a star table there (docs/models.md), or have them drafted: "
            "starlift init --source --fact TABLE --dimension TABLE",
        )
    references = load_references(folder)
    macros = load_macros()
    return tuple(
        with_dependencies(
            parse_model(name, _text(content, path), str(path)),
            macros,
            references,
        )
        for name, content in models.items()
        for path in [folder / "models" / f"{name}.sql"]
    )


def load_references(folder: Path) -> dict[str, bytes]:
    """Return the CSV files of `folder`/reference by name; none where there is no such folder."""
    reference = folder / "reference"
    return read_files(reference, ".csv") if reference.is_dir() else {}


def load_macros() -> dict[str, str]:
    """Return the statement that makes each of the package's macros, in the order in which to make them."""
    text = Path(__file__).with_name("macros.sql").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in _MACRO.finditer(text)}


def read_files(folder: Path, suffix: str) -> dict[str, bytes]:
    """Return the files of a folder that end in `suffix` by their name without it, in ascending order.

    Line ends are those of Unix whatever the checkout made of them. Raises ConfigurationError.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == suffix)
        return {path.stem: path.read_bytes().replace(b"\r\n", b"\n") for path in paths}
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or folder} cannot be read: {error.strerror}",
            "set STARLIFT_CONFIG to the pipeline.toml beside the models, then: starlift run",
        ) from error


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: {error}", "save the file as UTF-8, then: starlift run") from error

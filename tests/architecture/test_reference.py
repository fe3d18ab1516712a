"""The package carries sql/, the pipeline that `starlift init` starts a project from."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

from tests.architecture.tree import PACKAGE, ROOT


def below(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    """Return all files below a folder by their path."""
    found: dict[str, bytes] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= below(entry, f"{prefix}{entry.name}/")
        else:
            found[prefix + entry.name] = entry.read_bytes()
    return found


def test_the_package_carries_every_file_of_sql() -> None:
    carried = below(files("starlift.reference"))
    assert "pipeline.toml" in carried
    assert carried == below(ROOT / "sql")


def test_what_the_package_carries_is_a_link_and_no_copy() -> None:
    assert (PACKAGE / "reference").is_symlink()

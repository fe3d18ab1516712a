"""What the documents point at exists, and what they tell the reader to type works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from starlift.entrypoints.cli import COMMANDS
from tests.architecture.tree import ROOT, tracked


def documents() -> list[Path]:
    """Return the Markdown files that git knows."""
    return [file for file in tracked() if file.suffix == ".md"]


def broken_links(document: Path, text: str) -> Iterator[str]:
    """Yield the links to files that are not there; addresses on the web are not tried."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.partition("#")[0]
        if path and "://" not in path and not (document.parent / path).exists():
            yield f"{document.relative_to(ROOT)}: {target}"


def unknown_commands(text: str) -> set[str]:
    """Return the targets of make and the commands of starlift that a text shows and that do not exist."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"(?:`|^\$? *)(make|starlift) +([a-z-]+)", text, re.MULTILINE))
    known = {("make", target) for target in targets} | {("starlift", command) for command in COMMANDS}
    return {" ".join(command) for command in shown - known}


def test_every_link_leads_to_a_file() -> None:
    assert not [link for file in documents() for link in broken_links(file, file.read_text())]


def test_every_command_shown_exists() -> None:
    assert not {file.name: unknown for file in documents() if (unknown := unknown_commands(file.read_text()))}


def test_a_broken_link_is_found() -> None:
    text = "[a](CHANGELOG.md#added) [b](https://example.com/x) [c](docs/gone.md) [d](#here)"
    assert list(broken_links(ROOT / "README.md", text)) == ["README.md: docs/gone.md"]


def test_a_command_that_does_not_exist_is_found() -> None:
    text = "`make demo`, then `starlift run --every 5m`\n\n```\n$ make coffee\n    starlift off\n```\n"
    assert unknown_commands(text) == {"make coffee", "starlift off"}

"""zizmor and actionlint find nothing in the workflows, and do find what is planted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.environments import Unavailable, environment

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
LOCK = Path(__file__).with_name("linters.txt")


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder with both programs."""
    try:
        return environment(LOCK) / "bin"
    except Unavailable as reason:
        pytest.skip(f"zizmor and actionlint cannot be installed ({reason})")


def findings(programs: Path, folder: Path) -> str:
    """Return all that the two say of the workflows in a folder, nothing where they find nothing."""
    files = sorted((folder / "workflows").glob("*.yml"))
    commands: tuple[list[str | Path], ...] = (
        [programs / "zizmor", "--offline", "--quiet", "--persona=pedantic", "--format=plain", folder],
        [programs / "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", *files],
    )
    said = ""
    for command in commands:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        said += ended.stdout + ended.stderr if ended.returncode else ""
    return said


def test_nothing_is_found_in_the_workflows(programs: Path) -> None:
    assert findings(programs, GITHUB) == ""


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6", "unpinned-uses"),
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ("    permissions:\n      contents: read\n", "    permissions: write-all\n", "excessive-permissions"),
        ("make run-checks\n", "make run-checks ${{ github.head_ref }}\n", "template-injection"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("matrix.python }}\n      # for", "matrix.pyton }}\n      # for", "pyton"),
    ],
    ids=[
        *("a version that may change", "credentials that stay", "more permissions than needed"),
        *("text of a stranger in a command", "a trigger of strangers", "a value that there is not"),
    ],
)
def test_what_is_planted_is_found(programs: Path, tmp_path: Path, old: str, new: str, found: str) -> None:
    copy = Path(shutil.copytree(GITHUB, tmp_path / ".github"))
    file = copy / "workflows" / "checks.yml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    assert found in findings(programs, copy)


def test_every_action_is_pinned_by_its_hash_and_says_its_version() -> None:
    used = [line.strip() for file in GITHUB.rglob("*.yml") for line in file.read_text().splitlines()]
    actions = [line for line in used if "uses:" in line]
    pinned = re.compile(r"(- )?uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in actions if not pinned.fullmatch(line)] == []


def test_one_version_of_an_action_is_used_everywhere() -> None:
    texts = [file.read_text() for file in GITHUB.rglob("*.yml")]
    pins = {pin for text in texts for pin in re.findall(r"uses: (\S+)@(\S+)", text)}
    assert len(pins) == len({action for action, _ in pins})

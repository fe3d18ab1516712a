"""requirements.txt, pyproject.toml and the locks agree, and a lock fixes every byte that is installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.tree import ROOT

RUNTIME, DEV = ROOT / "requirements" / "runtime.lock", ROOT / "requirements" / "dev.lock"
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def listed() -> dict[str, str]:
    """Return the lines of requirements.txt by the requirement they begin with, with their comment."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    parts = (line.partition("#") for line in lines if line and not line.startswith("#"))
    return {str(Requirement(text)): comment.strip() for text, _, comment in parts}


def locked(lock: Path) -> dict[str, set[str]]:
    """Return the versions a lock may install, by name; numpy has one per Python."""
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", lock.read_text(), re.MULTILINE):
        pins.setdefault(name, set()).add(version)
    return pins


def test_requirements_name_all_that_the_package_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["demo"], *extras["lambda"]]
    assert {str(Requirement(text)) for text in declared} <= listed().keys()


def test_every_requirement_says_what_it_is_for() -> None:
    assert not [name for name, comment in listed().items() if not comment]


def test_the_locks_fit_the_requirements() -> None:
    pins = locked(DEV)
    for text in listed():
        requirement = Requirement(text)
        assert all(requirement.specifier.contains(version) for version in pins[requirement.name]), text


def test_development_runs_what_is_deployed() -> None:
    tried = locked(DEV)
    assert {name: tried.get(name) for name in locked(RUNTIME)} == locked(RUNTIME)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_versions_with_hashes_and_nothing_else(lock: Path) -> None:
    text = re.sub(r"\s*#.*", "", lock.read_text()).replace("\\\n", " ")
    entry = re.compile(r"[\w.-]+==[\w.]+( ; [^;#@/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert not [line for line in text.splitlines() if line and not entry.fullmatch(line)]

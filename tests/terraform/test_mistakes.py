"""Mistakes planted in a copy of the configuration are found, each by the law that it breaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.terraform.commands import Configuration
from tests.terraform.conftest import USUAL
from tests.terraform.laws import broken
from tests.terraform.mistakes import BREAK_A_LAW, EXAMPLE, IN_THE_EXAMPLE, REFUSED, UNKNOWN, Mistake
from tests.terraform.state import State


def planted(scratch: Path, mistakes: Sequence[Mistake], module: str = ".") -> Configuration:
    """Return a copy of a configuration with all of some mistakes. module: its folder."""
    copy = Configuration.copied(scratch, module)
    for mistake in mistakes:
        copy.replace(mistake.file, mistake.old, mistake.new)
    return copy.init()


@pytest.fixture(scope="module")
def found(terraform: None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All that the laws say where every mistake is made at once, in one apply."""
    return broken(State.read(planted(tmp_path_factory.mktemp("mistakes"), BREAK_A_LAW).apply(**USUAL)))


@pytest.fixture(scope="module")
def found_in_the_example(terraform: None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The same of the network and the warehouse."""
    copy = planted(tmp_path_factory.mktemp("example"), IN_THE_EXAMPLE, EXAMPLE)
    return broken(State.read(copy.apply(region="eu-west-2")))


@pytest.mark.parametrize("mistake", IN_THE_EXAMPLE, ids=lambda mistake: mistake.name)
def test_a_mistake_in_the_example_is_found(found_in_the_example: list[str], mistake: Mistake) -> None:
    assert [line for line in found_in_the_example if re.search(mistake.reported, line)]


@pytest.mark.parametrize("mistake", BREAK_A_LAW, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(found: list[str], mistake: Mistake) -> None:
    assert [line for line in found if re.search(mistake.reported, line)]


def test_each_finding_is_of_one_mistake(found: list[str], found_in_the_example: list[str]) -> None:
    for lines, mistakes in ((found, BREAK_A_LAW), (found_in_the_example, IN_THE_EXAMPLE)):
        of = {line: [m.name for m in mistakes if re.search(m.reported, line)] for line in lines}
        assert {line: names for line, names in of.items() if len(names) != 1} == {}


@pytest.mark.parametrize(
    ("command", "mistakes"), [("plan", REFUSED), ("validate", UNKNOWN)], ids=["by AWS", "by the provider"]
)
def test_what_would_be_refused_is_refused_before(
    terraform: None, tmp_path: Path, command: str, mistakes: tuple[Mistake, ...]
) -> None:
    given = USUAL if command == "plan" else {}
    ended = planted(tmp_path, mistakes).run(command, "-no-color", **given)
    told = re.sub(r"[\s│╵╷]+", " ", ended.text)
    assert not ended.succeeded
    assert [mistake.name for mistake in mistakes if not re.search(mistake.reported, told)] == []

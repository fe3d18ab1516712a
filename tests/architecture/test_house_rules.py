"""The house rules hold, and each of them can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.architecture import house_rules as rules
from tests.architecture.tree import ROOT, broken_places, python_files, tracked


def broken(rule: Callable[[str], list[str]], files: Iterable[Path]) -> list[str]:
    """Return every place in some files that breaks a rule."""
    return [place for file in files for place in broken_places(file, rule(file.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("rule", [rules.too_long, rules.swallowed, rules.mocked])
def test_no_python_file_breaks(rule: Callable[[str], list[str]]) -> None:
    assert not broken(rule, python_files())


def test_no_tracked_file_holds_on_one_machine_only() -> None:
    assert not broken(rules.of_one_machine, tracked())


def test_no_tracked_file_puts_work_off() -> None:
    # data may: ISO 4217 has a code that reads like a mark
    assert not broken(rules.unfinished, [file for file in tracked() if file.suffix != ".csv"])


def test_every_module_has_a_name_that_says_something() -> None:
    assert not [file.relative_to(ROOT) for file in python_files() if file.stem in rules.EMPTY_NAMES]


def test_a_long_module_is_found() -> None:
    assert rules.too_long("x = 1\n" * 400) == []
    assert rules.too_long("x = 1\n" * 401) == ["401 lines"]


def test_a_long_function_is_found() -> None:
    assert rules.too_long("def short():\n" + "    x = 1\n" * 59) == []
    assert rules.too_long("async def long():\n" + "    x = 1\n" * 60) == ["1: long has 61 lines"]


@pytest.mark.parametrize(
    "handler", ["except OSError:\n    pass", "except:\n    raise", "except OSError: ..."]
)
def test_a_swallowed_exception_is_found(handler: str) -> None:
    assert rules.swallowed(f"try:\n    x = 1\n{handler}\n") == ["3: an exception is swallowed"]


def test_a_handler_that_handles_is_let_through() -> None:
    assert rules.swallowed("try:\n    x = 1\nexcept OSError as error:\n    raise HeldError from error") == []


@pytest.mark.parametrize(
    "text",
    [
        "from unittest.mock import patch\n@patch('starlift.stages.load.load')\ndef test(): ...",
        "from unittest import mock\nmock.patch('starlift.settings.read')",
        "from unittest import mock\nfrom starlift import settings\nmock.patch.object(settings, 'read')",
        "from unittest import mock\nimport starlift.stages.load as load\nmock.patch.object(load, 'x')",
        "def test(mocker):\n    mocker.patch('starlift.bootstrap.Pipeline')",
    ],
)
def test_a_mock_of_our_own_code_is_found(text: str) -> None:
    assert len(rules.mocked(text)) == 1


def test_a_mock_of_another_package_is_let_through() -> None:
    assert rules.mocked("from unittest import mock\nmock.patch('boto3.client')\npatch = dispatch(1)") == []


@pytest.mark.parametrize("mark", ["TO-DO", "FIX-ME", "XX-X"])
def test_work_put_off_is_found(mark: str) -> None:
    word = mark.replace("-", "")
    assert rules.unfinished(f"x = 1\n# {word}: later\ncode = '{word}'\n") == [f"2: # {word}: later"]


@pytest.mark.parametrize(
    "line",
    [
        "/" + "work/data/extract.csv",
        "cd /" + "root/starlift",
        "pip install --extra" + "-index-url https://mirror.example",
        "pip install --index" + "-url=https://mirror.example",
        "PIP_INDEX" + "_URL=https://mirror.example",
    ],
)
def test_what_holds_on_one_machine_only_is_found(line: str) -> None:
    assert len(rules.of_one_machine(f"text\n{line}\n")) == 1


def test_paths_within_the_repository_are_let_through() -> None:
    assert rules.of_one_machine("uv pip compile --no-emit-index-url ./work/x $HOME/root/ a/work/b") == []

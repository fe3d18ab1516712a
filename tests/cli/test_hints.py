"""Every error that the package raises ends in a command, and the command exists."""

from __future__ import annotations

import pytest

from tests.architecture.tree import PACKAGE, broken_places
from tests.cli.hints import (
    ends_in_a_command,
    hints_without_command,
    raised_without_hint,
    unknown_commands,
)

MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("rule", [raised_without_hint, hints_without_command, unknown_commands])
def test_no_module_breaks(rule: object) -> None:
    assert callable(rule)
    assert not [place for file in MODULES for place in broken_places(file, list(rule(file.read_text())))]


@pytest.mark.parametrize(
    "text", ['raise HeldError("no")', 'raise errors.LostRace(f"no {x}")', "found.append(DriftError(text))"]
)
def test_an_error_without_hint_is_found(text: str) -> None:
    assert len(list(raised_without_hint(text))) == 1


@pytest.mark.parametrize(
    "hint",
    [
        '"look at it"',
        '"starlift fly"',
        'f"edit {file}"',
        '"starlift run, if you like: soon"',
        '"then: starlift"',
    ],
)
def test_a_hint_that_ends_in_no_command_is_found(hint: str) -> None:
    assert len(list(hints_without_command(f'raise HeldError("no", {hint})'))) == 1


@pytest.mark.parametrize(
    "hint",
    [
        '"starlift run"',
        'f"edit {file}, then: starlift run"',
        '"starlift migrate && starlift run"',
        "elsewhere(x)",
    ],
)
def test_a_hint_that_ends_in_a_command_is_let_through(hint: str) -> None:
    assert not list(hints_without_command(f'raise HeldError("no", {hint})'))


@pytest.mark.parametrize(
    "text",
    ['HINT = "go, then: starlift fly"', 'def f():\n    """Doc."""\n    return f"{x}, see: starlift fly"'],
)
def test_a_command_that_does_not_exist_is_found_anywhere(text: str) -> None:
    assert [place.split(": ")[1] for place in unknown_commands(text)] == ["starlift fly"]


def test_prose_is_no_command() -> None:
    assert not list(
        unknown_commands(
            '"""starlift lifts."""\nX = "it is starlift\'s own; starlift has it: starlift numbers rows"'
        )
    )


def test_other_programs_are_commands_too() -> None:
    assert ends_in_a_command("create it: mkdir -p X")
    assert not ends_in_a_command("make it: X-ray")

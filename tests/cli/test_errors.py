"""The tree of errors is the one its module draws, and of several causes the contract's first counts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from starlift import errors
from starlift.errors import StarliftError, worst
from tests.postgres import SQL

CONTRACT = {0, 1, 2, 3, 4, 5, 6, 7}


def below(error: type[StarliftError]) -> Iterator[type[StarliftError]]:
    for each in error.__subclasses__():
        yield each
        yield from below(each)


def every_class() -> list[type[StarliftError]]:
    return [StarliftError, *below(StarliftError)]


def drawn() -> dict[str, tuple[int, int | None]]:
    """Name -> depth and exit code (None where it is that of the class above), from the module's docstring."""
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([ │├└─]*)([A-Z]\w+) +(?:exit (\d))?", line):
            found[match[2]] = (len(match[1]) // 4, int(match[3]) if match[3] else None)
    return found


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    tree = drawn()
    assert set(tree) == {each.__name__ for each in every_class()}
    for each in every_class():
        depth, code = tree[each.__name__]
        assert depth == len(each.__mro__) - len(StarliftError.__mro__), each
        inherited = next((base.exit_code for base in each.__bases__ if issubclass(base, StarliftError)), None)
        assert each.exit_code == (inherited if code is None else code), each


def test_every_error_has_a_code_of_its_own_and_an_exit_code_of_the_contract() -> None:
    assert len({each.code for each in every_class()}) == len(every_class())
    assert {each.exit_code for each in every_class()} <= CONTRACT


def test_every_error_is_in_the_module_of_errors() -> None:
    assert {each.__module__ for each in every_class()} == {errors.__name__}


def test_the_documentation_lists_every_exit_code() -> None:
    text = (SQL.parent / "docs" / "configuration.md").read_text()
    listed = {int(code) for code in re.findall(r"^\| (\d) \|", text, re.MULTILINE)}
    assert listed == CONTRACT
    assert "the first of " + ", ".join(map(str, errors.PRECEDENCE)) in text


@pytest.mark.parametrize("codes", [each for n in (1, 2, 3) for each in itertools.combinations(range(8), n)])
def test_the_worst_is_the_first_of_5_2_7_4_3(codes: tuple[int, ...]) -> None:
    expected = next((code for code in (5, 2, 7, 4, 3) if code in codes), max(codes))
    assert worst(list(codes)) == expected
    assert worst(list(reversed(codes))) == expected


def test_no_cause_is_0() -> None:
    assert worst([]) == 0


def test_an_error_says_what_is_wrong_and_what_to_type() -> None:
    error = errors.HeldError("it is so", "starlift status")
    assert (str(error), error.message, error.hint) == ("it is so", "it is so", "starlift status")

"""What a policy document of AWS allows: the part of IAM's logic that this project's policies use.

An action is allowed where a statement allows it and none denies it. What this does not know (NotAction,
an operator of a condition that is not below) is refused with an error rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

Statement = Mapping[str, Any]
Circumstances = Mapping[str, str]

_KNOWN = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}


def statements(document: Mapping[str, Any]) -> list[Statement]:
    """Return the statements of a document. Raises ValueError for one that has parts unknown here."""
    found = document.get("Statement", [])
    listed = [found] if isinstance(found, dict) else list(found)
    for statement in listed:
        if unknown := statement.keys() - _KNOWN:
            raise ValueError(f"statement {statement.get('Sid')} has {', '.join(sorted(unknown))}")
    return listed


def several(value: str | Iterable[str]) -> list[str]:
    """Return what may be written as one text or as a list of them."""
    return [value] if isinstance(value, str) else list(value)


def allows(
    document: Mapping[str, Any], action: str, resource: str, circumstances: Circumstances | None = None
) -> bool:
    """Return whether whoever has a policy may do something to a resource."""
    fitting = [s for s in statements(document) if covers(s, action, resource, circumstances or {})]
    effects = {statement["Effect"] for statement in fitting}
    return "Allow" in effects and "Deny" not in effects


def covers(statement: Statement, action: str, resource: str, circumstances: Circumstances) -> bool:
    """Return whether a statement is about an action on a resource."""
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in several(statement["Action"]))
        and any(_like(pattern, resource) for pattern in several(statement["Resource"]))
        and all(_holds(*test, circumstances) for test in _tests(statement))
    )


def grants(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each pair that a document allows: sid, action, resource, as they are written."""
    for statement in statements(document):
        if statement["Effect"] == "Allow":
            for action in several(statement["Action"]):
                for resource in several(statement["Resource"]):
                    yield statement["Sid"], action, resource


def _tests(statement: Statement) -> Iterator[tuple[str, str, list[str]]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            yield operator, key, several(wanted)


def _holds(operator: str, key: str, wanted: list[str], circumstances: Circumstances) -> bool:
    actual = circumstances.get(key)
    if operator in {"StringEquals", "Bool", "ArnEquals"}:
        return actual in wanted
    if operator in {"StringLike", "ArnLike"}:
        return actual is not None and any(_like(pattern, actual) for pattern in wanted)
    raise ValueError(f"the operator {operator} is not known here")


def _like(pattern: str, text: str) -> bool:
    return bool(_expression(pattern).fullmatch(text))


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(letter, re.escape(letter)) for letter in pattern))

"""Finds the errors that the package raises, and judges what they tell the reader to type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from starlift import errors
from starlift.entrypoints.cli import COMMANDS
from starlift.errors import StarliftError

ERRORS = {
    name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, StarliftError)
}
PROGRAMS = ("aws", "psql", "mkdir", "chmod", "unset", "df", "ls", "tail", "rm", "useradd", "pip")
"""What a hint may tell to type besides starlift."""

FILLED_IN = "X"
"""What is shown for a part that is made elsewhere."""

_SHOWN = re.compile(r"(?:then: |`)starlift +([a-z-]+)|(?:^|: |&& )starlift +([a-z-]+)(?=$| &&| --)")
"""A command to type: after `then`, in backticks, or as the last words."""


def raised_without_hint(text: str) -> Iterator[str]:
    """Yield the errors of ours that are made without a second argument."""
    for call in _calls(text):
        if len(call.args) + len(call.keywords) < 2 and not any(isinstance(a, ast.Starred) for a in call.args):
            yield f"{call.lineno}: {ast.unparse(call)[:80]}"


def hints_without_command(text: str) -> Iterator[str]:
    """Yield the hints, as far as they are written where the error is made, that end in no command."""
    for call in _calls(text):
        for hint in call.args[1:2]:
            written = _written(hint)
            if written is not None and not ends_in_a_command(written):
                yield f"{call.lineno}: {written}"


def unknown_commands(text: str) -> Iterator[str]:
    """Yield the commands of starlift that any text of a module tells to type and that do not exist."""
    for node in _texts(ast.parse(text)):
        for match in _SHOWN.finditer(_written(node) or ""):
            command = match[1] or match[2]
            if command not in COMMANDS:
                yield f"{node.lineno}: starlift {command}"


def ends_in_a_command(hint: str) -> bool:
    """Whether the last thing a hint says is what to type."""
    program, *words = re.split(r": |&& ", hint)[-1].split()
    if program == "starlift":
        return bool(words) and words[0] in COMMANDS
    return program in PROGRAMS or program == FILLED_IN


def _calls(text: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ERRORS:
            yield node


def _texts(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the outermost literal texts of a module, docstrings left out."""
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    for node in ast.iter_child_nodes(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(tree, documented)
        ):
            continue
        if isinstance(node, ast.JoinedStr | ast.Constant):
            yield node
        else:
            yield from _texts(node)


def _written(node: ast.expr) -> str | None:
    """The text of a literal, what is filled in shown as `X`; None where it is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else FILLED_IN for part in node.values)
        return "".join(str(part) for part in parts)
    return None

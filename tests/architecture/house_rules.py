"""The habits of CONTRIBUTING.md that a program can see: each function returns the places that break one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MODULE_LINES = 400
FUNCTION_LINES = 60
EMPTY_NAMES = {"utils", "util", "helpers", "common", "misc"}

# in quotes the last is the currency code of no currency
_UNFINISHED = re.compile(r"(?<!['\"])\b(TO[D]O|FIX[M]E|X[X]X)\b(?!['\"])")
_MACHINE = re.compile(
    r"(?<![\w.$}])/(?:work|farm|root)/"
    r"|--(?:extra-)?index-url|--trusted[-]host|PIP_(?:EXTRA_)?INDEX_URL|/opt/[p]ypi"
)


def too_long(text: str) -> list[str]:
    """Return a module, and functions, that no longer fit a reader's head."""
    lines = text.count("\n")
    broken = [f"{lines} lines"] if lines > MODULE_LINES else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                broken.append(f"{node.lineno}: {node.name} has {size} lines")
    return broken


def swallowed(text: str) -> list[str]:
    """Return handlers that catch everything unnamed, or that do nothing."""
    broken = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            idle = all(isinstance(step, ast.Pass) or _is_ellipsis(step) for step in node.body)
            if node.type is None or idle:
                broken.append(f"{node.lineno}: an exception is swallowed")
    return broken


def _is_ellipsis(step: ast.stmt) -> bool:
    return isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant) and step.value.value is ...


def unfinished(text: str) -> list[str]:
    """Return the lines that put work off."""
    lines = enumerate(text.splitlines(), 1)
    return [f"{number}: {line.strip()}" for number, line in lines if _UNFINISHED.search(line)]


def of_one_machine(text: str) -> list[str]:
    """Return the lines that hold on one machine only: its paths, its package index."""
    lines = enumerate(text.splitlines(), 1)
    return [f"{number}: {line.strip()}" for number, line in lines if _MACHINE.search(line)]


def mocked(text: str) -> list[str]:
    """Return the calls of mock.patch that replace a part of starlift."""
    tree = ast.parse(text)
    ours = set(_names_of_ours(tree))
    broken = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and re.search(r"\bpatch\b", ast.unparse(node.func)) and node.args:
            target = node.args[0]
            name = str(target.value) if isinstance(target, ast.Constant) else ast.unparse(target)
            if name.split(".")[0] in ours:
                broken.append(f"{node.lineno}: patches {name}")
    return broken


def _names_of_ours(tree: ast.Module) -> Iterator[str]:
    yield "starlift"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "starlift":
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.asname for a in node.names if a.asname and a.name.startswith("starlift"))

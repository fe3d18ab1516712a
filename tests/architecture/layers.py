"""Which layer may import what, and what the pure core may not call."""

from __future__ import annotations

import ast
from collections.abc import Iterator

LAYERS = {
    "core": {"core", "errors"},
    "stages": {"stages", "core", "ports", "errors"},
    "adapters": {"adapters", "core", "ports", "errors"},
}
"""Per layer what of starlift its modules may import."""

PURE = {
    "__future__", "abc", "base64", "bisect", "collections", "contextlib", "dataclasses", "datetime",
    "decimal", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq", "hmac", "itertools",
    "json", "math", "operator", "re", "string", "struct", "textwrap", "tomllib", "types", "typing",
    "unicodedata",
}  # fmt: skip
"""Standard modules without environment, clock, chance or file."""

ARROW_IN_CORE = {"typing"}
"""Modules of the core that work on whole columns of rows."""

DRIVERS = {"boto3", "botocore", "duckdb", "pandas", "pg8000", "sqlalchemy"}
"""What only adapters know."""

IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}
CLOCK_CALLS = {"now", "today", "utcnow"}


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import; `from package import name` counts as `package.name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{package}.{alias.name}") for alias in node.names)


def wrong_imports(layer: str, text: str) -> list[str]:
    """Return the imports by which a layer's module reaches a layer it must not know, or a driver."""
    broken = []
    for line, module in imports(ast.parse(text)):
        package, _, rest = module.partition(".")
        if package == "starlift":
            wrong = rest.split(".")[0] not in LAYERS[layer] | {"__version__"}
        else:
            wrong = not package or (layer != "adapters" and package in DRIVERS)
        if wrong:
            broken.append(f"{line}: imports {module}")
    return broken


def impurities(module: str, text: str) -> list[str]:
    """Return the imports and calls by which a module of the core reaches the world."""
    tree = ast.parse(text)
    allowed = PURE | {"starlift"} | ({"pyarrow"} if module in ARROW_IN_CORE else set())
    broken = [
        f"{line}: imports {name}" for line, name in imports(tree) if name.partition(".")[0] not in allowed
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in IMPURE_CALLS:
                broken.append(f"{node.lineno}: calls {function.id}()")
            if isinstance(function, ast.Attribute) and function.attr in CLOCK_CALLS:
                broken.append(f"{node.lineno}: reads the clock by {function.attr}()")
    return broken

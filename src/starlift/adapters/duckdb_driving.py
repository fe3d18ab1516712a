"""The rule that a star row depends on its own driving row, and on joined tables, alone.

A batch brings only the driving rows that changed. Whatever looks at two of them at once (a second
reference to the table, a window, an aggregate) would see the others in a first load and miss them in
every batch after it, and nothing would fail: the rows would just be wrong. Joined tables are whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from starlift.adapters.duckdb_rules import ctes, functions, nodes, wrong
from starlift.core.models import Model
from starlift.errors import ConfigurationError

_CALLED = re.compile(r"\b(\w+)\(")
_BODIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"}
_SEVERAL_ROWS = {
    "LIMIT_MODIFIER": "LIMIT",
    "LIMIT_PERCENT_MODIFIER": "LIMIT",
    "DISTINCT_MODIFIER": "DISTINCT",
    "PIVOT": "PIVOT",
    "WINDOW": "a window function",
}


@cache
def aggregate_functions() -> frozenset[str]:
    """Return DuckDB's aggregate functions and the built-in macros that call one."""
    found = {name for name, kind, _, _ in functions() if kind == "aggregate"}
    macros = [(name, set(_CALLED.findall(text))) for name, _, _, text in functions() if text]
    size = 0
    while size != len(found):
        size = len(found)
        found |= {name for name, called in macros if called & found}
    return frozenset(found)


def check_driving(tree: dict[str, Any], model: Model, aggregates: frozenset[str]) -> None:
    """Raise ConfigurationError where a star row could depend on a driving row that is not its own.

    tree: the model's statement, as `check_text` returns it, so its CTEs have names of their own.
    """
    bodies = {name: value["query_node"] for name, value in ctes(tree)}
    (top,) = tree["statements"]
    if _references(top, model.driving, bodies) > 1:
        raise _refused(model, f"{model.driving} is read more than once")
    for node in nodes(tree):
        if node.get("class") == "SUBQUERY" and _references(node, model.driving, bodies):
            raise _refused(model, f"{model.driving} is read inside an expression", node["query_location"])
        if node.get("type") in _BODIES and _drives(node, model.driving, bodies):
            _check_body(node, model, aggregates)


def _references(tree: Any, driving: str, bodies: Mapping[str, Any]) -> int:
    """Return how often the driving table is read, through CTEs too; one that calls itself counts once."""
    if isinstance(tree, list):
        return sum(_references(part, driving, bodies) for part in tree)
    if not isinstance(tree, dict):
        return 0
    if tree.get("type") == "BASE_TABLE":
        path = tree["qualified_name"]["path"]
        if path == [driving]:
            return 1
        (name,) = path
        others = {other: body for other, body in bodies.items() if other != name}
        return _references(bodies.get(name), driving, others)
    return sum(_references(part, driving, bodies) for name, part in tree.items() if name != "cte_map")


def _drives(body: dict[str, Any], driving: str, bodies: Mapping[str, Any]) -> bool:
    """Whether a query takes its rows from the driving table."""
    rows = body["from_table"] if body["type"] == "SELECT_NODE" else body
    return _references(rows, driving, bodies) > 0


def _check_body(body: dict[str, Any], model: Model, aggregates: frozenset[str]) -> None:
    if body["type"] != "SELECT_NODE":
        raise _refused(model, f"UNION, EXCEPT, INTERSECT or recursion over {model.driving}")
    if body["group_sets"] or body["aggregate_handling"] == "FORCE_AGGREGATES":
        raise _refused(model, f"GROUP BY over {model.driving}")
    for node in _own(body):
        found = _SEVERAL_ROWS.get(node.get("class") or node.get("type", ""))
        if node.get("ref_type") == "POSITIONAL":
            found = "POSITIONAL JOIN"
        if node.get("class") == "FUNCTION" and node["function_name"].lower() in aggregates:
            found = f"the aggregate {node['function_name'].lower()}"
        if found:
            raise _refused(model, f"{found} over {model.driving}", node.get("query_location"))


def _own(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a query without those of the queries inside it."""
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for part in parts:
        if isinstance(part, dict):
            if part.get("type") in _BODIES:
                continue
            yield part
        yield from _own(part)


def _refused(model: Model, found: str, position: int | None = None) -> ConfigurationError:
    return wrong(
        model,
        f"{found}: a star row may depend on its own driving row and on joined tables only, because a batch "
        f"brings only the rows of {model.driving} that changed",
        f"read {model.driving} once, in FROM, and put windows and aggregates into a subquery over a joined "
        "table, then: starlift run",
        position,
    )

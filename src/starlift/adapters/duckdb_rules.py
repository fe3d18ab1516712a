"""What a model may not do, found in its syntax tree and in its bound plan before it sees a row.

The tree shows what the author wrote: casts, functions, tables. The plan shows what DuckDB made of it:
casts it put in by itself, and what the built-in macros and words such as CURRENT_DATE come down to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb

from starlift.core.models import Model
from starlift.errors import ConfigurationError

CAST_HINT = "use strict_date, strict_int or another macro of docs/models.md, then: starlift run"
CLOCK_HINT = "take the value from a source column, or leave it to the warehouse, then: starlift run"
ERROR_HINT = "use required(value, 'why not') or refuse(value, 'a known code'), then: starlift run"
TABLE_HINT = "name the table under `-- from:` or `-- joins:` in the header, then: starlift run"
READ_HINT = "take it out of the header, or LEFT JOIN it, then: starlift run"
NAME_HINT = "give it a name of its own, then: starlift run"
SYNTAX_HINT = "docs/models.md tells how to write one; mend it, then: starlift run"

_UNEXACT = {"cast_to_type"}
_CLOCK_FUNCTIONS = {"current_localtime", "current_localtimestamp"}
_CLOCK_WORDS = {"current_catalog", "current_date", "current_schema", "current_time", "current_timestamp"}
_CLOCK_WORDS |= {"localtime", "localtimestamp"}
_ONE_ARGUMENT_IS_TODAY = "age"
# results that are DuckDB's own and no standard's: its hash, sketches, sort keys, type names, syntax trees
_OF_DUCKDB = {"version", "hash", "create_sort_key", "icu_sort_key", "typeof", "pg_typeof", "get_type"}
_OF_DUCKDB |= {"approx_count_distinct", "approx_quantile", "approx_top_k", "reservoir_quantile"}
_OF_DUCKDB |= {"list_approx_count_distinct", "json_serialize_sql", "json_serialize_plan"}
_SESSION_WORDS = {"current_role", "current_user", "session_user"}
_WORD = re.compile(r"\w+")


def wrong(model: Model, problem: str, hint: str, position: int | None = None) -> ConfigurationError:
    """Return the error for a model, naming its file and, from the byte in its text, the line."""
    before = model.sql.encode()[:position]
    known = position is not None and before != model.sql.encode()
    lines = before.count(b"\n") + 1
    line = f", line {lines}" if known else ""
    return ConfigurationError(f"sql/models/{model.name}.sql{line}: {problem}", hint)


def statement(model: Model) -> str:
    """Return the model's SELECT without the semicolon, and the comments after it, that may end it."""
    text = model.sql.encode()
    tokens = [offset for offset, kind in duckdb.tokenize(model.sql) if kind != duckdb.token_type.comment]
    while tokens and text[tokens[-1] :].startswith(b";"):
        text = text[: tokens.pop()]
    return text.decode()


@cache
def functions() -> tuple[tuple[str, str, str | None, str | None], ...]:
    """Return name, type, stability and macro definition of what DuckDB has built in: the same in every
    connection, and asked for once a process, because it takes as long as opening two."""
    with duckdb.connect(":memory:") as connection:
        found = connection.sql(
            "SELECT function_name, function_type, stability, macro_definition "
            "FROM duckdb_functions() WHERE internal"
        )
        return tuple(found.fetchall())


@cache
def volatile_functions() -> frozenset[str]:
    """Return the functions whose result does not depend on their arguments alone: those that DuckDB
    declares so, those it forgets, and its built-in macros that use one of them or read its catalogue."""
    found = {name for name, _, stability, _ in functions() if stability not in (None, "CONSISTENT")}
    found |= _CLOCK_FUNCTIONS | _CLOCK_WORDS
    macros = [(name, set(_WORD.findall(text.lower()))) for name, _, _, text in functions() if text]
    size = 0
    while size != len(found):
        size = len(found)
        found |= {name for name, words in macros if words & found or "select" in words}
    return frozenset(found)


def check_text(
    connection: duckdb.DuckDBPyConnection, model: Model, volatile: frozenset[str]
) -> dict[str, Any]:
    """Return the syntax tree. ConfigurationError where the text is not one SELECT that keeps the rules."""
    tree = _serialized(connection, "SELECT json_serialize_sql(?)", model)
    if len(tree["statements"]) != 1:
        raise wrong(model, "a model is exactly one SELECT", SYNTAX_HINT)
    found = list(nodes(tree))
    for node in found:
        _check_node(node, model, volatile)
    _check_ctes(tree, model)
    _check_tables(found, model)
    return tree


def check_plan(connection: duckdb.DuckDBPyConnection, model: Model, volatile: frozenset[str]) -> None:
    """Raise ConfigurationError where the plan reads text unchecked or depends on the clock or chance.

    The model's tables must exist in the connection; they may be empty.
    """
    plan = _serialized(connection, "SELECT json_serialize_plan(?, optimize := false)", model)
    for node in nodes(plan):
        if "qname" not in node:
            continue
        name, arguments = node["qname"]["path"][-1], node.get("arguments", [])
        if node["type"] == "LOGICAL_GET" and name != "seq_scan":
            raise wrong(model, f"reads {name}, not named in the header", TABLE_HINT)
        # `error` is how the strict macros refuse a row; a model's own use was found in its text
        if name in volatile - {"error"} or (name == _ONE_ARGUMENT_IS_TODAY and len(arguments) == 1):
            raise wrong(model, _not_of_the_row(name), CLOCK_HINT)
        if node["type"] == "OPERATOR_CAST" and _reads_text(node):
            target = node["return_type"]["id"]
            raise wrong(model, f"text is read as {target} without a check", CAST_HINT)


def _serialized(connection: duckdb.DuckDBPyConnection, query: str, model: Model) -> dict[str, Any]:
    ((text,),) = connection.execute(query, [model.sql]).fetchall()
    tree: dict[str, Any] = json.loads(text)
    if tree["error"]:
        position = int(tree["position"]) if "position" in tree else None
        raise wrong(model, tree["error_message"].partition("\n")[0], SYNTAX_HINT, position)
    return tree


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a serialized tree, outer ones first."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


def ctes(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and definition of each common table expression of a statement."""
    for node in nodes(tree):
        for entry in node.get("cte_map", {}).get("map", []):
            yield entry["key"], entry["value"]


def _check_node(node: dict[str, Any], model: Model, volatile: frozenset[str]) -> None:
    position = node.get("query_location")
    kind = node.get("class") or node.get("type")
    if kind == "CAST" and not _is_null(node["child"]):
        raise wrong(model, "a bare cast is not exact ('5.7' becomes 6)", CAST_HINT, position)
    if node.get("type") == "OPERATOR_TRY":
        raise wrong(model, "TRY hides the rows that should be refused", CAST_HINT, position)
    if kind == "FUNCTION":
        _check_function(node["function_name"].lower(), model, volatile, position)
    if kind == "COLUMN_REF" and len(node["column_names"]) == 1:
        _check_word(node["column_names"][0].lower(), model, position)
    if kind in ("TABLE_FUNCTION", "SHOW_REF"):
        problem = "a model reads the tables of its header and no table function"
        raise wrong(model, problem, TABLE_HINT, position)
    if node.get("sample"):
        raise wrong(model, "a sample depends on chance", CLOCK_HINT, position)


def _check_word(word: str, model: Model, position: int | None) -> None:
    if word in _CLOCK_WORDS:
        raise wrong(model, _not_of_the_row(word), CLOCK_HINT, position)
    if word in _SESSION_WORDS:
        raise wrong(model, _of_duckdb(word), CLOCK_HINT, position)


def _check_function(name: str, model: Model, volatile: frozenset[str], position: int | None) -> None:
    if name in _UNEXACT:
        raise wrong(model, f"{name} is a cast, which is not exact", CAST_HINT, position)
    if name == "error":
        raise wrong(model, "error() is called by the macros alone", ERROR_HINT, position)
    if name in volatile:
        raise wrong(model, _not_of_the_row(name), CLOCK_HINT, position)
    if name in _OF_DUCKDB | _SESSION_WORDS:
        raise wrong(model, _of_duckdb(name), CLOCK_HINT, position)


def _check_ctes(tree: dict[str, Any], model: Model) -> None:
    """A name means one thing in a model, so what it reads is seen without following scopes."""
    taken = {name.lower() for name in (*model.tables, *model.references)}
    for name, _ in ctes(tree):
        if name.lower() in taken:
            raise wrong(model, f"WITH {name}: a table or a WITH before it has that name", NAME_HINT)
        taken.add(name.lower())


def _check_tables(found: list[dict[str, Any]], model: Model) -> None:
    declared = {*model.tables, *model.references}
    known = {(name,) for name in declared} | {(name,) for name, _ in ctes(found[0])}
    read = set()
    for node in found:
        if node.get("type") != "BASE_TABLE":
            continue
        path = tuple(node["qualified_name"]["path"])
        read.add(path)
        if path not in known:
            name = ".".join(path)
            raise wrong(model, f"reads {name}, not named in the header", TABLE_HINT, node["query_location"])
    for name in sorted(name for name in declared if (name,) not in read):
        raise wrong(model, f"the header names {name}, which the SELECT does not read", READ_HINT)


def _is_null(node: dict[str, Any]) -> bool:
    return bool(node["class"] == "CONSTANT" and node["literal"]["kind"] == "NULL_LITERAL")


def _reads_text(cast: dict[str, Any]) -> bool:
    """Whether a bound cast turns the text of rows into something else, and not by TRY_CAST."""
    (child,) = cast["children"]
    return (
        cast["arguments"][0]["id"] == "VARCHAR"
        and cast["return_type"]["id"] != "VARCHAR"
        and child["expression_class"] != "BOUND_CONSTANT"
        and not cast["function_data"]["try_cast"]
    )


def _not_of_the_row(function: str) -> str:
    return f"{function} does not depend on the row alone, so a replay would differ"


def _of_duckdb(function: str) -> str:
    return f"{function} depends on DuckDB itself, so a replay after an upgrade could differ"

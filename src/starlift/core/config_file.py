"""Reads the text of `pipeline.toml` into a `PipelineConfig`, or says which line is wrong and why."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast, get_args

from starlift.core.config import (
    RESERVED_COLUMNS,
    DeclaredMode,
    Limits,
    NewColumns,
    PipelineConfig,
    TableSpec,
)
from starlift.core.units import duration, offset, size
from starlift.errors import ConfigurationError

_TOP = ("source", "warehouse", "limits", "tables")
_TABLE_KEYS = (
    *("key", "cursor", "cursor_zone", "mode", "columns", "drop", "hmac", "schema", "relation"),
    "new_columns",
)
_UNUSABLE = re.compile(r"^\.|[/\\,\x00-\x1f\x7f]")
"""In a table's name: it is a part of object keys, and models list tables with commas."""


def parse(text: str, file: str) -> PipelineConfig:
    """Return what the text declares. `file` is its name, for messages. Raises ConfigurationError."""
    document = _Document(text, file)
    document.only(document.raw, _TOP, ())
    source = document.section("source", ("name", "schema", "new_columns"))
    warehouse = document.section("warehouse", ("schema", "calendar"))
    tables = document.section("tables", None)
    if not tables:
        raise document.wrong(("tables",), "no table is declared", "add [tables.NAME] with key and columns")
    schema = document.text(("source",), source, "schema", "public")
    common = TableSpec("", (), (), schema=schema, new_columns=_new_columns(document, ("source",), source))
    return PipelineConfig(
        source_name=document.text(("source",), source, "name"),
        source_schema=schema,
        warehouse_schema=document.text(("warehouse",), warehouse, "schema", "public"),
        tables=_tables(document, tables, common),
        limits=_limits(document),
        calendar=_calendar(document, warehouse),
    )


class _Document:
    """The parsed file together with its text, so that an error can name a line."""

    def __init__(self, text: str, file: str) -> None:
        self.lines = text.splitlines()
        self.file = file
        try:
            self.raw: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._error(f"{file}: not TOML: {error}") from None

    def section(self, name: str, known: tuple[str, ...] | None) -> Mapping[str, Any]:
        section = self.raw.get(name, {})
        if not isinstance(section, dict):
            raise self.wrong((name,), f"{name} is not a table", f"write [{name}] on a line of its own")
        if known is not None:
            self.only(section, known, (name,))
        return section

    def only(self, section: Mapping[str, Any], known: tuple[str, ...], path: tuple[str, ...]) -> None:
        for key in section:
            if key not in known:
                raise self.wrong((*path, key), f"{key!r} means nothing here", "use " + ", ".join(known))

    def text(self, path: tuple[str, ...], section: Mapping[str, Any], key: str, default: str = "") -> str:
        value = section.get(key, default)
        if not _is_name(value):
            raise self.wrong((*path, key), f"{key} is not a name", f'write {key} = "..."')
        return str(value)

    def names(self, path: tuple[str, ...], section: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = section.get(key, [])
        if not isinstance(value, list) or not all(_is_name(name) for name in value):
            raise self.wrong((*path, key), f"{key} is not a list of names", f'write {key} = ["a", "b"]')
        if len(set(value)) != len(value):
            raise self.wrong((*path, key), f"{key} names a column twice", "name each once")
        return tuple(value)

    def wrong(self, path: tuple[str, ...], what: str, remedy: str) -> ConfigurationError:
        return self._error(f"{self.file}, line {self._line(path)}: [{'.'.join(path)}] {what}; {remedy}")

    def _error(self, message: str) -> ConfigurationError:
        return ConfigurationError(message, f"edit {self.file}, then: starlift run")

    def _line(self, path: tuple[str, ...]) -> int:
        """Number of the line that says `path`: its key, else its section's header, else the first."""
        section, found = "", 1
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[([^\[\]]+)\]", line)
            if header:
                section = header[1].replace('"', "").strip()
                if section == ".".join(path) or (path[:-1] and section == ".".join(path[:-1])):
                    found = number
            elif section == ".".join(path[:-1]) and re.match(rf'\s*"?{re.escape(path[-1])}"?\s*=', line):
                return number
        return found


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _tables(document: _Document, tables: Mapping[str, Any], common: TableSpec) -> dict[str, TableSpec]:
    if twin := _same_but_for_case(tuple(tables)):
        remedy = "call one otherwise, and add relation = with the name it has in the source"
        raise document.wrong(("tables", twin), f"another name is {twin!r} but for case", remedy)
    return {name: _table(document, name, raw, common) for name, raw in tables.items()}


def _same_but_for_case(names: tuple[str, ...]) -> str | None:
    """Return a name that DuckDB, in which the models run, takes for one before it."""
    folded = [name.casefold() for name in names]
    return next((names[at] for at, name in enumerate(folded) if name in folded[:at]), None)


def _table(document: _Document, name: str, raw: Any, common: TableSpec) -> TableSpec:
    """`common`: what holds for a table that does not say otherwise."""
    path = ("tables", name)
    if _UNUSABLE.search(name) or not name:
        raise document.wrong(
            path,
            f"{name!r} cannot be part of a file's name (a leading dot, a slash, backslash or comma)",
            "call it otherwise, and add relation = with the name it has in the source",
        )
    if not isinstance(raw, dict):
        raise document.wrong(path, "is not a table", f"write [tables.{name}]")
    document.only(raw, _TABLE_KEYS, path)
    key, columns, drop = (document.names(path, raw, part) for part in ("key", "columns", "drop"))
    hmac = document.names(path, raw, "hmac")
    spec = TableSpec(name, key, columns, drop=drop, hmac=hmac)
    _check_columns(document, path, spec)
    mode = document.text(path, raw, "mode", "auto")
    if mode not in get_args(DeclaredMode):
        raise document.wrong((*path, "mode"), f"{mode!r} is not a mode", "write auto, xid or timestamp")
    cursor = document.text(path, raw, "cursor") if "cursor" in raw else None
    if mode == "timestamp" and cursor is None:
        raise document.wrong(path, "mode timestamp needs a cursor", 'add cursor = "last_updated"')
    zone = _fixed_zone(document, path, raw)
    return replace(
        spec,
        cursor=cursor,
        cursor_zone=zone,
        mode=cast(DeclaredMode, mode),
        schema=document.text(path, raw, "schema", common.schema),
        relation=document.text(path, raw, "relation", name),
        new_columns=_new_columns(document, path, raw, common.new_columns),
    )


def _check_columns(document: _Document, path: tuple[str, ...], spec: TableSpec) -> None:
    if not spec.key:
        raise document.wrong(path, "no key is declared", 'write key = ["id"]')
    for column in spec.key:
        if column not in spec.columns:
            raise document.wrong((*path, "key"), f"key column {column} is not in columns", "add it there")
        if column in spec.hmac:
            raise document.wrong(
                (*path, "hmac"), f"{column} is in the key, which must find its row again", "hash another"
            )
    for column in spec.taken:
        if column in spec.drop:
            raise document.wrong((*path, "drop"), f"{column} is also taken", "name it in one of them")
        if column in RESERVED_COLUMNS:
            raise document.wrong((*path, "columns"), f"{column} is starlift's own name", "leave it out")
    if twin := _same_but_for_case(spec.taken):
        remedy = "take one of them, or both through a view that names them apart"
        raise document.wrong((*path, "columns"), f"another column is {twin!r} but for case", remedy)


def _new_columns(
    document: _Document, path: tuple[str, ...], raw: Mapping[str, Any], default: NewColumns = "ignore"
) -> NewColumns:
    policy = document.text(path, raw, "new_columns", default)
    if policy not in get_args(NewColumns):
        raise document.wrong((*path, "new_columns"), f"{policy!r} is not a policy", "write ignore or add")
    return cast(NewColumns, policy)


def _fixed_zone(document: _Document, path: tuple[str, ...], raw: Mapping[str, Any]) -> str:
    zone = document.text(path, raw, "cursor_zone", "UTC")
    _value(document, (*path, "cursor_zone"), offset, zone)
    return zone


def _value(document: _Document, path: tuple[str, ...], read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise document.wrong(path, f"{value!r} cannot be used", str(error)) from None


def _limits(document: _Document) -> Limits:
    readers: dict[str, Callable[[Any], Any]] = {
        name: _READERS[type(value)] for name, value in vars(Limits()).items()
    }
    for name in ("scan_budget", "memory"):
        readers[name] = size
    raw = document.section("limits", tuple(readers))
    values = {name: _value(document, ("limits", name), readers[name], raw[name]) for name in raw}
    return Limits(**values)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("write a whole number above 0")
    return value


def _share(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError("write a share between 0 and 1")
    return float(value)


_READERS: dict[type, Callable[[Any], Any]] = {timedelta: duration, int: _count, float: _share}


def _calendar(document: _Document, warehouse: Mapping[str, Any]) -> tuple[int, int]:
    match warehouse.get("calendar", [1900, 2100]):
        case [int(first), int(last)] if 1 <= first <= last <= 9999:
            return first, last
        case other:
            raise document.wrong(
                ("warehouse", "calendar"), f"{other!r} is not two years", "write calendar = [1900, 2100]"
            )

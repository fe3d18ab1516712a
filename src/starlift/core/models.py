"""A model: one SELECT that makes one star table, with a header that says what it promises.

The header is the file's leading `--` lines. The first is the grain: one sentence that says what one row
is. The others are `name: value`:

    -- One row per member of staff, with the department they work in.
    -- kind: dimension
    -- key: staff_id
    -- from: staff
    -- joins: department
    -- references: iso_4217

`kind`, `key` and `from` must be there. `key` names the model's columns that hold the key of the `from`
table, in the order of that table's key. `joins` and `references` are lists and may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from starlift.core.manifest import ModelRef, canonical, sha256
from starlift.core.paths import RESERVED
from starlift.errors import ConfigurationError

ModelKind = Literal["dimension", "fact"]

REBUILD = "starlift rebuild"
"""How the star is made again from the batches that are landed: what a hint ends in."""

HISTORY_COLUMNS = ("valid_from", "valid_to", "op", "seq")
"""What the history of a fact has beside the fact's own columns."""

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_WORD = re.compile(r"\w+")
_EXAMPLES = {
    "kind": "-- kind: dimension",
    "key": "-- key: staff_id",
    "from": "-- from: staff",
    "joins": "-- joins: department",
    "references": "-- references: iso_4217",
}
_REQUIRED = ("kind", "key", "from")


@dataclass(frozen=True)
class Model:
    """One star table as its file declares it.

    driving: the source table of which each row makes exactly one star row. key: the model's columns that
    hold the driving table's key, in its order. joins: other source tables it reads. references: reference
    data it reads (`sql/reference/<name>.csv`). sql: the whole text. sha256: hexadecimal, of everything the
    model's rows depend on beside its source tables; see `with_dependencies`.
    """

    name: str
    kind: ModelKind
    grain: str
    key: tuple[str, ...]
    driving: str
    joins: tuple[str, ...]
    sql: str
    references: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """The source tables it reads, the driving one first."""
        return (self.driving, *self.joins)

    @property
    def ref(self) -> ModelRef:
        """What a processed manifest records of it."""
        return ModelRef(self.name, self.kind, self.key, self.driving, self.sha256)


def parse_model(name: str, text: str, file: str) -> Model:
    """Read a model's text. `file` is where it came from, for messages.

    Raises ConfigurationError that names the file, the line and what to write there.
    """
    if not _NAME.match(name) or name in RESERVED:
        reason = "the lake keeps that name for itself" if name in RESERVED else "not a plain name"
        raise ConfigurationError(
            f"{file}: a model cannot be called {name!r} ({reason})",
            "rename the file, for example to dim_staff.sql, then: starlift run",
        )
    lines = _header_lines(text)
    grain = _grain(lines, file)
    entries = _entries(lines[1:], file)
    for missing in (entry for entry in _REQUIRED if entry not in entries):
        raise _wrong(file, len(lines), f"the header has no {missing!r}", _EXAMPLES[missing])
    kind_line, kind = entries["kind"]
    if kind not in ("dimension", "fact"):
        raise _wrong(file, kind_line, f"kind is {kind!r}", "-- kind: dimension or -- kind: fact")
    driving = _names(entries, "from", file)
    joins = _names(entries, "joins", file)
    if len(driving) != 1 or driving[0] in joins:
        line, value = entries["from"]
        problem = f"from is {value!r}, but one table drives a model and the others are joins"
        raise _wrong(file, line, problem, _EXAMPLES["from"])
    return Model(
        name=name,
        kind=cast(ModelKind, kind),
        grain=grain,
        key=_names(entries, "key", file),
        driving=driving[0],
        joins=joins,
        sql=text,
        references=_names(entries, "references", file),
        sha256=sha256(text.encode()),
    )


def with_dependencies(model: Model, macros: Mapping[str, str], references: Mapping[str, bytes]) -> Model:
    """Return the model with the SHA-256 of its text, the macros it uses and its reference data.

    macros: text per macro name; those used by a used macro count as well. references: file content per
    name; ConfigurationError where one that the header names is not there.
    """
    for missing in (name for name in model.references if name not in references):
        raise ConfigurationError(
            f"model {model.name}: there is no reference data {missing!r}",
            f"add sql/reference/{missing}.csv or take it out of the header, then: starlift run",
        )
    parts = {
        "sql": sha256(model.sql.encode()),
        "macros": {name: macros[name] for name in used_macros(model.sql, macros)},
        "references": {name: sha256(references[name]) for name in model.references},
    }
    return replace(model, sha256=sha256(canonical(parts)))


def used_macros(text: str, macros: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the macros that occur in a text as words, and of those which these use."""
    found: set[str] = set()
    pending = [text]
    while pending:
        words = set(_WORD.findall(pending.pop().lower()))
        new = {name for name in macros if name in words} - found
        found |= new
        pending += [macros[name] for name in new]
    return frozenset(found)


def changes(models: Sequence[Model], before: Sequence[ModelRef]) -> dict[str, str]:
    """Return which models are not those that made the batches before: `is new`, `is gone` or `has changed`
    by name, in ascending order."""
    old = {ref.name: ref.sha256 for ref in before}
    new = {model.name: model.sha256 for model in models}
    return {
        name: "is new" if name not in old else "is gone" if name not in new else "has changed"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }


def check_unchanged(models: Sequence[Model], before: Sequence[ModelRef], rebuilding: str = "") -> None:
    """Raise ConfigurationError unless the models are those that made the batches before.

    Rows of an old and a new definition in one star could not be told apart. rebuilding: how far a rebuild
    has come that was begun, to be told with it.
    """
    differing = changes(models, before)
    if not differing:
        return
    (name, how), *others = differing.items()
    more = f" (and {', '.join(other for other, _ in others)})" if others else ""
    raise ConfigurationError(
        f"model {name} {how}{more}: the star is still made by the old definition, and nothing more is "
        f"added to it until it is rebuilt{rebuilding}",
        f"put the old definition back; or rebuild: {REBUILD}",
    )


def _header_lines(text: str) -> list[str]:
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        header.append(line[2:].strip())
    return header


def _grain(lines: list[str], file: str) -> str:
    if lines and lines[0] and not _entry(lines[0]):
        return lines[0]
    raise _wrong(file, 1, "the grain is missing", "-- One row per member of staff.")


def _entry(line: str) -> tuple[str, str] | None:
    name, colon, value = line.partition(":")
    return (name.strip(), value.strip()) if colon and name.strip() in _EXAMPLES else None


def _entries(lines: list[str], file: str) -> dict[str, tuple[int, str]]:
    entries: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines, start=2):
        entry = _entry(line)
        if entry is None:
            known = ", ".join(_EXAMPLES)
            raise _wrong(file, number, f"{line!r} is none of {known}", _EXAMPLES["kind"])
        name, value = entry
        if name in entries:
            raise _wrong(file, number, f"{name!r} is there twice", _EXAMPLES[name])
        entries[name] = (number, value)
    return entries


def _names(entries: dict[str, tuple[int, str]], entry: str, file: str) -> tuple[str, ...]:
    if entry not in entries:
        return ()
    line, value = entries[entry]
    names = tuple(name.strip() for name in value.split(","))
    if not all(names) or len(set(names)) != len(names):
        problem = f"{entry} is {value!r}, not a list of different names"
        raise _wrong(file, line, problem, _EXAMPLES[entry])
    return names


def _wrong(file: str, line: int, problem: str, example: str) -> ConfigurationError:
    hint = f"write a header line such as `{example}`, then: starlift run"
    return ConfigurationError(f"{file}, line {max(line, 1)}: {problem}", hint)

"""A star table as `init` first drafts it for a source table: its columns and what they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from starlift.core.draft.catalogue import Catalogue, Relation, obstacle
from starlift.core.draft.names import distinct, plain, table_names
from starlift.core.models import HISTORY_COLUMNS, Model, ModelKind
from starlift.core.types import column_type
from starlift.errors import ConfigurationError

CITEXT = "public.citext"
"""Its type in the star, whatever schema that is in."""

_CITEXT = re.compile(r"(.+\.)?citext", re.DOTALL)
_INTEGERS = ("smallint", "integer", "bigint")
_MAY_BE_DATE = re.compile(r"date|(^|_)(due|on|at|when|day)$", re.IGNORECASE)

Hint = Literal["date", "moment", "", "text"]


@dataclass(frozen=True)
class StarColumn:
    """A column. source: its name in the source. type: in the warehouse. hint: what is left to decide on
    it: `text` may hold dates, a `moment` may be better as a date and a time."""

    name: str
    source: str
    type: str
    required: bool
    hint: Hint


@dataclass(frozen=True)
class StarTable:
    """A star table. driving: the pipeline's name of its source table. key: its columns that hold the
    source's key. references: columns, dimension and the dimension's columns."""

    name: str
    kind: ModelKind
    driving: str
    relation: Relation
    columns: tuple[StarColumn, ...]
    key: tuple[str, ...]
    references: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = ()

    @property
    def surrogate(self) -> str:
        """The column that numbers a fact's versions."""
        used = [column.name for column in self.columns]
        return distinct([f"{self.name.removeprefix('fact_')}_record_id"], used)[0]

    def renamed(self, sources: Sequence[str]) -> tuple[str, ...]:
        """Return the star's names of source columns."""
        names = {column.source: column.name for column in self.columns}
        return tuple(names[source] for source in sources)


def star_tables(
    catalogue: Catalogue, facts: Sequence[str], dimensions: Sequence[str], kept: Sequence[Model] = ()
) -> tuple[StarTable, ...]:
    """Return a star table for each named source table, dimensions first.

    kept: models that are there already; new facts refer to their dimensions too. A table is named as in
    pipeline.toml, as in the source, or as schema.table. Raises ConfigurationError, with the names there are
    or the reason, for one that is not there or cannot be taken.
    """
    names = table_names(catalogue.relations)
    chosen = {name: _chosen(catalogue, names, name) for name in (*dimensions, *facts)}
    if twice := set(dimensions) & set(facts) or {
        relation.name for relation in chosen.values() if [*chosen.values()].count(relation) > 1
    }:
        raise ConfigurationError(
            f"table {sorted(twice)[0]} is named twice",
            "name it once, as fact or dimension: starlift init --help",
        )
    made = [_table("dimension", chosen[name], names) for name in dimensions]
    there = _kept_dimensions(catalogue, names, kept)
    by_place = {(table.relation.schema, table.relation.name): table for table in (*there, *made)}
    return (*made, *(_referring(_table("fact", chosen[name], names), by_place) for name in facts))


def _chosen(catalogue: Catalogue, names: Mapping[tuple[str, str], str], wanted: str) -> Relation:
    found = [
        relation
        for relation in catalogue.relations
        if wanted
        in (
            names[relation.schema, relation.name],
            relation.name,
            f"{relation.schema}.{relation.name}",
        )
    ]
    if len(found) != 1:
        there = ", ".join(sorted(names.values())) or "none"
        problem = "is in several schemas" if found else "is not in the source"
        raise ConfigurationError(
            f"table {wanted} {problem}; there are: {there}", "name one of these: starlift init --help"
        )
    (relation,) = found
    if relation.decided is None and catalogue.configured is not None:
        raise ConfigurationError(
            f"table {wanted} is not in sql/pipeline.toml, which stays as it is; there are: "
            f"{', '.join(sorted(catalogue.configured))}",
            "add its [tables.NAME] there, as init writes it in an empty folder, then: starlift init --source",
        )
    if relation.decided is not None:
        return relation
    hindrance = obstacle(relation)
    if hindrance is None and not relation.found.has_xids:
        hindrance = "it has no key of its own", "declare it in pipeline.toml and write its model by hand"
    if hindrance is None and (parent := catalogue.bringing(relation)):
        hindrance = (
            f"{parent.schema}.{parent.name}, from which it inherits, brings its rows",
            "name that, or declare this one in pipeline.toml and write its model by hand",
        )
    if hindrance is not None:
        raise ConfigurationError(
            f"table {wanted} cannot be taken: {hindrance[0]}; {hindrance[1]}", "starlift init --help"
        )
    return relation


def _table(kind: ModelKind, relation: Relation, names: Mapping[tuple[str, str], str]) -> StarTable:
    driving = names[relation.schema, relation.name]
    sources = relation.taken
    columns = tuple(
        _column(relation, source, name)
        for source, name in zip(
            sources, distinct(map(plain, sources), HISTORY_COLUMNS if kind == "fact" else ()), strict=True
        )
    )
    prefix = "fact" if kind == "fact" else "dim"
    # dim_date is the load's own
    name = distinct([f"{prefix}_{plain(driving)}"], ["dim_date"])[0]
    table = StarTable(name, kind, driving, relation, columns, ())
    return StarTable(name, kind, driving, relation, columns, table.renamed(relation.key))


def _kept_dimensions(
    catalogue: Catalogue, names: Mapping[tuple[str, str], str], kept: Sequence[Model]
) -> Iterator[StarTable]:
    """Yield what is known of the dimensions that are there: their keys, in the order of the source's."""
    for model in (model for model in kept if model.kind == "dimension"):
        for relation in catalogue.relations:
            if names[relation.schema, relation.name] == model.driving and len(relation.key) == len(model.key):
                columns = map(partial(_column, relation), relation.key, model.key)
                yield StarTable(model.name, "dimension", model.driving, relation, tuple(columns), model.key)


def _column(relation: Relation, source: str, name: str) -> StarColumn:
    of_source = relation.type_of(source)
    type_ = column_type(of_source).warehouse
    if _CITEXT.fullmatch(of_source) and source in relation.referring:
        type_ = CITEXT
    hint: Hint = ""
    if of_source == "date":
        hint = "date"
    elif type_.startswith("timestamp"):
        hint = "moment"
    elif type_ == "character varying" and _MAY_BE_DATE.search(source):
        hint = "text"
    return StarColumn(name, source, type_, source in relation.required, hint)


def _referring(fact: StarTable, dimensions: Mapping[tuple[str, str], StarTable]) -> StarTable:
    """Return the fact with those of its source's foreign keys that lead to the key of a drafted dimension."""
    references = []
    for foreign in fact.relation.foreign_keys:
        parent = dimensions.get((foreign.schema, foreign.table))
        if (
            parent is not None
            and set(foreign.referred) == set(parent.relation.key)
            and set(foreign.columns) <= {column.source for column in fact.columns}
        ):
            own, others = fact.renamed(foreign.columns), parent.renamed(foreign.referred)
            if all(_alike(fact, parent, pair) for pair in zip(own, others, strict=True)):
                references.append((own, parent.name, others))
    return StarTable(
        fact.name, fact.kind, fact.driving, fact.relation, fact.columns, fact.key, tuple(references)
    )


def _alike(fact: StarTable, parent: StarTable, pair: tuple[str, str]) -> bool:
    own, other = (
        next(column.type for column in table.columns if column.name == name)
        for table, name in zip((fact, parent), pair, strict=True)
    )
    return own == other or {own, other} <= set(_INTEGERS)

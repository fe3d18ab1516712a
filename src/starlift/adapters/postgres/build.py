"""A build target: the star and its ledger once more, beside the live ones, until they are published.

It is made by the same files of sql/warehouse. While it is filled it has no foreign keys and no secondary
indexes, which cost a first load ten times what checking them at once does; what the foreign keys were is
kept in its table `reference`, because a load needs to know what refers to what. An index that may refuse a
row stays, so that the rows which go into quarantine are those that the live star would not take.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pg8000.native

from starlift.adapters.postgres.aside import drop, foreign_keys_around, indexes_of
from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.migrate import Step, migrate, recorded_files
from starlift.adapters.postgres.moving import carry_out, plan_moves
from starlift.adapters.postgres.schemas import Schemas, tables_of
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, Reference, StarTable, read_star
from starlift.adapters.postgres.turn import wait_for_lock
from starlift.core.manifest import ModelRef
from starlift.errors import ConfigurationError, HeldError

_REFERENCE = """
CREATE TABLE {reference} (
    child text NOT NULL, columns json NOT NULL, parent text NOT NULL, parent_columns json NOT NULL
)
"""


def prepare_build(
    connection: pg8000.native.Connection, build: Schemas, steps: Sequence[Step], models: Sequence[ModelRef]
) -> None:
    """Make a build target, empty, or leave the one that is there as it is if these files made it.

    In the transaction that the caller has begun. Raises what `migrate` raises.
    """
    if _is_made(connection, build, steps):
        return
    wait_for_lock(connection, build.pipeline)
    if _is_made(connection, build, steps):  # by another run, meanwhile
        return
    discard_build(connection, build)
    migrate(connection, build, steps, models)
    connection.run(_REFERENCE.format(reference=build.reference))
    copy_lists(connection, build, models)
    tables = tables_of(connection, build.star)
    for table in read_star(connection, build.star, tables).values():
        _record(connection, build, table)
    quoted = [f"{identifier(build.star)}.{identifier(name)}" for name in tables]
    drop(connection, foreign_keys_around(connection, quoted))
    indexes = [index for table in quoted for index in indexes_of(connection, table)]
    drop(connection, [index for index in indexes if not index.may_refuse])
    for schema in (build.star, build.pipeline):
        _spare_the_log(connection, schema)


_LOGGED = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relkind = 'r' AND c.relpersistence = 'p'
"""


def _spare_the_log(connection: pg8000.native.Connection, schema: str) -> None:
    """Have nothing of a schema's tables written to the server's log: a crash of the server empties them,
    what they were made of is in the lake."""
    for (table,) in connection.run(_LOGGED, schema=schema):
        connection.run(f"ALTER TABLE {table} SET UNLOGGED")


def copy_lists(connection: pg8000.native.Connection, schemas: Schemas, models: Sequence[ModelRef]) -> None:
    """Fill the tables of a new star that no model makes, such as lists kept by hand, as the live one has
    them: its rows may refer to them."""
    made = {DATE_DIMENSION, *(model.name for model in models)}
    there = set(tables_of(connection, schemas.live))
    lists = [name for name in tables_of(connection, schemas.star) if name in there - made]
    carry_out(connection, plan_moves(connection, schemas.live, schemas.star, lists))


def discard_build(connection: pg8000.native.Connection, build: Schemas) -> None:
    """Take a build target away, wherever it was left; nothing where there is none.

    Raises ConfigurationError where what has its name is none of starlift's.
    """
    for schema in (build.star, build.pipeline):
        if not connection.run("SELECT FROM pg_namespace WHERE nspname = :schema", schema=schema):
            continue
        if tables_of(connection, schema) and not _has(connection, build.migration):
            raise ConfigurationError(
                f"the star is built in schema {schema} of the warehouse, and something else is in it",
                f"move it away: ALTER SCHEMA {identifier(schema)} RENAME TO mine, then: starlift run",
            )
    for schema in (build.star, build.pipeline):
        connection.run(f"DROP SCHEMA IF EXISTS {identifier(schema)} CASCADE")


def with_references(
    connection: pg8000.native.Connection, build: Schemas, tables: Mapping[str, StarTable]
) -> dict[str, StarTable]:
    """Return a build target's tables with the references that their foreign keys were."""
    found: dict[str, list[Reference]] = {}
    for child, reference in _references(connection, build):
        found.setdefault(child, []).append(reference)
    return {name: replace(table, references=tuple(found.get(name, ()))) for name, table in tables.items()}


def check_references(
    connection: pg8000.native.Connection, build: Schemas, models: Sequence[ModelRef]
) -> None:
    """Raise HeldError, naming table and key, where a row of a build target refers to one that is not there.

    What refers to a table that no model makes is left to the live star, which has its rows.
    """
    made = {model.name for model in models}
    for child, reference in _references(connection, build):
        if reference.parent not in made:
            continue
        own, others = (
            [identifier(name) for name in part] for part in (reference.columns, reference.parent_columns)
        )
        given = " AND ".join(f"c.{name} IS NOT NULL" for name in own)
        same = " AND ".join(f"p.{other} = c.{name}" for name, other in zip(own, others, strict=True))
        listed = ", ".join(f"c.{name}" for name in own)
        parent = f"{identifier(build.star)}.{identifier(reference.parent)}"
        broken = connection.run(
            f"SELECT CAST(ROW({listed}) AS text) FROM {identifier(build.star)}.{identifier(child)} c "  # noqa: S608 identifiers
            f"WHERE {given} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same}) LIMIT 1"
        )
        if broken:
            raise HeldError(
                f"a row of {child} refers by ({', '.join(reference.columns)}) to {broken[0][0]} of "
                f"{reference.parent}, which is not there; nothing was published",
                f"correct sql/models/{child}.sql or its foreign key in sql/warehouse, then: starlift run",
            )


def _is_made(connection: pg8000.native.Connection, build: Schemas, steps: Sequence[Step]) -> bool:
    if not (_has(connection, build.migration) and _has(connection, build.reference)):
        return False
    return recorded_files(connection, build) == {step.file: step.sha256 for step in steps}


def _has(connection: pg8000.native.Connection, quoted: str) -> bool:
    return bool(connection.run("SELECT to_regclass(:table) IS NOT NULL", table=quoted)[0][0])


def _record(connection: pg8000.native.Connection, build: Schemas, table: StarTable) -> None:
    for reference in table.references:
        connection.run(
            f"INSERT INTO {build.reference} VALUES "  # noqa: S608 identifiers only
            "(:child, CAST(:columns AS json), :parent, CAST(:parent_columns AS json))",
            child=table.name,
            columns=json.dumps(reference.columns),
            parent=reference.parent,
            parent_columns=json.dumps(reference.parent_columns),
        )


def _references(connection: pg8000.native.Connection, build: Schemas) -> Iterator[tuple[str, Reference]]:
    rows = connection.run(
        f"SELECT child, columns, parent, parent_columns FROM {build.reference} "  # noqa: S608 identifiers
        "ORDER BY child, CAST(columns AS text)"
    )
    for child, columns, parent, parent_columns in rows:
        yield child, Reference(tuple(columns), parent, tuple(parent_columns))

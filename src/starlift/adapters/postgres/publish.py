"""Publishing: what was built beside the star becomes the star, in one transaction.

Rows are moved, not tables: so grants, comments, owners and whatever builds on the star's tables stay. And
only rows that differ: a reader whose snapshot is older still sees all of the old ones, as it would not
after a TRUNCATE or a swap of tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pg8000.native
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres import aside
from starlift.adapters.postgres.build import check_references, discard_build
from starlift.adapters.postgres.connection import identifier, sqlstate
from starlift.adapters.postgres.migrate import Step, migrate
from starlift.adapters.postgres.moving import carry_out, plan_moves, require_shapes
from starlift.adapters.postgres.readers import around, keep_out
from starlift.adapters.postgres.schemas import Schemas, tables_of
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, read_star
from starlift.core.manifest import ModelRef
from starlift.errors import ConfigurationError

OWN = ("migration", "reference", "deferred")
"""Tables of a pipeline schema that say how it was made; they are not moved."""


FOREIGN_KEY_VIOLATION = "23503"


def publish(
    connection: pg8000.native.Connection,
    build: Schemas,
    live: Schemas,
    models: Sequence[ModelRef],
    gone: Sequence[str] = (),
) -> list[str]:
    """Make the live star and its ledger what a build target holds, and take the target away.

    gone: star tables to move beside those of the models and the date dimension; one that the build target has
    not is left as it is. In the transaction that the caller has begun and in which it holds the load's lock.
    Readers of what changes wait until it ends, and find every key and index as it was, validated. Returns the
    names of the tables that changed. Raises ConfigurationError where a live table has columns that the
    files of sql/warehouse do not make, or lacks some, HeldError where a row refers to one that is not there,
    and pg8000's DatabaseError where it breaks another key.
    """
    tables = [*(model.name for model in models), *gone]
    connection.run("SAVEPOINT published")
    try:
        return _publish(connection, build, live, tables)
    except DatabaseError as error:
        if sqlstate(error) != FOREIGN_KEY_VIOLATION:
            raise
        connection.run("ROLLBACK TO SAVEPOINT published")
        check_references(connection, build, models)  # names the row
        raise


def _publish(
    connection: pg8000.native.Connection, build: Schemas, live: Schemas, tables: Sequence[str]
) -> list[str]:
    of_pipeline = [name for name in tables_of(connection, build.pipeline) if name not in OWN]
    moves = plan_moves(connection, build.star, live.star, [*tables, DATE_DIMENSION])
    moves += plan_moves(connection, build.pipeline, live.pipeline, of_pipeline)
    targets = [move.target for move in moves]
    keep_out(connection, around(connection, targets))
    with _without_foreign_keys(connection, targets):
        carry_out(connection, moves)
    discard_build(connection, build)
    return [move.table for move in moves]


def rehearse(
    connection: pg8000.native.Connection,
    live: Schemas,
    build: Schemas,
    steps: Sequence[Step],
    models: Sequence[ModelRef],
) -> None:
    """Raise what `bring_up` and `publish` would of the live star's DDL, of what was altered by hand and of
    what others built on it. All that was done for it is taken back."""
    connection.run("SAVEPOINT rehearsal")
    bring_up(connection, live, steps, models)
    require_shapes(connection, build.star, live.star, [*(model.name for model in models), DATE_DIMENSION])
    connection.run("ROLLBACK TO SAVEPOINT rehearsal")


def bring_up(
    connection: pg8000.native.Connection, live: Schemas, steps: Sequence[Step], models: Sequence[ModelRef]
) -> None:
    """Migrate the live star, before rows are moved into it, to the files that made the build target.

    What cannot be done over the rows that are there, such as a new column that may not be NULL, is done
    without them: they are about to be replaced.
    """
    connection.run("SAVEPOINT before_migration")
    try:
        migrate(connection, live, steps, models)
    except ConfigurationError as error:
        if not (error.__cause__ and sqlstate(error.__cause__).startswith("23")):
            raise
        connection.run("ROLLBACK TO SAVEPOINT before_migration")
        _empty(connection, live, [model.name for model in models])
        migrate(connection, live, steps, models)


def _empty(connection: pg8000.native.Connection, live: Schemas, tables: Sequence[str]) -> None:
    there = read_star(connection, live.star, tables)
    quoted = [f"{identifier(live.star)}.{identifier(name)}" for name in there]
    keep_out(connection, around(connection, quoted))
    with _without_foreign_keys(connection, quoted):
        for table in quoted:
            connection.run(f"DELETE FROM {table}")  # noqa: S608 identifiers only


@contextmanager
def _without_foreign_keys(connection: pg8000.native.Connection, tables: Sequence[str]) -> Iterator[None]:
    """Take away the foreign keys of some tables and those that refer to them; make them again, and with
    that validate them at once, when the block ends."""
    keys = aside.foreign_keys_around(connection, tables)
    aside.drop(connection, keys)
    yield
    aside.make(connection, keys)

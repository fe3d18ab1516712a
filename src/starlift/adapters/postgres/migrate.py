"""`starlift migrate`: brings a warehouse up to sql/warehouse. docs/decisions/plain-sql-migrations.md
says why it is no more than this."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.fact_views import FactViews
from starlift.adapters.postgres.readers import keep_out, owned
from starlift.adapters.postgres.refusals import naming
from starlift.adapters.postgres.rehashing import rehashed
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.star_catalogue import StarTable
from starlift.adapters.postgres.star_shape import check_shape
from starlift.adapters.postgres.statements import read_statements
from starlift.adapters.postgres.turn import wait_for_lock
from starlift.adapters.postgres.views import fact_views
from starlift.core.manifest import ModelRef, sha256
from starlift.errors import ConfigurationError

_HEADER = re.compile(r"-- schema: (star|pipeline)\s*\Z")

_VIEW = "view "
"""What the record of a view begins with; all other records are files."""

_TABLE = """
CREATE TABLE IF NOT EXISTS {migration} (
    file       text        PRIMARY KEY,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

_RECORD = """
INSERT INTO {migration} (file, sha256) VALUES (:file, :sha256)
ON CONFLICT (file) DO UPDATE SET sha256 = excluded.sha256, applied_at = excluded.applied_at
"""


@dataclass(frozen=True)
class Step:
    """A file of sql/warehouse. schema: star or pipeline, from its first line."""

    file: str
    schema: str
    text: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return sha256(self.text.encode())


def read_steps(folder: Path) -> tuple[Step, ...]:
    """Read the files of sql/warehouse in the order of their names. Raises ConfigurationError."""
    steps = tuple(_step(file, text) for file, text in read_statements(folder).items())
    if not steps:
        raise ConfigurationError(f"there is no DDL in {folder}", "starlift init")
    return steps


def _step(file: str, text: str) -> Step:
    first = text.partition("\n")[0]
    match = _HEADER.match(first)
    if match is None:
        raise ConfigurationError(
            f"sql/warehouse/{file}: the first line does not say which schema the file is for",
            "write `-- schema: star` or `-- schema: pipeline` there, then: starlift migrate",
        )
    return Step(file, match[1], text)


def migrate(
    connection: pg8000.native.Connection, schemas: Schemas, steps: Sequence[Step], models: Sequence[ModelRef]
) -> tuple[str, ...]:
    """Apply what a warehouse has not had yet, in the transaction that the caller has begun.

    Each file is applied once, with its schema as search_path; the views of a fact again when its columns
    have changed. Returns what was applied: nothing where all is up to date. Raises ConfigurationError
    where a file was changed after it was applied, or a model's table is missing or cannot work.
    """
    wait_for_lock(connection, schemas.pipeline)
    for schema in (schemas.pipeline, schemas.star):
        _create_schema(connection, schema)
    connection.run(_TABLE.format(migration=schemas.migration))
    recorded = _recorded(connection, schemas)
    pending = _pending(steps, recorded)
    made = [entry.removeprefix(_VIEW) for entry in recorded if entry.startswith(_VIEW)]
    views = FactViews(connection, schemas, made)
    if recorded and any(step.schema == "star" for step in pending):
        keep_out(connection, owned(connection, schemas.star, made))
        with rehashed(connection, schemas, models):
            _apply(connection, schemas, pending, views)
    else:
        _apply(connection, schemas, pending, views)
    facts = check_shape(connection, schemas, models)
    return (*(step.file for step in pending), *_make_views(connection, schemas, facts, recorded, views))


def _apply(
    connection: pg8000.native.Connection, schemas: Schemas, pending: Sequence[Step], views: FactViews
) -> None:
    for step in pending:
        _enter(connection, schemas.star if step.schema == "star" else schemas.pipeline)
        with naming(f"sql/warehouse/{step.file}", "starlift migrate"):
            views.run(f"sql/warehouse/{step.file}", step.text)
        _record(connection, schemas, step.file, step.sha256)


def recorded_files(connection: pg8000.native.Connection, schemas: Schemas) -> dict[str, str]:
    """Return the SHA-256 of each file of sql/warehouse that was applied to a migrated warehouse."""
    recorded = _recorded(connection, schemas)
    return {name: digest for name, digest in recorded.items() if not name.startswith(_VIEW)}


def _recorded(connection: pg8000.native.Connection, schemas: Schemas) -> dict[str, str]:
    return dict(connection.run(f"SELECT file, sha256 FROM {schemas.migration}"))  # noqa: S608 identifiers


def _pending(steps: Sequence[Step], recorded: Mapping[str, str]) -> list[Step]:
    for step in steps:
        if recorded.get(step.file, step.sha256) != step.sha256:
            raise ConfigurationError(
                f"sql/warehouse/{step.file} was changed after it was applied",
                "undo that and put the change into a new file beside it, then: starlift migrate",
            )
    return [step for step in steps if step.file not in recorded]


def _create_schema(connection: pg8000.native.Connection, schema: str) -> None:
    # IF NOT EXISTS asks for the right to create also where there is nothing to create.
    if not connection.run("SELECT FROM pg_namespace WHERE nspname = :schema", schema=schema):
        connection.run(f"CREATE SCHEMA {identifier(schema)}")


def _enter(connection: pg8000.native.Connection, schema: str) -> None:
    connection.run("SELECT set_config('search_path', quote_ident(:schema), true)", schema=schema)


def _record(connection: pg8000.native.Connection, schemas: Schemas, name: str, digest: str) -> None:
    connection.run(_RECORD.format(migration=schemas.migration), file=name, sha256=digest)


def _make_views(
    connection: pg8000.native.Connection,
    schemas: Schemas,
    facts: Sequence[StarTable],
    recorded: Mapping[str, str],
    views: FactViews,
) -> Iterator[str]:
    """Make the views that are missing or whose text is another than recorded; yield their names."""
    for fact in facts:
        pair = fact_views(connection, fact, schemas.star, schemas.pipeline)
        for view in pair:
            entry, digest = f"{_VIEW}{view.name}", sha256(view.text.encode())
            found = connection.run("SELECT to_regclass(:view) IS NOT NULL", view=view.quoted)[0][0]
            if found and recorded.get(entry) == digest:
                continue
            with naming(entry, "starlift migrate"):
                views.make(view, pair)
            _record(connection, schemas, entry, digest)
            yield entry

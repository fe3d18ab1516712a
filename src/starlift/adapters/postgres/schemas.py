"""Where a star is in the warehouse: a pair of schemas, one for the star and one for the pipeline's tables."""

from __future__ import annotations

from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.errors import ConfigurationError

LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts a longer name."""


@dataclass(frozen=True)
class Schemas:
    """A target of migrations and loads.

    live: the schema of the live star, for a pair beside it. building: it is filled without foreign keys and
    secondary indexes, to be published into the live one; see `starlift.adapters.postgres.build`.
    """

    star: str
    pipeline: str
    live: str = ""
    building: bool = False

    @property
    def migration(self) -> str:
        """The table of what was applied, quoted for SQL."""
        return f"{identifier(self.pipeline)}.migration"

    @property
    def reference(self) -> str:
        """A build target's table of the foreign keys that it is filled without, quoted for SQL."""
        return f"{identifier(self.pipeline)}.reference"

    @property
    def deferred(self) -> str:
        """A build target's table of the indexes that it is without while it is filled in chunks, quoted."""
        return f"{identifier(self.pipeline)}.deferred"

    @property
    def build(self) -> Schemas:
        """The pair in which this one's next content is built."""
        return Schemas(f"{self.pipeline}_build_star", f"{self.pipeline}_build", self.star, building=True)

    @property
    def scratch(self) -> Schemas:
        """The pair in which a star is made to be compared with this one."""
        return Schemas(f"{self.pipeline}_verify_star", f"{self.pipeline}_verify", self.star)


_TABLES = """
SELECT c.relname::text FROM pg_class c
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relkind IN ('r', 'p')
ORDER BY c.relname
"""


def tables_of(connection: pg8000.native.Connection, schema: str) -> list[str]:
    """Return the names of a schema's tables; none where there is no such schema."""
    return [name for (name,) in connection.run(_TABLES, schema=schema)]


def replay_schemas(star: str, live: Schemas) -> Schemas:
    """Return the pair for a replay into a schema. Raises ConfigurationError where its name cannot serve."""
    schemas = Schemas(star, f"{star}_starlift", live.star)
    pairs = (live, live.build, live.scratch)
    taken = {name for pair in pairs for name in (pair.star, pair.pipeline)}
    if taken & {schemas.star, schemas.pipeline} or star.startswith("pg_") or star == "information_schema":
        raise ConfigurationError(
            f"schema {star} is not free for a replay: the pipeline or the server uses it",
            "starlift replay --into another_schema",
        )
    if len(schemas.build.star.encode()) > LONGEST_NAME:
        raise ConfigurationError(
            f"the schema's name {star} is too long: the replay makes names from it",
            "starlift replay --into replay",
        )
    return schemas


_OBJECTS = """
SELECT n.nspname::text FROM pg_namespace n
WHERE n.nspname = ANY(:schemas) AND to_regclass(:migration) IS NULL AND (
    EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid)
    OR EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = n.oid)
    OR EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid))
"""


def require_free(connection: pg8000.native.Connection, schemas: Schemas) -> None:
    """Raise ConfigurationError where one of the schemas holds what no migration of starlift put there."""
    found = connection.run(_OBJECTS, schemas=[schemas.star, schemas.pipeline], migration=schemas.migration)
    if found:
        raise ConfigurationError(
            f"schema {found[0][0]} of the warehouse is not empty, and a replay needs one of its own",
            f"starlift replay --into {schemas.star}_replay",
        )

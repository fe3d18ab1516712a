"""Where a star is in the warehouse: a pair of schemas, one for the star and one for the pipeline's tables."""

from __future__ import annotations

from dataclasses import dataclass

from starlift.adapters.postgres.connection import identifier


@dataclass(frozen=True)
class Schemas:
    """A target of migrations and loads.

    building: it is filled without foreign keys and secondary indexes, to be published into another pair;
    see `starlift.adapters.postgres.build`.
    """

    star: str
    pipeline: str
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
    def build(self) -> Schemas:
        """The pair in which this one's next content is built."""
        return Schemas(f"{self.pipeline}_build_star", f"{self.pipeline}_build", building=True)

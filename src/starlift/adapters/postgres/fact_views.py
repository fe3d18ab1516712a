"""The views of the facts while the star's tables change under them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pg8000.native
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import identifier, sqlstate
from starlift.adapters.postgres.dependents import Dependent, built_upon, refusal, views_in_the_way
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.upkeep import Kept, keep, replace, restore
from starlift.adapters.postgres.views import View

_BUILT_UPON = ("2BP01", "0A000")
"""SQLSTATEs of DDL that drops a column which a view reads, or gives it another type."""


class FactViews:
    """The views that a migration finds. They stay where PostgreSQL lets them, and so does what builds on
    them; one that has to go for a moment comes back with its owner, grants, comments and options."""

    def __init__(
        self, connection: pg8000.native.Connection, schemas: Schemas, names: Collection[str]
    ) -> None:
        """names: of the views, in the star's schema."""
        self._connection = connection
        self._star = schemas.star
        quoted = [f"{identifier(schemas.star)}.{identifier(name)}" for name in names]
        self._kept: dict[str, Kept] = {view: keep(connection, view) for view in quoted}

    def run(self, file: str, text: str) -> None:
        """Run DDL. Raises ConfigurationError, naming them, where what other people built is in its way.

        file: the subject of a message.
        """
        self._connection.run("SAVEPOINT ddl")
        try:
            self._connection.run(text)
        except DatabaseError as error:
            if sqlstate(error) not in _BUILT_UPON:
                raise
            self._connection.run("ROLLBACK TO SAVEPOINT ddl")
            self._take_away(file, views_in_the_way(self._connection, self._star, text))
            self._connection.run(text)

    def make(self, view: View, pair: Sequence[View]) -> None:
        """Make a view of a fact, or another of the one that is there. Raises ConfigurationError, naming them,
        where others build on columns that it has no more.

        pair: both views of the fact. What one of them loses, the other loses too.
        """
        if not replace(self._connection, view.text):
            self._take_away(f"view {view.name}", [each.quoted for each in pair])
            self._connection.run(view.text)
        if view.quoted in self._kept:
            restore(self._connection, self._kept[view.quoted])

    def _take_away(self, what: str, views: Sequence[str] | None) -> None:
        """Take views away; None: all of ours upon which nothing builds."""
        if views is None:
            alone = [view for view in self._kept if not self._others(self._upon([view]))]
            self._drop(self._upon(alone))
            return
        found = self._upon(views)
        if others := self._others(found):
            raise refusal(what, others, "starlift migrate")
        self._drop(found)

    def _upon(self, views: Sequence[str]) -> list[Dependent]:
        return built_upon(self._connection, views, self._kept)

    def _others(self, found: Sequence[Dependent]) -> list[Dependent]:
        return [each for each in found if not each.ours]

    def _drop(self, views: Sequence[Dependent]) -> None:
        for view in views:
            self._connection.run(f"DROP VIEW {view.identity}")

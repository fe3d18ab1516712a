"""The first chunks of a star, where all of them come in one transaction: written in place, as a build is.

Until the transaction ends nobody sees the tables, so they need no foreign keys and no index that only finds
rows; these are made at once, from sorted rows, before the first batch that has to find some. Nothing is
moved afterwards, as what is built beside the star has to be; but nothing of it is left where it breaks off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pg8000.native

from starlift.adapters.postgres import aside
from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.readers import around, keep_out
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, Reference, StarTable, read_star
from starlift.core.manifest import Processed

_UNUSED = """
SELECT NOT EXISTS (SELECT FROM applied) AND NOT EXISTS (SELECT FROM fact_version)
       AND NOT EXISTS (SELECT FROM ledger)
"""

# What does more with a row, or with being emptied, than to keep it; or is not ours to change.
_OTHERS = """
SELECT EXISTS (
    SELECT FROM json_array_elements_text(CAST(:tables AS json)) AS named (name)
    JOIN pg_class c ON c.oid = to_regclass(named.name)
    WHERE (
        c.relkind <> 'r' OR c.relrowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')
        OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid
                   AND (NOT t.tgisinternal OR t.tgenabled <> 'O'))))
"""


@dataclass
class Bare:
    """A star that is without its foreign keys and most of its indexes, for a while.

    references: what the foreign keys are, by table. tables: those that are to be analyzed, quoted for SQL.
    """

    connection: pg8000.native.Connection
    references: Mapping[str, tuple[Reference, ...]]
    tables: Sequence[str]
    _foreign_keys: Sequence[aside.Constraint]
    _parts: Sequence[aside.Constraint | aside.Index]
    is_bare: bool = field(default=True, init=False)

    def with_references(self, tables: Mapping[str, StarTable]) -> dict[str, StarTable]:
        """Return the tables with the references that their foreign keys are."""
        if not self.is_bare:
            return dict(tables)
        return {
            name: replace(table, references=self.references.get(name, ())) for name, table in tables.items()
        }

    def dress(self) -> None:
        """Make all of it again, and validate it with that. To be called until it has come back once."""
        if not self.is_bare:
            return
        aside.make(self.connection, self._parts)
        for table in self.tables:
            self.connection.run(f"ANALYZE {table}")
        aside.make(self.connection, self._foreign_keys)
        self.is_bare = False


def undress(connection: pg8000.native.Connection, schemas: Schemas, first: Processed) -> Bare | None:
    """Take keys and indexes away from a star in which no batch is yet, and its rows' space, which a
    transaction that breaks off would leave full of dead ones. None where a batch is, or was, or where it is
    not worth it: where the first batch is no chunk, or the star a build target. Nor where one of the tables
    has triggers, row security or partitions, or is somebody else's: there nothing is taken away.

    In the transaction of the load. Readers wait until it ends."""
    models = first.models
    if schemas.building or not first.partial or not connection.run(_UNUSED)[0][0]:
        return None
    found = read_star(connection, schemas.star, [*(model.name for model in models), DATE_DIMENSION])
    star = {name: f"{identifier(schemas.star)}.{identifier(name)}" for name in found}
    version, ledger = (f"{identifier(schemas.pipeline)}.{name}" for name in ("fact_version", "ledger"))
    affected = around(connection, [*star.values(), version, ledger])
    if connection.run(_OTHERS, tables=json.dumps(affected, ensure_ascii=False))[0][0]:
        return None
    facts = [star[model.name] for model in models if model.kind == "fact" and model.name in star]
    keep_out(connection, affected)
    if any(connection.run(f"SELECT FROM {table} LIMIT 1") for table in facts):
        return None
    foreign_keys = aside.foreign_keys_around(connection, list(star.values()))
    aside.drop(connection, foreign_keys)
    parts: list[aside.Constraint | aside.Index] = [*aside.keys_of(connection, version)]
    for table in (*star.values(), version, ledger):
        # a row that comes into our own table of versions is in the star already: no index refuses it
        indexes = aside.indexes_of(connection, table)
        parts += [index for index in indexes if table == version or not index.may_refuse]
    aside.drop(connection, parts)
    connection.run(f"TRUNCATE {', '.join([*facts, version, ledger])}")
    references = {name: table.references for name, table in found.items()}
    return Bare(connection, references, [*star.values(), version, ledger], foreign_keys, parts)

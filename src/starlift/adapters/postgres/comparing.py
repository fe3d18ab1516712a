"""Two stars of one warehouse compared, row by row: every table and view that both have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.turn import newest_digest
from starlift.adapters.postgres.verifying import found_in
from starlift.core.difference import Difference
from starlift.errors import LostRace

NOT_REPEATED = {"applied": {"applied_at", "seconds"}}
"""What says when something was done, and how long it took: no replay repeats it."""

_APART = ("migration", "reference", "ledger_rows")
"""Tables that say how the schemas were made; and how many rows the ledger has of tables that a load had to
count, which are not those that a replay had to."""

_RELATIONS = """
SELECT c.relname::text,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             JOIN pg_attribute b ON b.attrelid = o.oid AND b.attname = a.attname AND NOT b.attisdropped
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text FROM pg_index i
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum))
FROM pg_class c
JOIN pg_class o ON o.relname = c.relname AND o.relnamespace = to_regnamespace(quote_ident(:other))
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relkind IN ('r', 'p', 'v')
ORDER BY c.relkind, c.relname
"""

_ROWS = "SELECT CAST(ROW({key}) AS text) AS key, CAST(ROW({columns}) AS text) AS content FROM {relation}"

_DIFFERENT = """
WITH here AS ({here}), there AS ({there}),
     more AS (SELECT DISTINCT key FROM (SELECT * FROM here EXCEPT ALL SELECT * FROM there) AS rows),
     less AS (SELECT DISTINCT key FROM (SELECT * FROM there EXCEPT ALL SELECT * FROM here) AS rows)
SELECT CASE WHEN more.key IS NULL THEN 'missing, by a replay'
            WHEN less.key IS NULL THEN 'not in a replay'
            ELSE 'other than in a replay' END AS what, coalesce(more.key, less.key) AS key
FROM more FULL JOIN less ON less.key = more.key
"""


def compare(connection: pg8000.native.Connection, live: Schemas, other: Schemas) -> list[Difference] | None:
    """Return in what the live star and its ledger are not what another pair of schemas has; None where they
    have not come to the same batch.

    In the transaction that the caller has begun. What others put beside the star is not compared. Raises
    LostRace where the last batch is of another generation.
    """
    here, there = (newest_digest(connection, pair) for pair in (live, other))
    if here[0] != there[0]:
        return None
    if here != there:
        raise LostRace("the star was rebuilt while it was compared", "again: starlift verify --deep")
    pairs = ((live.star, other.star, ""), (live.pipeline, other.pipeline, f"{live.pipeline}."))
    return [found for pair in pairs for found in _compare(connection, *pair)]


def _compare(
    connection: pg8000.native.Connection, schema: str, other: str, prefix: str
) -> Iterator[Difference]:
    found = connection.run(_RELATIONS, schema=schema, other=other)
    keys = {name: key for name, _, key in found}
    for name, columns, own in found:
        # a fact's views have its key; of a row that has none the first column has to be the name
        key = own or keys.get(name.removeprefix("current_").removeprefix("history_"), [])
        told = [column for column in columns if column not in NOT_REPEATED.get(name, ())]
        if told and name not in _APART:
            here, there = (
                _rows(place, name, told, key if {*key} & {*told} else told[:1]) for place in (schema, other)
            )
            query = _DIFFERENT.format(here=here, there=there)
            yield from found_in(connection, f"{prefix}{name}", query)


def _rows(schema: str, relation: str, columns: Sequence[str], key: Sequence[str]) -> str:
    return _ROWS.format(
        key=", ".join(map(identifier, key)),
        columns=", ".join(map(identifier, columns)),
        relation=f"{identifier(schema)}.{identifier(relation)}",
    )

"""What `starlift verify` asks the warehouse: the ledger as a source's equal, and what in star and ledger is
not as the load wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.fitting import surrogate
from starlift.adapters.postgres.row_hash import dimension_hash, dimension_key, fact_hash
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, DATE_KEY, StarTable, read_star
from starlift.adapters.postgres.sweeping import ledger_sums
from starlift.adapters.postgres.turn import last_applied
from starlift.core.difference import SHOWN, Difference
from starlift.core.inventory import Sums
from starlift.core.manifest import ModelRef
from starlift.ports import Applied

_ALIKE = ("smallint", "integer", "bigint", "uuid", "date", "boolean", "text", "character varying")
"""Types of a dimension's key that print in the star as they do at the source."""

_KEYS = """
SELECT key, source_hash FROM ledger
WHERE source_table = :source_table AND bucket = ANY (CAST(:buckets AS smallint[]))
  AND state IN ('live', 'quarantined', 'dropped')
"""

_HELD_BACK = """
SELECT source_table, count(*) FROM ledger WHERE state IN ('quarantined', 'dropped') GROUP BY source_table
"""

_FOUND = """
SELECT what, rows, key FROM (
    SELECT what, key, count(*) OVER (PARTITION BY what) AS rows,
           row_number() OVER (PARTITION BY what ORDER BY length(key), key) AS place
    FROM ({query}) AS found) AS numbered
WHERE place <= {shown} ORDER BY what, place
"""

_FACT_ROWS = """
SELECT CASE WHEN v.record_id IS NULL THEN 'no batch added'
            WHEN f.{surrogate} IS NULL THEN 'missing'
            ELSE 'changed' END AS what,
       concat(coalesce(v.key, {key}), ' record ', coalesce(v.record_id, f.{surrogate})) AS key
FROM (SELECT * FROM fact_version WHERE fact = :fact AND op <> 'delete') AS v
FULL JOIN {star} f ON f.{surrogate} = v.record_id
WHERE v.row_hash IS DISTINCT FROM {hash} OR v.record_id IS NULL OR f.{surrogate} IS NULL
"""

_VERSIONS = """
SELECT 'versions that do not follow each other' AS what, concat(key, ' record ', record_id) AS key
FROM (SELECT key, record_id, ended_seq, lead(seq) OVER (PARTITION BY key ORDER BY seq) AS next
      FROM fact_version WHERE fact = :fact) AS v
WHERE ended_seq IS DISTINCT FROM next
UNION ALL
SELECT 'tombstones changed', concat(key, ' record ', record_id) FROM fact_version v
WHERE fact = :fact AND op = 'delete' AND row_hash <> {hash}
"""

_FACT_KEYS = """
SELECT CASE WHEN v.key IS NULL THEN concat('without a row in ', CAST(:fact AS text))
            ELSE concat('current in ', CAST(:fact AS text), ', and ', coalesce(l.state, 'not known'))
            END AS what, coalesce(l.key, v.key) AS key
FROM (SELECT key, state FROM ledger WHERE source_table = :driving) AS l
FULL JOIN (SELECT key FROM fact_version WHERE fact = :fact AND current AND op <> 'delete') AS v
    ON v.key = l.key
WHERE (l.state = 'live' AND v.key IS NULL)
   OR (v.key IS NOT NULL AND coalesce(l.state, '') NOT IN ('live', 'quarantined', 'dropped'))
"""

_DIMENSION_ROWS = """
SELECT CASE WHEN r.key IS NULL THEN 'no batch added'
            WHEN d."_key" IS NULL THEN 'missing'
            ELSE 'changed' END AS what, coalesce(r.key, d."_key") AS key
FROM (SELECT * FROM dimension_row WHERE dimension = :dimension) AS r
FULL JOIN (SELECT {key} AS "_key", d.* FROM {star} d) AS d ON d."_key" = r.key
WHERE r.row_hash IS DISTINCT FROM {hash} OR r.key IS NULL OR d."_key" IS NULL
"""

_DIMENSION_KEYS = """
SELECT concat('without a row in ', CAST(:dimension AS text)) AS what, key FROM ledger l
WHERE source_table = :driving AND state = 'live'
  AND NOT EXISTS (SELECT FROM dimension_row r WHERE r.dimension = :dimension AND r.key = l.key)
"""

_LEDGER = """
SELECT 'in another bucket than their key''s' AS what, concat(source_table, ' ', key) AS key
FROM ledger WHERE bucket <> bucket(key)
UNION ALL
SELECT 'rows counted, not as many as there are', r.source_table FROM ledger_rows r
LEFT JOIN (SELECT source_table, count(*) AS rows FROM ledger
           WHERE state IN ('live', 'quarantined', 'dropped') GROUP BY source_table) AS l USING (source_table)
WHERE r.rows <> coalesce(l.rows, 0)
UNION ALL
SELECT 'held back, and not so in the quarantine', concat(source_table, ' ', key) FROM ledger l
WHERE state IN ('quarantined', 'dropped') AND NOT EXISTS (
    SELECT FROM quarantine q WHERE q.source_table = l.source_table AND q.key = l.key
    AND (q.dropped IS NOT NULL) = (l.state = 'dropped'))
UNION ALL
SELECT 'in quarantine, and not held back', concat(source_table, ' ', key) FROM quarantine q
WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.source_table = q.source_table AND l.key = q.key
                  AND l.state IN ('quarantined', 'dropped'))
"""


def found_in(
    connection: pg8000.native.Connection, name: str, query: str, **values: object
) -> Iterator[Difference]:
    """Yield what a query finds in a table: one difference for each `what`, with the first of its `key`s."""
    keys: dict[tuple[str, int], list[str]] = {}
    for what, rows, key in connection.run(_FOUND.format(query=query, shown=SHOWN), **values):
        keys.setdefault((what, rows), []).append(key)
    for (what, rows), first in keys.items():
        yield Difference(name, what, rows, tuple(first))


class PostgresInspection:
    """Keeps the promises of `stages.verify.Inspection`, in the transaction that the caller has begun."""

    def __init__(self, connection: pg8000.native.Connection, schemas: Schemas) -> None:
        self._connection = connection
        self._schemas = schemas

    @property
    def applied(self) -> Applied | None:
        """The last batch applied, None before the first."""
        return last_applied(self._connection)

    def sums(self, table: str) -> Sums:
        """Return the bucket sums of a source table's keys, as the ledger has them."""
        return ledger_sums(self._connection, table)

    def keys(self, table: str, buckets: Sequence[int]) -> dict[str, int]:
        """Return the source hash by key of what the ledger has in some buckets."""
        return dict(self._connection.run(_KEYS, source_table=table, buckets=list(buckets)))

    def held_back(self) -> dict[str, int]:
        """Return the number of rows in quarantine by source table."""
        return dict(self._connection.run(_HELD_BACK))

    def differences(self, models: Sequence[ModelRef]) -> list[Difference]:
        """Return in what the star and the pipeline's tables are not as the load wrote them."""
        tables = read_star(
            self._connection, self._schemas.star, [*(model.name for model in models), DATE_DIMENSION]
        )
        found = [*self._find("starlift.ledger", _LEDGER)]
        for model in models:
            if table := tables.get(model.name):
                found += self._fact(model, table) if model.kind == "fact" else self._dimension(model, table)
        if calendar := tables.get(DATE_DIMENSION):
            found += self._dimension_rows(calendar, DATE_KEY)
        return found

    def _find(self, name: str, query: str, **values: object) -> Iterator[Difference]:
        return found_in(self._connection, name, query, **values)

    def _fact(self, model: ModelRef, table: StarTable) -> Iterator[Difference]:
        own = identifier(surrogate(table, model) or "")
        version = ("v.record_id", "v.key", "v.seq", "v.op")
        rows = _FACT_ROWS.format(
            surrogate=own,
            star=self._star(table),
            key=dimension_key("f", model.key),
            hash=fact_hash(table, "f", version),
        )
        yield from self._find(table.name, rows, fact=table.name)
        versions = _VERSIONS.format(hash=fact_hash(None, "", version))
        yield from self._find(table.name, versions, fact=table.name)
        names = {"driving": model.driving, "fact": table.name}
        yield from self._find(f"starlift.ledger of {model.driving}", _FACT_KEYS, **names)

    def _dimension(self, model: ModelRef, table: StarTable) -> Iterator[Difference]:
        yield from self._dimension_rows(table, model.key)
        types = (table.columns[name].type.partition("(")[0] for name in model.key)
        if all(kind in _ALIKE for kind in types):
            names = {"driving": model.driving, "dimension": table.name}
            yield from self._find(f"starlift.ledger of {model.driving}", _DIMENSION_KEYS, **names)

    def _dimension_rows(self, table: StarTable, key: Sequence[str]) -> Iterator[Difference]:
        query = _DIMENSION_ROWS.format(
            star=self._star(table),
            key=dimension_key("d", key),
            hash=dimension_hash(table, "d", key, "r.seq"),
        )
        yield from self._find(table.name, query, dimension=table.name)

    def _star(self, table: StarTable) -> str:
        return f"{identifier(self._schemas.star)}.{identifier(table.name)}"

"""The two views of each fact, made from its catalogue entry, so that a new fact is one table's DDL.

The columns of the fact come last: so a view that is there can take on a new one, with whatever builds on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.star_catalogue import StarTable

_CURRENT = """
CREATE OR REPLACE VIEW {view} AS
SELECT {columns}
FROM {fact} f
JOIN {pipeline}.fact_version v ON v.fact = {name} AND v.record_id = f.{surrogate}
WHERE v.current AND v.op <> 'delete';
COMMENT ON VIEW {view} IS
    'The newest version of each row of the fact; rows deleted in the source are not in it.'
"""

_HISTORY = """
CREATE OR REPLACE VIEW {view} AS
SELECT began.clock AS valid_from,
       ended.clock AS valid_to,
       v.op,
       v.seq,
       {columns}
FROM {pipeline}.fact_version v
JOIN {fact} f ON f.{surrogate} = v.record_id
JOIN {pipeline}.applied began ON began.seq = v.seq
LEFT JOIN {pipeline}.applied ended ON ended.seq = v.ended_seq
WHERE v.fact = {name};
COMMENT ON VIEW {view} IS
    'Every version of each row of the fact. A deleted row ends with a version whose op is delete.';
COMMENT ON COLUMN {view}.valid_from IS
    'Source time at which the batch that brought this version was read: the change was seen then.';
COMMENT ON COLUMN {view}.valid_to IS 'valid_from of the next version; NULL for the newest.';
COMMENT ON COLUMN {view}.op IS 'insert, update, delete, or repair: a change that a poll had not seen.';
COMMENT ON COLUMN {view}.seq IS 'The batch that brought this version.'
"""


@dataclass(frozen=True)
class View:
    """A view as it is made. quoted: its name with the schema, for SQL."""

    name: str
    quoted: str
    text: str


def fact_views(
    connection: pg8000.native.Connection, fact: StarTable, star: str, pipeline: str
) -> tuple[View, View]:
    """Return `current_<fact>` and `history_<fact>`. star, pipeline: the two schemas' names."""
    literal = connection.run("SELECT quote_literal(:name)", name=fact.name)[0][0]

    def view(prefix: str, template: str) -> View:
        name = f"{prefix}_{fact.name}"
        quoted = f"{identifier(star)}.{identifier(name)}"
        text = template.format(
            view=quoted,
            columns=", ".join(f"f.{identifier(column)}" for column in fact.columns),
            fact=f"{identifier(star)}.{identifier(fact.name)}",
            pipeline=identifier(pipeline),
            name=literal,
            surrogate=identifier(fact.primary_key[0]),
        )
        return View(name, quoted, text)

    return view("current", _CURRENT), view("history", _HISTORY)

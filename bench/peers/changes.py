"""The source: a table a change, each of a thousand rows, and what is done to ten of them.

One table a change, so that none of them hides what another does to a cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pg8000.native
from tests.postgres import connected

ROWS, CHANGED = 1000, 10

CHANGES = {
    "committed_late": "committed late, stamped before a newer row",
    "edited_silently": "edited, the stamp untouched",
    "deleted": "deleted",
    "after_a_future_stamp": "edited after one row was stamped 30 days ahead",
    "stamped_back": "edited, and stamped a day back",
}
"""What is done to ten rows, by table."""

_TABLE = """
CREATE TABLE {name} (
    id integer PRIMARY KEY, name text NOT NULL, last_updated timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON {name} (last_updated);
INSERT INTO {name} SELECT n, 'before', now() - n * interval '1 minute' FROM generate_series(1, {rows}) AS n;
"""
DDL = "".join(_TABLE.format(name=name, rows=ROWS) for name in CHANGES)

_TEN = f"WHERE id BETWEEN 101 AND {100 + CHANGED}"
WHILE_ALL_LOOK_AWAY = (
    f"UPDATE edited_silently SET name = 'after' {_TEN}",
    f"DELETE FROM deleted {_TEN}",
    "UPDATE after_a_future_stamp SET last_updated = now() + interval '30 days' WHERE id = 1",
    f"UPDATE stamped_back SET name = 'after', last_updated = last_updated - interval '1 day' {_TEN}",
)
ONCE_ALL_HAVE_SEEN_IT = (f"UPDATE after_a_future_stamp SET name = 'after', last_updated = now() {_TEN}",)

Row = tuple[int, str, str]
Tables = Mapping[str, set[Row]]


@contextmanager
def late(source: str) -> Iterator[None]:
    """Begin a transaction that inserts ten rows, have a newer row committed, and commit after the block."""
    with connected(source) as slow, connected(source) as quick:
        slow.run("BEGIN")
        slow.run(
            f"INSERT INTO committed_late SELECT n, 'late', now() "
            f"FROM generate_series({ROWS + 1}, {ROWS + CHANGED}) AS n"
        )
        quick.run(f"INSERT INTO committed_late VALUES ({ROWS + CHANGED + 1}, 'newer', clock_timestamp())")
        yield
        slow.run("COMMIT")


def change(source: str, *statements: str) -> None:
    """Run statements, each a transaction."""
    with connected(source) as application:
        for statement in statements:
            application.run(statement)


def read(url: str, relation: Callable[[str], str]) -> Tables:
    """Return the rows of every table. relation: what a table is called there."""
    with connected(url) as reader:
        return {name: _rows(reader, relation(name)) for name in CHANGES}


def _rows(reader: pg8000.native.Connection, relation: str) -> set[Row]:
    found = reader.run(f"SELECT id, name, CAST(last_updated AS text) FROM {relation}")
    return {(key, name, stamp) for key, name, stamp in found or ()}


def wrong(there: Tables, here: Tables) -> dict[str, int]:
    """Return by table how many keys are missing, too many, or not as they are in the source."""
    return {name: len({key for key, *_ in there[name] ^ here[name]}) for name in CHANGES}

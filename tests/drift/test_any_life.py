"""Whatever happens to rows and shapes, in any order: the star becomes what the source has, and no row has a
version that tells nothing new."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.drift.project import Project
from tests.postgres import connected

STEPS = 30

Fault = tuple[str, str, str]
FAULTS: tuple[Fault, ...] = (
    ("sale", "ALTER TABLE sale RENAME note TO remark", "ALTER TABLE sale RENAME remark TO note"),
    ("sale", "ALTER TABLE sale RENAME TO sold", "ALTER TABLE sold RENAME TO sale"),
    (
        "sale",
        "ALTER TABLE sale ALTER amount TYPE float8",
        "ALTER TABLE sale ALTER amount TYPE numeric(6,2)",
    ),
    ("visit", "ALTER TABLE visit DROP CONSTRAINT visit_pkey", "ALTER TABLE visit ADD PRIMARY KEY (id)"),
    ("client", "ALTER TABLE client ALTER seen TYPE date", "ALTER TABLE client ALTER seen TYPE timestamp(0)"),
    ("maker", "ALTER TABLE maker RENAME name TO title", "ALTER TABLE maker RENAME title TO name"),
)
"""Changes that hold a table, and what puts it back."""

GROWTH = (
    "ALTER TABLE sale ALTER note TYPE text",
    "ALTER TABLE client ALTER name TYPE varchar(90)",
    "ALTER TABLE maker ALTER id TYPE bigint",
    "ALTER TABLE sale ADD IF NOT EXISTS colour text DEFAULT 'red'",
    "ALTER TABLE maker ADD IF NOT EXISTS town text",
)
"""Changes that go through; the star has room for all of them."""

ROOM = (
    "ALTER TABLE fact_sale ADD colour text NOT NULL DEFAULT '?';"
    "ALTER TABLE fact_sale ADD town text;"
    "ALTER TABLE fact_sale ALTER amount TYPE numeric"
)


class Life:
    """The source's owner, who edits rows and shapes at random."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project = project
        self.chance = random.Random(seed)  # noqa: S311
        self.broken: dict[str, Fault] = {}
        self.last = 100

    def step(self) -> None:
        """Let one thing happen."""
        actions: tuple[tuple[Callable[[], None], int], ...] = (
            (self.edit, 8),
            (self.run, 6),
            (self.breaks, 3),
            (self.mend, 3),
            (self.grow, 1),
        )
        weights = [weight for _, weight in actions]
        self.chance.choices([action for action, _ in actions], weights)[0]()

    def run(self) -> None:
        """A cycle goes on with what is whole, and names what is not."""
        said = self.project.starlift("run")
        assert (said.code, set(said.json["held"])) == (7 if self.broken else 0, set(self.broken)), said

    def breaks(self) -> None:
        """Change a table so that it is held, if it is whole."""
        fault = self.chance.choice(FAULTS)
        if fault[0] not in self.broken:
            self.project.change(fault[1])
            self.broken[fault[0]] = fault

    def mend(self) -> None:
        """Put a table back."""
        if self.broken:
            name = self.chance.choice(sorted(self.broken))
            self.project.change(self.broken.pop(name)[2])

    def grow(self) -> None:
        """Widen a type or add a column, of a table that is there under its name."""
        script = self.chance.choice(GROWTH)
        if script.split()[2] not in self.broken:
            self.project.change(script)

    def edit(self) -> None:
        """Insert, update or delete rows, of held tables as well."""
        self.last += 1
        sale = "sold" if self.broken.get("sale", FAULTS[0])[1].endswith("sold") else "sale"
        maker = "title" if "maker" in self.broken else "name"
        who = self.chance.choice((1, 2))
        scripts = (
            f"INSERT INTO {sale} (id, maker_id, amount) VALUES ({self.last}, {who}, 7)",
            f"UPDATE {sale} SET amount = {self.chance.randrange(100)} WHERE id % 3 = {self.last % 3}",
            f"DELETE FROM {sale} WHERE id = (SELECT max(id) FROM {sale})",
            f"UPDATE maker SET {maker} = 'm{self.last}' WHERE id = {who}",
            f"INSERT INTO client VALUES ({self.last}, 'n', '2024-05-05')",
            f"UPDATE client SET name = 'n{self.last}' WHERE id = (SELECT min(id) FROM client)",
            f"INSERT INTO visit VALUES ({self.last}, (SELECT max(id) FROM client), 5)",
            f"UPDATE visit SET length = {self.chance.randrange(9)} WHERE id % 2 = 0",
        )
        self.project.change(self.chance.choice(scripts))


EXPECTED = {
    "current_fact_sale": """
        SELECT s.id, s.amount::numeric, s.note::text, m.name::text,
               to_jsonb(s)->>'colour', to_jsonb(m)->>'town'
        FROM sale s JOIN maker m ON m.id = s.maker_id""",
    "current_fact_visit": "SELECT id, client_id, length FROM visit",
    "dim_client": "SELECT id, name::text, seen::timestamp FROM client",
}
FOUND = {
    "current_fact_sale": "SELECT id, amount, note, name, nullif(colour, '?'), town FROM current_fact_sale",
    "current_fact_visit": "SELECT id, client_id, length FROM current_fact_visit",
    "dim_client": "SELECT id, name, seen FROM dim_client",
}


def rows(url: str, query: str) -> list[Any]:
    with connected(url) as connection:
        return sorted(connection.run(query), key=lambda row: row[0])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_star_becomes_what_the_source_has_and_every_version_tells_something(
    project: Project, seed: int
) -> None:
    policy = {"[limits]": 'new_columns = "add"\n\n[limits]'}
    project.declare(policy)
    project.migrate(ROOM)
    life = Life(project, seed)
    for _ in range(STEPS):
        life.step()
    while life.broken:
        life.mend()
    while project.run()["outcome"] != "nothing":
        pass
    found = {table: rows(project.warehouse.owner, query) for table, query in FOUND.items()}
    assert found == {table: rows(project.source.admin, query) for table, query in EXPECTED.items()}
    assert idle_versions(project) == []


def idle_versions(project: Project) -> list[Any]:
    """Return the versions that are equal to the one before, unless the row was deleted in between."""
    return project.query(
        """WITH version AS (
               SELECT id, seq, op, record_id, ARRAY[amount::text, note, name, colour, town] AS content
               FROM history_fact_sale)
           SELECT id, seq, content FROM (
               SELECT *, lag(content) OVER each AS content_before, lag(op) OVER each AS op_before
               FROM version WINDOW each AS (PARTITION BY id ORDER BY seq, record_id)) AS pair
           WHERE content = content_before AND 'delete' NOT IN (op, op_before) ORDER BY id, seq"""
    )

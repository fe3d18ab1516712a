"""A table whose shape changed under the poll: it goes on, or is held for itself while the others go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pg8000.native
import pytest

from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from starlift.core.config import TableSpec
from starlift.core.drift import known
from starlift.core.manifest import Column
from starlift.errors import ConfigurationError, DriftError
from starlift.ports import Barrier
from starlift.stages import log
from starlift.stages.extract import Run, extract
from tests.extract.conftest import Extractor, MakeExtractor, Shop

SHELF = TableSpec("shelf", ("id",), ("id", "place"))


@pytest.fixture
def two(extractor_of: MakeExtractor, shop: Shop) -> Extractor:
    """An extractor of items and shelves that has polled once."""
    shop.run("CREATE TABLE shelf (id int PRIMARY KEY, place varchar(9))")
    shop.run("INSERT INTO shelf VALUES (1, 'left'), (2, 'right')")
    shop.run("GRANT SELECT ON shelf TO starlift_source")
    extractor = extractor_of("xid")
    extractor.config.tables["shelf"] = SHELF
    extractor.poll()
    return extractor


def declare(extractor: Extractor, **spec: Any) -> None:
    extractor.config.tables["shelf"] = replace(extractor.config.tables["shelf"], **spec)


def places(extractor: Extractor) -> dict[str, str | None]:
    return {key: row["place"] for key, row in extractor.landed("shelf").items()}


SCRIPTS = {
    "gone": ("ALTER TABLE shelf RENAME TO board", "ALTER TABLE board RENAME TO shelf"),
    "renamed": ("ALTER TABLE shelf RENAME place TO spot", "ALTER TABLE shelf RENAME spot TO place"),
    "narrowed": (
        "ALTER TABLE shelf ALTER place TYPE varchar(5)",
        "ALTER TABLE shelf ALTER place TYPE varchar(9)",
    ),
    "retyped": (
        "ALTER TABLE shelf ALTER place TYPE bytea USING convert_to(place, 'UTF8')",
        "ALTER TABLE shelf ALTER place TYPE varchar(9) USING convert_from(place, 'UTF8')",
    ),
    "key": (
        "ALTER TABLE shelf DROP CONSTRAINT shelf_pkey",
        "ALTER TABLE shelf ADD PRIMARY KEY (id)",
    ),
    "nullable": (
        "ALTER TABLE shelf DROP CONSTRAINT shelf_pkey, ADD UNIQUE (id), ALTER id DROP NOT NULL",
        "ALTER TABLE shelf ALTER id SET NOT NULL",
    ),
    "replaced by a view": (
        "ALTER TABLE shelf RENAME TO board; CREATE VIEW shelf AS SELECT * FROM board",
        "DROP VIEW shelf; ALTER TABLE board RENAME TO shelf",
    ),
}
"""What holds the shelves, and what puts them back."""


@pytest.mark.parametrize("policy", ["ignore", "add"])
@pytest.mark.parametrize("change", SCRIPTS)
def test_a_held_table_is_named_the_others_go_on_and_put_back_it_has_missed_nothing(
    two: Extractor, shop: Shop, change: str, policy: str
) -> None:
    declare(two, new_columns=policy)
    away, back = SCRIPTS[change]
    before = two.manifest(1)
    shop.run(away)
    shop.run("UPDATE item SET name = 'x' WHERE id = 1")
    shop.run(f"UPDATE {'board' if 'board' in away else 'shelf'} SET id = 3 WHERE id = 2")
    polled = two.poll()
    held = two.manifest(2)
    assert (list(polled.held), list(held.held), polled.kind) == (["shelf"], ["shelf"], "incremental")
    assert two.names()["1"] == "x"
    assert known(held, "shelf") == known(before, "shelf")
    assert held.complete_to == before.tables["shelf"].complete_to, "the table makes the batch stale"
    assert "shelf" not in held.passes
    shop.run(back)
    shop.run("INSERT INTO shelf VALUES (4, 'new')")
    assert two.poll().held == {}
    assert two.manifest(3).held == {}
    whole = change not in ("gone", "renamed", "key", "nullable", "replaced by a view")
    changed = {"3", "4"} | ({"1"} if whole else set())
    assert {row["id"] for row in two.rows(3, "shelf")} == changed
    assert places(two) == {"1": "left", "2": "right", "3": "right", "4": "new"}


def test_a_table_that_stays_held_makes_no_more_batches(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf RENAME TO board")
    assert [two.poll().kind for _ in range(3)] == ["incremental", None, None]
    assert two.poll().held.keys() == {"shelf"}
    shop.run("ALTER TABLE board RENAME TO shelf")
    assert [two.poll().kind for _ in range(2)] == ["incremental", None]


def test_all_tables_may_be_held(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf RENAME TO board")
    shop.run("ALTER TABLE item RENAME name TO title")
    assert two.poll().held.keys() == {"item", "shelf"}
    assert two.manifest(2).files == ()


def test_a_table_that_the_configuration_no_longer_takes_is_held_no_more(two: Extractor, shop: Shop) -> None:
    shop.run("DROP TABLE shelf")
    two.poll()
    del two.config.tables["shelf"]
    assert two.poll().held == {}
    assert list(two.manifest(3).tables) == ["item"]


def test_a_column_that_the_configuration_no_longer_takes_holds_no_more(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf DROP place")
    assert two.poll().held.keys() == {"shelf"}
    declare(two, columns=("id",))
    assert two.poll().held == {}
    assert two.manifest(3).schema["shelf"] == (Column("id", "integer"),)
    assert two.manifest(3).passes["shelf"] == "whole"


WIDENED = {
    "a longer text": ("ALTER TABLE shelf ALTER place TYPE varchar(30)", "character varying(30)"),
    "any text": ("ALTER TABLE shelf ALTER place TYPE text", "text"),
}


@pytest.mark.parametrize("change", WIDENED)
def test_a_widened_type_goes_through_and_the_table_is_read_whole(
    two: Extractor, shop: Shop, change: str
) -> None:
    script, pg_type = WIDENED[change]
    shop.run(script)
    shop.run("UPDATE shelf SET place = 'longer than before' WHERE id = 1")
    assert two.poll().held == {}
    assert two.manifest(2).schema["shelf"][1] == Column("place", pg_type)
    assert two.manifest(2).passes["shelf"] == "whole"
    assert places(two) == {"1": "longer than before", "2": "right"}


def test_a_label_added_to_an_enum_goes_through(two: Extractor, shop: Shop) -> None:
    shop.run("CREATE TYPE side AS ENUM ('left', 'right')")
    shop.run("ALTER TABLE shelf ADD facing side DEFAULT 'left'")
    declare(two, columns=("id", "place", "facing"))
    two.poll()
    shop.run("ALTER TYPE side ADD VALUE 'up'")
    shop.run("UPDATE shelf SET facing = 'up' WHERE id = 2")
    assert two.poll().held == {}
    assert {row["id"]: row["facing"] for row in two.rows(3, "shelf")} == {"1": "left", "2": "up"}


def test_a_new_column_is_reported_and_not_taken(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf ADD height int DEFAULT 7")
    polled = two.poll()
    assert (polled.unnamed["shelf"], two.manifest(2).files) == (("height",), ())
    assert two.poll().kind is None


def test_a_new_column_is_added_where_the_policy_says_so_and_the_table_read_whole(
    two: Extractor, shop: Shop
) -> None:
    declare(two, new_columns="add")
    shop.run("ALTER TABLE shelf ADD height int DEFAULT 7")
    polled = two.poll()
    manifest = two.manifest(2)
    assert (manifest.added, manifest.passes["shelf"]) == ({"shelf": ("height",)}, "whole")
    assert "shelf" not in polled.unnamed
    assert [row["height"] for row in two.rows(2, "shelf")] == ["7", "7"]
    shop.run("UPDATE shelf SET height = 8 WHERE id = 1")
    two.poll()
    assert (two.manifest(3).added, two.manifest(3).passes["shelf"]) == ({}, "xid")
    assert [row["height"] for row in two.rows(3, "shelf")] == ["8"]


def test_a_column_that_the_policy_added_and_is_dropped_holds_until_put_back_or_accepted(
    two: Extractor, shop: Shop
) -> None:
    declare(two, new_columns="add")
    shop.run("ALTER TABLE shelf ADD height int DEFAULT 7")
    two.poll()
    shop.run("ALTER TABLE shelf DROP height")
    assert two.poll().held.keys() == {"shelf"}
    assert two.poll(accept=["shelf"]).held == {}
    assert two.manifest(4).schema["shelf"] == two.manifest(1).schema["shelf"]
    assert two.poll().kind is None


def test_a_column_added_in_the_configuration_is_said_to_be_new_once(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf ADD height int DEFAULT 7")
    declare(two, columns=("height", "id", "place"))
    two.poll()
    assert two.manifest(2).added == {"shelf": ("height",)}
    assert two.poll().kind is None


def test_a_retyped_column_that_is_accepted_is_read_whole_as_it_is(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf ALTER place TYPE int USING id * 10")
    two.poll()
    assert two.poll(accept=["shelf"]).held == {}
    assert two.manifest(3).schema["shelf"][1] == Column("place", "integer")
    assert places(two) == {"1": "10", "2": "20"}
    assert two.poll().kind is None


def test_another_key_holds_until_it_is_taken_back_or_accepted(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf ALTER place SET NOT NULL, ADD UNIQUE (place)")
    declare(two, key=("place",))
    assert two.poll().held.keys() == {"shelf"}
    assert two.manifest(2).keys["shelf"] == ("id",)
    declare(two, key=("id",))
    assert two.poll().held == {}
    declare(two, key=("place",))
    assert two.poll(accept=["shelf"]).held == {}
    assert (two.manifest(4).keys["shelf"], two.manifest(4).passes["shelf"]) == (("place",), "whole")


def test_what_is_gone_cannot_be_accepted(two: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE shelf DROP place")
    with pytest.raises(ConfigurationError, match=r"shelf\.place is gone .*; that cannot be accepted"):
        two.poll(accept=["shelf"])


class Racing(PostgresSource):
    """A source whose owner changes a table between the look at the catalogue and the snapshot."""

    def __init__(self, url: str, script: str, owner: pg8000.native.Connection) -> None:
        super().__init__(Dsn.parse(url))
        self.script, self.owner = script, owner

    def barrier(self) -> Barrier:
        self.owner.run(self.script)
        return super().barrier()


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE shelf ALTER place TYPE int USING id",
        "ALTER TABLE shelf ALTER place TYPE text",
        "ALTER TABLE shelf DROP place, ADD place varchar(9)",
        "ALTER TABLE shelf DROP CONSTRAINT shelf_pkey",
    ],
)
def test_a_table_that_changes_under_the_poll_is_not_landed_under_its_old_shape(
    two: Extractor, shop: Shop, script: str
) -> None:
    shop.run("UPDATE shelf SET place = 'up' WHERE id = 1")
    with (
        Racing(two.url, script, shop.owner) as source,
        pytest.raises(DriftError, match="table shelf changed its shape while it was being read"),
    ):
        extract(source, two.lake, two.config, Run("racing", "test"))
    assert log.head(two.lake)[0] == 1
    two.poll()
    assert log.head(two.lake)[0] == 2


def test_a_column_that_appears_under_the_poll_disturbs_nothing(two: Extractor, shop: Shop) -> None:
    shop.run("UPDATE shelf SET place = 'up' WHERE id = 1")
    with Racing(two.url, "ALTER TABLE shelf ADD height int", shop.owner) as source:
        extract(source, two.lake, two.config, Run("racing", "test"))
    assert [row["place"] for row in two.rows(2, "shelf")] == ["up"]


def refusing(pg_type: str) -> Callable[..., None]:
    """Models that can do nothing with a column of that type."""

    def approve(schema: Any, *_: Any) -> None:
        if any(column.type == pg_type for columns in schema.values() for column in columns):
            raise ConfigurationError(f"no model can use {pg_type}", "starlift run")

    return approve


def test_what_the_source_changed_and_no_model_can_use_holds_the_table(two: Extractor, shop: Shop) -> None:
    two.approve = refusing("text")
    two.config.tables["item"] = replace(two.config.tables["item"], columns=("id",))
    two.poll()
    shop.run("ALTER TABLE shelf ALTER place TYPE text")
    shop.run("INSERT INTO item VALUES (9)")
    polled = two.poll()
    assert "no model can use text" in polled.held["shelf"].message
    assert [row["id"] for row in two.rows(3)] == ["9"]


def test_what_source_and_configuration_changed_together_may_need_each_other(
    two: Extractor, shop: Shop
) -> None:
    def approve(schema: Any, *_: Any) -> None:
        if len(schema["item"]) == 1 and len(schema["shelf"]) == 2:
            raise ConfigurationError("an item of one column needs a shelf of three", "starlift run")

    two.approve = approve
    declare(two, new_columns="add")
    two.config.tables["item"] = replace(two.config.tables["item"], columns=("id",))
    shop.run("ALTER TABLE shelf ADD height int")
    assert two.poll().held == {}
    assert [len(columns) for columns in two.manifest(2).schema.values()] == [1, 3]


def test_of_two_tables_that_the_source_changed_one_may_go_on(two: Extractor, shop: Shop) -> None:
    two.approve = refusing("bigint")
    shop.run("ALTER TABLE shelf ALTER place TYPE text")
    shop.run("ALTER TABLE item ALTER id TYPE bigint")
    assert two.poll().held.keys() == {"item"}
    assert two.manifest(2).schema["shelf"][1].type == "text"
    assert two.manifest(2).schema["item"] == two.manifest(1).schema["item"]


def test_what_the_configuration_changed_and_no_model_can_use_is_a_mistake_in_it(
    two: Extractor, shop: Shop
) -> None:
    two.approve = refusing("jsonb")
    shop.run("ALTER TABLE shelf ADD more jsonb")
    declare(two, columns=("id", "place", "more"))
    with pytest.raises(ConfigurationError, match="no model can use jsonb"):
        two.poll()
    shop.run("ALTER TABLE shelf ALTER place TYPE jsonb USING to_jsonb(place)")
    declare(two, columns=("id", "place"))
    assert two.poll().held.keys() == {"shelf"}
    with pytest.raises(ConfigurationError, match="no model can use jsonb"):
        two.poll(accept=["shelf"])


def test_a_cursor_that_is_not_taken_and_is_dropped_holds_the_table(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = extractor_of("timestamp")
    extractor.poll()
    shop.run("ALTER TABLE item RENAME changed TO modified")
    assert "the cursor, is gone" in extractor.poll().held["item"].message
    shop.run("UPDATE item SET name = 'x', modified = now() WHERE id = 1")
    shop.run("ALTER TABLE item RENAME modified TO changed")
    assert extractor.poll().held == {}
    assert extractor.names() == shop.names()

"""Every kind of table a source may have: each behaves, or is refused with the remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from starlift.adapters.postgres.connection import Dsn
from starlift.core.config import TableSpec
from starlift.errors import ConfigurationError, HeldError
from starlift.stages import log
from tests.extract.conftest import Extractor, MakeExtractor, Shop


def take(extractor: Extractor, spec: TableSpec) -> None:
    """Have the extractor take one table instead of item."""
    tables = extractor.config.tables
    tables.clear()
    tables[spec.name] = spec


@pytest.fixture
def any_kind(extractor_of: MakeExtractor) -> Extractor:
    """An extractor to be given a table."""
    return extractor_of("auto")


def test_a_table_in_another_schema_under_another_name(any_kind: Extractor, shop: Shop) -> None:
    shop.run('CREATE SCHEMA "Sales Dept"')
    shop.run('CREATE TABLE "Sales Dept"."Order: Items" (id int PRIMARY KEY, "Na""me" text)')
    shop.run('GRANT USAGE ON SCHEMA "Sales Dept" TO starlift_source')
    shop.run('GRANT SELECT ON "Sales Dept"."Order: Items" TO starlift_source')
    shop.other.run('INSERT INTO "Sales Dept"."Order: Items" VALUES (1, $$x$$)')
    take(
        any_kind,
        TableSpec("order_item", ("id",), ("id", 'Na"me'), schema="Sales Dept", relation="Order: Items"),
    )
    any_kind.poll()
    assert [row['Na"me'] for row in any_kind.rows(1, "order_item")] == ["x"]


def test_two_schemas_with_a_table_of_one_name_stay_apart(any_kind: Extractor, shop: Shop) -> None:
    shop.run("CREATE SCHEMA other")
    shop.run("CREATE TABLE other.item (id int PRIMARY KEY, name text)")
    shop.run("INSERT INTO other.item VALUES (9, 'elsewhere')")
    shop.run("GRANT USAGE ON SCHEMA other TO starlift_source")
    shop.run("GRANT SELECT ON other.item TO starlift_source")
    twin = TableSpec("other_item", ("id",), ("id", "name"), schema="other", relation="item")
    any_kind.config.tables["other_item"] = twin
    any_kind.poll()
    assert set(any_kind.landed("item")) == {"1", "2", "3"}
    assert set(any_kind.landed("other_item")) == {"9"}


def test_a_composite_key_in_any_order(any_kind: Extractor, shop: Shop) -> None:
    shop.run("CREATE TABLE line (id int, nr int, name text, PRIMARY KEY (id, nr))")
    shop.run("INSERT INTO line VALUES (1, 1, 'a'), (1, 2, 'b')")
    shop.run("GRANT SELECT ON line TO starlift_source")
    take(any_kind, TableSpec("line", ("nr", "id"), ("id", "nr", "name")))
    assert any_kind.poll().counts["line"].read == 2
    assert any_kind.manifest(1).keys == {"line": ("nr", "id")}


def test_an_identity_column_and_a_generated_one(any_kind: Extractor, shop: Shop) -> None:
    shop.run(
        "CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
        "twice int GENERATED ALWAYS AS (2) STORED, name text)"
    )
    shop.run("INSERT INTO made (name) VALUES ('a')")
    shop.run("GRANT SELECT ON made TO starlift_source")
    take(any_kind, TableSpec("made", ("id",), ("id", "twice", "name")))
    any_kind.poll()
    assert [(row["id"], row["twice"]) for row in any_kind.rows(1, "made")] == [("1", "2")]


@pytest.mark.parametrize(
    ("ddl", "remedy"),
    [
        ("id int, name text", r"ALTER TABLE public\.odd ADD PRIMARY KEY"),
        ("id int UNIQUE, name text", r"ADD PRIMARY KEY"),
        ("id int, name text NOT NULL UNIQUE", "declare one of: name"),
    ],
)
def test_a_key_that_could_take_two_rows_for_one_is_refused(
    any_kind: Extractor, shop: Shop, ddl: str, remedy: str
) -> None:
    shop.run(f"CREATE TABLE odd ({ddl})")
    shop.run("GRANT SELECT ON odd TO starlift_source")
    take(any_kind, TableSpec("odd", ("id",), ("id", "name")))
    with pytest.raises(ConfigurationError, match=remedy):
        any_kind.poll()


def test_a_unique_index_on_an_expression_or_on_some_rows_is_no_key(any_kind: Extractor, shop: Shop) -> None:
    shop.run("CREATE TABLE odd (id int NOT NULL, name text)")
    shop.run("CREATE UNIQUE INDEX ON odd (id) WHERE name IS NULL")
    shop.run("CREATE UNIQUE INDEX ON odd ((id + 1))")
    shop.run("GRANT SELECT ON odd TO starlift_source")
    take(any_kind, TableSpec("odd", ("id",), ("id", "name")))
    with pytest.raises(ConfigurationError, match="is not a unique key"):
        any_kind.poll()


@pytest.fixture
def viewed(any_kind: Extractor, shop: Shop) -> Extractor:
    """An extractor of a view with a cursor."""
    shop.run("CREATE VIEW shown AS SELECT id, upper(name) AS name, changed FROM item")
    shop.run("GRANT SELECT ON shown TO starlift_source")
    take(any_kind, replace(any_kind.config.tables["item"], name="shown"))
    return any_kind


def test_a_view_is_read_by_its_cursor(viewed: Extractor, shop: Shop) -> None:
    viewed.poll()
    assert viewed.manifest(1).tables["shown"].mode == "timestamp"
    assert viewed.poll().kind is None
    shop.run("INSERT INTO item VALUES (4, 'd')")
    viewed.poll()
    assert viewed.manifest(2).passes == {"shown": "time"}
    assert {key: row["name"] for key, row in viewed.landed("shown").items()} == {
        "1": "A",
        "2": "B",
        "3": "C",
        "4": "D",
    }


def test_a_view_without_a_cursor_is_refused(viewed: Extractor) -> None:
    take(viewed, replace(viewed.config.tables["shown"], cursor=None))
    with pytest.raises(ConfigurationError, match=r"shown is a view: .* a cursor only"):
        viewed.poll()


@pytest.mark.parametrize("name", ["same", None])
def test_a_view_whose_key_is_none_is_refused_before_a_batch_is_written(
    viewed: Extractor, shop: Shop, name: str | None
) -> None:
    take(viewed, replace(viewed.config.tables["shown"], key=("name",)))
    shop.run("UPDATE item SET name = :name WHERE id < 3", name=name)
    with pytest.raises(HeldError, match=r"table shown: \(name\) does not tell its rows apart") as held:
        viewed.poll()
    assert held.value.hint.startswith("choose another key under [tables.shown]")
    assert log.head(viewed.lake)[0] == 0
    take(viewed, replace(viewed.config.tables["shown"], key=("id",)))
    assert viewed.poll().counts["shown"].read == 3


def test_a_materialized_view_is_refused(any_kind: Extractor, shop: Shop) -> None:
    shop.run("CREATE MATERIALIZED VIEW frozen AS SELECT * FROM item")
    shop.run("GRANT SELECT ON frozen TO starlift_source")
    take(any_kind, replace(any_kind.config.tables["item"], name="frozen"))
    with pytest.raises(ConfigurationError, match="materialized view"):
        any_kind.poll()


def test_a_table_with_children_by_inheritance_is_read_with_them(any_kind: Extractor, shop: Shop) -> None:
    shop.run("CREATE TABLE child (PRIMARY KEY (id)) INHERITS (item)")
    shop.run("INSERT INTO child VALUES (7, 'child')")
    any_kind.poll()
    shop.run("UPDATE child SET name = 'grown'")
    any_kind.poll()
    assert any_kind.landed()["7"]["name"] == "grown"
    assert len(any_kind.manifest(1).tables["item"].relations) == 2


def test_a_child_of_two_parents_is_read_once(any_kind: Extractor, shop: Shop) -> None:
    shop.run("CREATE TABLE mother () INHERITS (item)")
    shop.run("CREATE TABLE father () INHERITS (item)")
    shop.run("CREATE TABLE child () INHERITS (mother, father)")
    shop.run("INSERT INTO child VALUES (7, 'child')")
    any_kind.poll()
    assert any_kind.names() == shop.names()
    assert len(any_kind.manifest(1).tables["item"].relations) == 4


@pytest.mark.parametrize("mode", ["xid", "timestamp"])
def test_a_key_that_parent_and_child_share_is_found_before_a_batch_is_written(
    extractor_of: MakeExtractor, shop: Shop, mode: str
) -> None:
    """Also where one of the two rows came with a batch before: the other would take its place."""
    extractor = extractor_of(mode)
    shop.run("CREATE TABLE child (PRIMARY KEY (id)) INHERITS (item)")
    extractor.poll()
    shop.run("INSERT INTO child VALUES (2, 'twin')")
    with pytest.raises(HeldError, match=r"table item: two rows have the key \(2\) \(id\); one is of a table"):
        extractor.poll()
    assert log.head(extractor.lake)[0] == 1
    shop.run("UPDATE child SET id = 4")
    extractor.poll()
    assert extractor.names() == shop.names()


@pytest.fixture
def far(shop: Shop) -> str:
    """A foreign server, here the same, with a table `far_item`; returns its name."""
    if not shop.run("SELECT FROM pg_available_extensions WHERE name = 'postgres_fdw'"):
        pytest.skip("this server has no postgres_fdw")
    dsn = Dsn.parse(shop.database.reader)
    shop.run("CREATE EXTENSION postgres_fdw")
    where = f"host '{dsn.host}', port '{dsn.port}', dbname '{dsn.database}'"
    shop.run(f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({where})")
    login = f"user '{dsn.user}', password '{dsn.password}'"
    shop.run(f"CREATE USER MAPPING FOR starlift_source SERVER far OPTIONS ({login})")
    shop.run("CREATE TABLE far_item (id int PRIMARY KEY, name text, changed timestamptz DEFAULT now())")
    shop.run("INSERT INTO far_item VALUES (1, 'a'), (2, 'b')")
    shop.run("GRANT SELECT ON far_item TO starlift_source")
    return "far"


def test_a_foreign_table_is_read_by_its_cursor(any_kind: Extractor, shop: Shop, far: str) -> None:
    shop.run(
        "CREATE FOREIGN TABLE near (id int, name text, changed timestamptz) "
        f"SERVER {far} OPTIONS (table_name 'far_item')"
    )
    shop.run("GRANT SELECT ON near TO starlift_source")
    take(any_kind, replace(any_kind.config.tables["item"], name="near"))
    any_kind.poll()
    assert any_kind.poll().kind is None
    shop.run("INSERT INTO far_item VALUES (3, 'c')")
    any_kind.poll()
    assert {key: row["name"] for key, row in any_kind.landed("near").items()} == {
        "1": "a",
        "2": "b",
        "3": "c",
    }
    state = any_kind.manifest(2).tables["near"]
    # what `starlift status` calls best effort
    assert (state.mode, state.px) == ("timestamp", None)


def test_a_foreign_table_under_a_table_is_refused(any_kind: Extractor, shop: Shop, far: str) -> None:
    """Its rows have no transaction id, so after the first read none of their changes would be seen."""
    shop.run(f"CREATE FOREIGN TABLE near () INHERITS (item) SERVER {far} OPTIONS (table_name 'far_item')")
    with pytest.raises(ConfigurationError, match="item: near under it is a foreign table"):
        any_kind.poll()


def test_an_unlogged_table_is_read_as_any_other(any_kind: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE item SET UNLOGGED")
    any_kind.poll()
    assert any_kind.names() == shop.names()


def test_a_table_of_no_rows_is_committed_and_its_first_row_arrives(any_kind: Extractor, shop: Shop) -> None:
    shop.run("TRUNCATE item")
    assert any_kind.poll().kind == "bootstrap"
    assert any_kind.poll().kind is None
    shop.run("INSERT INTO item VALUES (1, 'first')")
    any_kind.poll()
    assert any_kind.names() == {"1": "first"}


@pytest.mark.parametrize("mode", ["xid", "timestamp"])
def test_each_of_many_polls_ships_only_what_is_new(
    extractor_of: MakeExtractor, shop: Shop, mode: str
) -> None:
    extractor = extractor_of(mode, limits={"heartbeat": timedelta(days=1)})
    for number in range(10, 16):
        extractor.poll()
        shop.run("INSERT INTO item VALUES (:id, 'x')", id=number)
    extractor.poll()
    assert extractor.names() == shop.names()


def test_columns_named_as_the_query_names_its_own_parts(any_kind: Extractor, shop: Shop) -> None:
    shop.run("CREATE TABLE letters (t int PRIMARY KEY, r text, xmin_ text)")
    shop.run("INSERT INTO letters VALUES (1, 'x', 'y')")
    shop.run("GRANT SELECT ON letters TO starlift_source")
    take(any_kind, TableSpec("letters", ("t",), ("t", "r", "xmin_")))
    any_kind.poll()
    assert [(row["t"], row["r"]) for row in any_kind.rows(1, "letters")] == [("1", "x")]

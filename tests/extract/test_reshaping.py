"""Changes after which rows read otherwise though none was written: the table is read whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starlift.core.manifest import Column
from starlift.errors import ConfigurationError
from tests.extract.conftest import Extractor, MakeExtractor, Shop


@pytest.fixture
def by_xid(extractor_of: MakeExtractor) -> Extractor:
    """An extractor in xid mode that has polled once."""
    extractor = extractor_of("xid")
    extractor.poll()
    return extractor


def arrives_whole(extractor: Extractor, shop: Shop) -> bool:
    extractor.poll()
    return extractor.manifest(2).passes == {"item": "whole"} and extractor.names() == shop.names()


def test_a_column_that_was_filled_under_another_name_and_renamed(by_xid: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE item ADD fresh text DEFAULT 'filled'")
    shop.run("ALTER TABLE item RENAME name TO stale")
    shop.run("ALTER TABLE item RENAME fresh TO name")
    assert arrives_whole(by_xid, shop)


def test_a_column_that_was_dropped_and_added_with_a_default(by_xid: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE item DROP name, ADD name text DEFAULT 'again'")
    assert arrives_whole(by_xid, shop)


def test_a_label_of_an_enum_that_was_renamed(extractor_of: MakeExtractor, shop: Shop) -> None:
    shop.run("CREATE TYPE size AS ENUM ('a', 'b', 'c')")
    shop.run("ALTER TABLE item ALTER name TYPE size USING name::size")
    extractor = extractor_of("xid")
    extractor.poll()
    shop.run("ALTER TYPE size RENAME VALUE 'b' TO 'medium'")
    assert arrives_whole(extractor, shop)


def test_columns_that_are_declared_otherwise(by_xid: Extractor, shop: Shop) -> None:
    by_xid.config.tables["item"] = replace(by_xid.config.tables["item"], columns=("name", "id"))
    assert arrives_whole(by_xid, shop)


def test_what_changes_no_content_has_nothing_read_again(by_xid: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE item ADD other text DEFAULT 'x', ALTER name SET DEFAULT 'y', ADD CHECK (id > 0)")
    by_xid.poll()
    assert (by_xid.manifest(2).kind, by_xid.manifest(2).files) == ("heartbeat", ())


def test_columns_and_keys_are_approved_before_a_batch_is_the_first_to_have_them(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = extractor_of("xid")
    asked: list[dict[str, tuple[Column, ...]]] = []
    extractor.approve = lambda schema, *_: asked.append(dict(schema))
    extractor.poll()
    shop.run("UPDATE item SET name = 'x'")
    extractor.poll()
    assert [list(schema) for schema in asked] == [["item"]], "asked once, while nothing changes"
    extractor.config.tables["item"] = replace(extractor.config.tables["item"], columns=("id",))
    extractor.poll()
    assert asked[1:] == [{"item": (Column("id", "integer"),)}]


def test_what_is_not_approved_is_not_committed(extractor_of: MakeExtractor) -> None:
    def refuse(*_: object) -> None:
        raise ConfigurationError("no model can use this")

    extractor = extractor_of("xid")
    extractor.approve = refuse
    with pytest.raises(ConfigurationError, match="no model can use this"):
        extractor.poll()
    assert list(extractor.lake.keys("")) == []

"""A read in chunks, or in several batches, meets what else may happen: requests, kills, views."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.identity import bucket
from starlift.core.requests import Request
from starlift.errors import UnavailableError
from starlift.stages import requests
from tests.extract.conftest import MakeExtractor, Shop
from tests.extract.test_chunks import STOP, Between, in_chunks, manifests, shipped, stock


def test_a_table_asked_for_whole_is_read_once_however_many_chunks_it_takes(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = in_chunks(extractor_of)
    extractor.poll()
    stock(shop, 10)
    name = requests.ask(
        extractor.lake, Request("repair", "item", "a test"), manifests(extractor)[0].clock, "test"
    )
    done = extractor.poll(watch=Between(*[lambda: None] * 9, lambda: STOP))
    assert not done.partial
    assert [each.served for each in manifests(extractor)[1:]] == [(name,), (), (), ()]
    assert extractor.poll().kind is None


def test_a_request_that_is_answered_stays_so_in_a_snapshot_of_several_batches(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    class Stubborn(MemoryLake):
        def delete(self, key: str) -> None:
            raise UnavailableError(f"{key} stays", "wait")

    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})
    extractor.lake = Stubborn()
    extractor.poll()
    name = requests.ask(
        extractor.lake, Request("inventory", "item", "a test"), manifests(extractor)[0].clock, "test"
    )
    extractor.poll()
    shop.run("UPDATE item SET name = repeat('x', 700000)")
    extractor.poll()
    assert [(each.partial, each.served) for each in manifests(extractor)[1:]] == [
        (False, (name,)),
        (True, (name,)),
        (False, (name,)),
    ]


def test_the_last_batch_of_a_snapshot_counts_the_rows(extractor_of: MakeExtractor, shop: Shop) -> None:
    """Only a count tells of a delete; beside changes that come in several batches it has to as well."""
    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})
    extractor.poll()
    shop.run("DELETE FROM item WHERE id = 1")
    shop.run("UPDATE item SET name = repeat('x', 700000)")
    extractor.poll()
    assert [(each.partial, each.source_rows) for each in manifests(extractor)[1:]] == [
        (True, {}),
        (False, {"item": 2}),
    ]


def test_rows_asked_for_by_key_are_not_gone_where_they_come_before_the_last_batch(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})
    extractor.poll()
    shop.run("UPDATE item SET name = repeat('x', 700000)")
    asked = Request("repair", "item", "a test", ("(1)", "(9)"))
    requests.ask(extractor.lake, asked, manifests(extractor)[0].clock, "test")
    extractor.poll()
    assert shipped(extractor)[1:] == [["1", "2"], ["3"]]
    told = manifests(extractor)[-1].inventory["item"]
    assert (told.scope, told.asked) == ("buckets", asked.keys)
    assert set(told.buckets) == set(map(bucket, asked.keys))
    assert [row["_key"] for row in extractor.listed(3)] == ["(1)"]


class Breaking(MemoryLake):
    """A lake before one of whose manifests the process is killed."""

    def __init__(self, seq: int) -> None:
        super().__init__()
        self._seq = seq

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if key == paths.manifest(self._seq):
            self._seq = 0
            raise KeyboardInterrupt
        return super().put_if_absent(key, data)


def test_rows_that_are_again_what_they_were_before_batches_that_broke_off_are_shipped_again(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    """The batches brought what they were meanwhile, and what was foretold before them is there once more."""
    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})
    extractor.lake = Breaking(3)
    # each poll reads again what was written since this transaction has an xid
    shop.other.run("BEGIN")
    shop.other.run("SELECT txid_current()")
    shop.run("UPDATE item SET name = name")
    extractor.poll()
    before = shop.run("SELECT id, name FROM item ORDER BY id")
    shop.run("UPDATE item SET name = repeat('x', 700000)")
    with pytest.raises(KeyboardInterrupt):
        extractor.poll()
    for number, name in before:
        shop.run(f"UPDATE item SET name = '{name}' WHERE id = {number}")
    extractor.poll()
    assert shipped(extractor) == [["1", "2", "3"], ["1", "2"], ["1", "2", "3"]]
    assert extractor.poll().kind is None


def test_a_table_of_another_shape_whose_batches_broke_off_is_read_whole_again(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    """The first of them has the new key and the new column, but not the other rows."""

    shop.run("UPDATE item SET name = repeat(name, 700000)")
    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})
    extractor.lake = Breaking(4)
    extractor.poll()
    shop.run("ALTER TABLE item ADD colour text NOT NULL DEFAULT 'red', ADD UNIQUE (colour, id)")
    item = replace(extractor.config.tables["item"], key=("colour", "id"))
    extractor.config.tables["item"] = replace(item, columns=(*item.columns, "colour"))
    with pytest.raises(KeyboardInterrupt):
        extractor.poll(accept=["item"])
    extractor.poll()
    assert shipped(extractor) == [["1", "2"], ["3"], ["1", "2"], ["1", "2"], ["3"]]
    last = manifests(extractor)[-1]
    assert (last.partial, last.added, last.rekeyed) == (False, {"item": ("colour",)}, ("item",))


def test_a_view_that_is_read_whole_each_time_does_not_keep_chunks_from_closing(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    shop.run("CREATE VIEW shown AS SELECT id, name, changed FROM item")
    shop.run("GRANT SELECT ON shown TO starlift_source")
    extractor = in_chunks(extractor_of)
    tables = extractor.config.tables
    tables["shown"] = replace(
        tables["item"], name="shown", relation="shown", mode="timestamp", cursor="changed"
    )
    extractor.ranks = {"shown": 0, "item": 1}
    with shop.session() as forgotten:
        forgotten.run("BEGIN")
        forgotten.run("PREPARE TRANSACTION 'forgotten'")
    try:
        writes = [lambda: shop.run("UPDATE item SET name = name || 'x' WHERE id = 100")] * 9
        assert not extractor.poll(watch=Between(*writes, lambda: STOP)).partial
    finally:
        shop.run("ROLLBACK PREPARED 'forgotten'")
    assert len(manifests(extractor)) < 9


def test_a_table_whose_cursor_is_taken_from_it_while_under_way_begins_anew(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 6)
    extractor = in_chunks(extractor_of, mode="timestamp", cursor="changed")
    extractor.poll()
    shop.run("UPDATE item SET name = 'z', changed = now()")
    assert extractor.poll(watch=Between(lambda: STOP)).partial
    item = extractor.config.tables["item"]
    extractor.config.tables["item"] = replace(item, cursor=None, mode="xid")
    shop.run("UPDATE item SET name = 'y' WHERE id = 10")
    assert not extractor.poll().partial
    assert extractor.names() == shop.names()

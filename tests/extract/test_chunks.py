"""A read that is too much for one poll: landed in chunks, between which it may end, and closed by a poll."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.manifest import Manifest
from starlift.core.requests import Request
from starlift.errors import LostRace
from starlift.stages import log, requests
from starlift.stages.watch import Watch
from tests.extract.conftest import Extractor, MakeExtractor, Shop


class Between(Watch):
    """Does something after each chunk, and wishes to end where that is all there was to do."""

    def __init__(self, *deeds: Callable[[], Any]) -> None:
        self._deeds: Iterator[Callable[[], Any]] = iter(deeds)
        self.told: list[tuple[str, int, int]] = []
        self.begun = 0

    def __call__(self, stage: str, what: str, rows: int, left: int = 0, /) -> None:
        assert stage == "extract"
        self.told.append((what, rows, left))

    def begin(self) -> None:
        self.begun += 1

    @property
    def wished(self) -> bool:
        deed = next(self._deeds, None)
        if deed is None:
            return False
        return deed() is STOP


STOP = object()


def in_chunks(extractor_of: MakeExtractor, rows: int = 4, mode: Any = "xid", **spec: Any) -> Extractor:
    """An extractor that may read so many rows at once."""
    limits = {"max_rows": rows, "heartbeat": timedelta(hours=1), **spec.pop("limits", {})}
    return extractor_of(mode, limits=limits, **spec)


def stock(shop: Shop, rows: int) -> None:
    shop.run("TRUNCATE item")
    shop.run("INSERT INTO item SELECT 10 * n, 'a' || n FROM generate_series(1, :rows) AS n", rows=rows)


def manifests(extractor: Extractor) -> list[Manifest]:
    return [Manifest.decode(data) for _, data in log.following(extractor.lake, 0)]


def shipped(extractor: Extractor) -> list[list[str]]:
    """The ids of each batch."""
    return [[str(row["id"]) for row in extractor.rows(each.seq)] for each in manifests(extractor)]


def test_a_first_load_comes_in_chunks_and_is_closed_by_a_poll(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    extractor = in_chunks(extractor_of)
    watch = Between()
    done = extractor.poll(watch=watch)
    ids = [str(10 * n) for n in range(1, 11)]
    assert shipped(extractor) == [ids[:4], ids[4:8], ids[8:], []]
    assert [each.kind for each in manifests(extractor)] == ["bootstrap"] + ["incremental"] * 3
    assert [each.partial for each in manifests(extractor)] == [True, True, True, False]
    assert [each.passes["item"] for each in manifests(extractor)] == ["chunk"] * 3 + ["xid"]
    assert (done.seq, done.counts["item"].read, done.partial, done.left) == (4, 10, False, 0)
    assert sorted(done.batches) == [1, 2, 3, 4]
    assert watch.told == [("item", 4, 6), ("item", 8, 2), ("item", 10, 0)]
    assert watch.begun == 3
    last = manifests(extractor)[-1].tables["item"]
    assert (last.chunk, last.count) == (None, 10)
    assert extractor.poll().kind is None


def test_what_fits_into_one_poll_is_one_batch(extractor_of: MakeExtractor, shop: Shop) -> None:
    stock(shop, 10)
    extractor = in_chunks(extractor_of, 10)
    watch = Between()
    assert extractor.poll(watch=watch).kind == "bootstrap"
    assert [each.partial for each in manifests(extractor)] == [False]
    assert watch.begun == 0


@pytest.mark.parametrize("mode", ["xid", "timestamp"])
def test_whatever_is_written_between_the_chunks_is_there_when_they_close(
    extractor_of: MakeExtractor, shop: Shop, mode: str
) -> None:
    stock(shop, 10)
    extractor = in_chunks(extractor_of, mode=mode)
    watch = Between(
        lambda: shop.run("UPDATE item SET name = 'behind', changed = now() WHERE id = 20"),
        lambda: shop.run("INSERT INTO item VALUES (5, 'before the first'), (105, 'after the last')"),
        # to an earlier key, past which the chunks are already
        lambda: shop.run("UPDATE item SET id = 1, changed = now() WHERE id = 100"),
    )
    assert not extractor.poll(watch=watch).partial
    names = extractor.names()
    assert names.pop("100", None) == "a10", "deleted after it was read: the count of rows tells"
    assert names == shop.names()
    assert manifests(extractor)[-1].tables["item"].count in (len(shop.names()), None)


def test_a_wish_to_end_is_heard_after_the_chunk_and_the_next_run_goes_on(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    extractor = in_chunks(extractor_of)
    done = extractor.poll(watch=Between(lambda: STOP))
    assert (done.seq, done.partial, done.left) == (1, True, 6)
    chunk = manifests(extractor)[0].tables["item"].chunk
    assert chunk is not None
    assert (chunk.after, chunk.rows, chunk.about) == (("40",), 4, 10)
    done = extractor.poll(watch=Between(lambda: STOP))
    assert (done.seq, done.left, done.counts["item"].read) == (2, 2, 4)
    assert not extractor.poll().partial
    assert [len(ids) for ids in shipped(extractor)] == [4, 4, 2, 0]
    assert extractor.names() == shop.names()


def test_an_edit_that_is_undone_after_its_chunk_is_no_news_that_gets_lost(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    """The rows that a poll reads again because an older transaction is open are as they were: but a chunk
    has read them meanwhile, as they were not."""
    stock(shop, 10)
    extractor = in_chunks(extractor_of)
    shop.other.run("BEGIN")
    shop.other.run("SELECT pg_current_xact_id()")
    shop.run("UPDATE item SET name = 'A' WHERE id = 60")

    def back() -> None:
        assert extractor.names()["60"] == "B"
        shop.run("UPDATE item SET name = 'A' WHERE id = 60")

    watch = Between(lambda: shop.run("UPDATE item SET name = 'B' WHERE id = 60"), back)
    extractor.poll(watch=watch)
    assert extractor.names() == shop.names()
    shop.other.run("ROLLBACK")


def test_an_increment_too_large_comes_in_chunks_of_its_own_rows(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 20)
    extractor = in_chunks(extractor_of, 20)
    extractor.poll()
    extractor.config = replace(extractor.config, limits=replace(extractor.config.limits, max_rows=3))
    shop.run("UPDATE item SET name = 'new' WHERE id % 40 = 0")
    watch = Between(lambda: shop.run("UPDATE item SET name = 'newer' WHERE id = 40"))
    extractor.poll(watch=watch)
    assert shipped(extractor)[1:] == [["40", "80", "120"], ["160", "200"], ["40"]]
    assert extractor.names() == shop.names()


def test_an_increment_by_time_too_large_sees_silent_edits_where_the_pass_by_xid_was_due(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    limits = {"xid_every": timedelta(), "margin": timedelta(hours=1)}
    extractor = in_chunks(extractor_of, 10, "timestamp", limits=limits)
    extractor.poll()
    extractor.config = replace(extractor.config, limits=replace(extractor.config.limits, max_rows=3))
    shop.run("UPDATE item SET name = 'silent', changed = '1999-01-01' WHERE id >= 30")
    extractor.poll()
    assert extractor.names() == shop.names()


def test_what_memory_cannot_hold_comes_in_several_batches_of_one_snapshot(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    shop.run("UPDATE item SET name = repeat('x', 700000)")
    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})
    watch = Between(lambda: STOP)
    assert not extractor.poll(watch=watch).partial, "there is nothing to go on with: it is one poll"
    assert shipped(extractor) == [["1", "2"], ["3"]]
    assert [(each.kind, each.partial) for each in manifests(extractor)] == [
        ("bootstrap", True),
        ("incremental", False),
    ]
    assert {each.snapshot for each in manifests(extractor)} == {manifests(extractor)[0].snapshot}
    assert manifests(extractor)[0].tables == {}
    assert manifests(extractor)[1].inventory == {}, "the last batch has not every row"
    assert extractor.poll().kind is None


def test_a_snapshot_of_which_only_the_first_batches_were_committed_is_polled_again(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    shop.run("UPDATE item SET name = repeat('x', 700000)")
    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})

    class Full(MemoryLake):
        full = True

        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key == paths.manifest(2) and self.full:
                self.full = False
                raise KeyboardInterrupt
            return super().put_if_absent(key, data)

    extractor.lake = Full()
    with pytest.raises(KeyboardInterrupt):
        extractor.poll()
    shop.run("UPDATE item SET name = 'y' WHERE id = 3")
    extractor.poll()
    assert [each.partial for each in manifests(extractor)] == [True, True, False]
    assert extractor.names() == shop.names()


def test_while_a_table_is_under_way_nothing_else_is_polled_and_what_is_asked_waits(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    shop.run("CREATE TABLE extra (id int PRIMARY KEY, name text)")
    shop.run("INSERT INTO extra VALUES (1, 'one')")
    shop.run("GRANT SELECT ON extra TO starlift_source")
    extractor = in_chunks(extractor_of)
    tables = extractor.config.tables
    tables["extra"] = replace(tables["item"], name="extra", relation="extra", cursor=None)
    extractor.poll(watch=Between(lambda: STOP))
    assert [set(each.passes) for each in manifests(extractor)] == [{"item", "extra"}]
    assert extractor.rows(1, "extra"), "the small one comes first"
    request = Request("inventory", "extra", "a test")
    name = requests.ask(extractor.lake, request, manifests(extractor)[0].clock, "test")
    shop.run("UPDATE extra SET name = 'two'")
    extractor.poll()
    assert [set(each.passes) for each in manifests(extractor)[1:]] == [{"item"}, {"item"}, {"item", "extra"}]
    assert [each.served for each in manifests(extractor)] == [(), (), (), (name,)]
    assert extractor.landed("extra")["1"]["name"] == "two"


def test_a_table_that_is_swapped_or_gets_a_partition_while_under_way_begins_anew(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    shop.run("CREATE TABLE sale (id int, name text, PRIMARY KEY (id)) PARTITION BY RANGE (id)")
    shop.run("CREATE TABLE sale_high PARTITION OF sale FOR VALUES FROM (100) TO (200)")
    shop.run("CREATE TABLE sale_low (LIKE sale INCLUDING INDEXES)")
    shop.run("INSERT INTO sale_low SELECT n, 'low' FROM generate_series(1, 3) AS n")
    shop.run("INSERT INTO sale SELECT n, 'high' FROM generate_series(100, 109) AS n")
    shop.run("GRANT SELECT ON sale TO starlift_source")
    extractor = in_chunks(extractor_of, name="sale", relation="sale", cursor=None)
    attach = "ALTER TABLE sale ATTACH PARTITION sale_low FOR VALUES FROM (0) TO (100)"
    extractor.poll(watch=Between(lambda: shop.run(attach)))
    assert len(extractor.landed("sale")) == 13
    assert [len(extractor.rows(each.seq, "sale")) for each in manifests(extractor)] == [4, 4, 4, 4, 1, 0]


def test_a_table_dropped_while_under_way_is_held_and_goes_on_when_it_is_back(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    shop.run("CREATE TABLE extra (id int PRIMARY KEY, name text)")
    shop.run("INSERT INTO extra SELECT n, 'x' FROM generate_series(1, 20) AS n")
    shop.run("GRANT SELECT ON extra TO starlift_source")
    extractor = in_chunks(extractor_of)
    tables = extractor.config.tables
    tables["extra"] = replace(tables["item"], name="extra", relation="extra", cursor=None)
    away = Between(lambda: shop.run("ALTER TABLE item RENAME TO elsewhere"))
    done = extractor.poll(watch=away)
    assert (set(done.held), done.partial) == ({"item"}, False)
    assert len(extractor.landed("extra")) == 20
    assert manifests(extractor)[-1].tables["item"].chunk is not None
    shop.run("ALTER TABLE elsewhere RENAME TO item")
    shop.run("UPDATE item SET name = 'back' WHERE id = 10")
    assert not extractor.poll().partial
    assert extractor.names() == shop.names()
    assert [ids for ids in shipped(extractor) if ids][1:] == [
        ["50", "60", "70", "80"],
        ["90", "100"],
        ["10"],
    ]


def test_columns_taken_otherwise_while_under_way_are_read_from_the_first_row(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    extractor = in_chunks(extractor_of)
    extractor.poll(watch=Between(lambda: STOP))
    table = extractor.config.tables["item"]
    extractor.config.tables["item"] = replace(table, columns=("id", "name", "changed"))
    extractor.poll()
    assert all(row["changed"] for row in extractor.landed().values())
    assert [len(ids) for ids in shipped(extractor)] == [4, 4, 4, 2, 0]
    assert [each.added for each in manifests(extractor)] == [{}, *[{"item": ("changed",)}] * 3, {}]


@pytest.mark.parametrize("limits", [{"max_rows": 4}, {"memory": 1}])
def test_of_a_table_that_is_read_whole_again_the_last_batch_lists_the_keys(
    extractor_of: MakeExtractor, shop: Shop, limits: dict[str, Any]
) -> None:
    stock(shop, 10)
    shop.run("UPDATE item SET name = repeat('x', 300000)")
    extractor = in_chunks(extractor_of, 10)
    extractor.poll()
    table = extractor.config.tables["item"]
    extractor.config.tables["item"] = replace(table, columns=("id", "name", "changed"))
    extractor.config = replace(extractor.config, limits=replace(extractor.config.limits, **limits))
    shop.run("DELETE FROM item WHERE id = 20")
    extractor.poll(watch=Between(lambda: shop.run("DELETE FROM item WHERE id = 40")))
    last = manifests(extractor)[-1]
    assert not last.partial
    assert {each.partial for each in manifests(extractor)[1:-1]} == {True}
    assert last.inventory["item"].scope == "all"
    listed = {row["_key"] for row in extractor.listed(last.seq)}
    assert listed == {f"({key})" for key in shop.names()}
    assert not last.tables["item"].unswept
    assert extractor.poll().kind is None


def test_a_restored_source_is_read_from_the_first_row_with_a_new_beginning(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    extractor = in_chunks(extractor_of)
    extractor.poll(watch=Between(lambda: STOP))
    before = manifests(extractor)[0]
    chunk = before.tables["item"].chunk
    assert chunk is not None
    ahead = replace(before.tables["item"], chunk=replace(chunk, px=str(int(chunk.px or 0) + 1000)))
    extractor.lake._objects[paths.manifest(1)] = replace(before, tables={"item": ahead}).encode()
    shop.run("UPDATE item SET name = 'restored'")
    extractor.poll()
    assert extractor.names() == shop.names()
    assert [len(ids) for ids in shipped(extractor)] == [4, 4, 4, 2, 0]


def test_of_two_runs_at_once_one_lands_the_chunk_and_the_other_loses(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    stock(shop, 10)
    extractor = in_chunks(extractor_of)

    class Overtaken(MemoryLake):
        overtaken = False

        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key == paths.manifest(2) and not self.overtaken:
                self.overtaken = True
                extractor.poll()
            return super().put_if_absent(key, data)

    extractor.lake = Overtaken()
    with pytest.raises(LostRace):
        extractor.poll()
    assert [len(ids) for ids in shipped(extractor)] == [4, 4, 2, 0]
    assert extractor.names() == shop.names()


def test_a_view_has_no_index_to_go_on_by_and_comes_at_once(extractor_of: MakeExtractor, shop: Shop) -> None:
    stock(shop, 10)
    shop.run("CREATE VIEW shown AS SELECT id, name, changed FROM item")
    shop.run("GRANT SELECT ON shown TO starlift_source")
    extractor = in_chunks(extractor_of, mode="auto", name="shown", relation="shown", cursor="changed")
    extractor.poll()
    assert len(extractor.rows(1, "shown")) == 10

"""What a poll tells of the source's keys where it is asked: sums, lists, rows by key."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.config import TableSpec
from starlift.core.identity import bucket, shortened
from starlift.core.requests import Request
from starlift.errors import HeldError, UnavailableError
from starlift.stages import requests
from starlift.stages.extract import Reconciliation
from starlift.stages.source_rows import read_rows
from tests.extract.conftest import Extractor, MakeExtractor, Row, Shop

RECONCILED = Reconciliation(tables=frozenset({"item"}))


def ask(extractor: Extractor, kind: Any, table: str = "item", **parts: Any) -> str:
    request = Request(kind, table, "a test", **parts)
    return requests.ask(extractor.lake, request, "2024-01-01 00:00:00+00:00", "test")


def content(rows: list[Row]) -> list[tuple[str | None, str | None]]:
    """Key text and hash of rows, as a list of keys has them."""
    return sorted((f"({row['id']})", row["_hash"]) for row in rows)


def listed(extractor: Extractor, seq: int) -> list[tuple[str | None, str | None]]:
    return sorted((line["_key"], line["_hash"]) for line in extractor.listed(seq))


def test_a_table_read_whole_is_its_own_inventory(extractor: Extractor) -> None:
    extractor.poll()
    assert extractor.manifest(1).inventory["item"].scope == "whole"


def test_a_poll_that_nobody_asks_takes_no_inventory(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    shop.run("UPDATE item SET name = 'x', changed = now() WHERE id = 1")
    extractor.poll()
    assert extractor.manifest(2).inventory == {}


def test_a_small_table_lists_key_and_hash_of_every_row(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    shop.run("DELETE FROM item WHERE id = 2")
    shop.run("INSERT INTO item VALUES (4, 'new')")
    assert extractor.poll(RECONCILED).kind == "incremental"
    manifest = extractor.manifest(2)
    assert (manifest.inventory["item"].scope, manifest.inventory["item"].sums) == ("all", ())
    newest = content([*extractor.rows(1), *extractor.rows(2)])
    assert set(listed(extractor, 2)) == {(key, hash_) for key, hash_ in newest if key != "(2)"}


def test_a_large_table_has_a_sum_of_every_bucket(extractor_of: MakeExtractor, shop: Shop) -> None:
    extractor = extractor_of("xid", limits={"list_rows": 2999})
    shop.run("INSERT INTO item SELECT n, md5(n::text) FROM generate_series(4, 3000) n")
    extractor.poll()
    extractor.poll(RECONCILED)
    inventory = extractor.manifest(2).inventory["item"]
    expected: dict[int, list[int]] = defaultdict(list)
    for key, hash_ in content(extractor.rows(1)):
        expected[bucket(str(key))].append(int(str(hash_)))
    assert (inventory.scope, inventory.files) == ("none", ())
    assert inventory.sums == tuple(
        (number, len(hashes), str(sum(hashes))) for number, hashes in sorted(expected.items())
    )


def test_buckets_that_are_asked_for_list_their_keys_and_no_others(extractor: Extractor, shop: Shop) -> None:
    shop.run("INSERT INTO item SELECT n, md5(n::text) FROM generate_series(4, 3000) n")
    extractor.poll()
    wanted = (bucket("(7)"), bucket("(2000)"))
    ask(extractor, "inventory", buckets=wanted)
    extractor.poll()
    inventory = extractor.manifest(2).inventory["item"]
    assert (inventory.scope, inventory.buckets) == ("buckets", tuple(sorted(wanted)))
    assert listed(extractor, 2) == [
        (key, hash_) for key, hash_ in content(extractor.rows(1)) if bucket(str(key)) in wanted
    ]


def test_keys_of_several_columns_and_odd_texts_are_told_as_transform_tells_them(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    shop.run("DROP TABLE item")
    shop.run("CREATE TABLE item (id text, part text, name text, PRIMARY KEY (id, part))")
    shop.run("GRANT SELECT ON item TO starlift_source")
    texts = ["", " ", 'say "x"', "back\\slash", "a,b", "(c)", "é😀", "null", "NULL", "{}", "\t", "x" * 3000]
    for text in texts:
        shop.run("INSERT INTO item VALUES (:text, 'p', 'a')", text=text)
    extractor = extractor_of("xid", key=("id", "part"), columns=("id", "part", "name"), cursor=None)
    extractor.poll()
    rows = read_rows(extractor.lake, extractor.manifest(1), "item").typed
    keys = sorted(rows["_key"].to_pylist())
    ask(extractor, "repair", keys=tuple(keys))
    extractor.poll(RECONCILED)
    assert [shortened(str(line["_key"])) for line in extractor.listed(2)] == keys
    assert sorted(str(row["id"]) for row in extractor.rows(2)) == sorted(texts), "each was found by its key"


def test_a_repair_reads_its_rows_whether_or_not_they_changed(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    shop.run("UPDATE item SET name = 'changed', changed = now() WHERE id = 3")
    ask(extractor, "repair", keys=("(1)", "(3)", "(9)"))
    assert extractor.poll().kind == "repair"
    inventory = extractor.manifest(2).inventory["item"]
    assert (inventory.scope, inventory.asked) == ("keys", ("(1)", "(3)", "(9)"))
    found = sorted(row["id"] or "" for row in extractor.rows(2))
    assert set(found) >= {"1", "3"}
    assert len(found) == len(set(found)), "a row that both a pass and a repair select is shipped once"
    assert "9" not in found


def test_a_repair_of_no_key_reads_the_table_whole(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    ask(extractor, "repair")
    assert extractor.poll().kind == "repair"
    assert extractor.manifest(2).inventory["item"].scope == "whole"
    assert {str(row["id"]): row["name"] for row in extractor.rows(2)} == shop.names()


def test_a_repair_of_the_timestamp_mode_moves_no_watermark_by_itself(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    """A row edited without moving its stamp is what a repair is for."""
    shop.run("UPDATE item SET changed = '2020-01-01'")
    extractor = extractor_of("timestamp")
    extractor.poll()
    shop.run("UPDATE item SET name = 'silent', changed = '1999-01-01' WHERE id = 1")
    assert extractor.poll().kind is None
    ask(extractor, "repair", keys=("(1)",))
    extractor.poll()
    assert extractor.names() == shop.names()
    assert extractor.manifest(2).tables["item"].px == extractor.manifest(1).tables["item"].px


def test_what_a_person_drops_is_carried_with_the_reason(extractor: Extractor) -> None:
    extractor.poll()
    ask(extractor, "drop", keys=("(1)", "(2)"))
    extractor.poll()
    assert extractor.manifest(2).dropped == {"item": {"(1)": "a test", "(2)": "a test"}}


def test_an_answered_request_is_named_removed_and_not_answered_again(extractor: Extractor) -> None:
    extractor.poll()
    names = [ask(extractor, "inventory"), ask(extractor, "repair", keys=("(1)",))]
    extractor.poll()
    assert sorted(extractor.manifest(2).served) == sorted(names)
    assert list(extractor.lake.keys("requests/")) == []
    assert extractor.poll().kind is None


def test_a_request_about_a_table_that_is_not_taken_is_answered_by_nothing(extractor: Extractor) -> None:
    extractor.poll()
    name = ask(extractor, "inventory", "other")
    extractor.poll()
    assert extractor.manifest(2).served == (name,)
    assert extractor.manifest(2).inventory == {}


class Undeletable(MemoryLake):
    """A lake in which this role may put and not remove."""

    def delete(self, key: str) -> None:
        raise UnavailableError(f"cannot remove {key}: access denied", "grant it, then: starlift run")


def test_a_request_that_cannot_be_removed_is_still_answered_once(
    extractor: Extractor, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    extractor.lake = Undeletable()
    extractor.poll()
    name = ask(extractor, "inventory")
    with caplog.at_level(logging.WARNING):
        extractor.poll()
    assert "answered requests stay in the lake: cannot remove" in caplog.text
    assert extractor.poll().kind is None
    shop.run("INSERT INTO item VALUES (4, 'new')")
    extractor.poll()
    manifest = extractor.manifest(3)
    assert (manifest.served, manifest.inventory) == ((name,), {}), "it goes on being named"
    assert extractor.poll().kind is None


def test_a_request_that_was_answered_before_a_crash_is_not_answered_again(extractor: Extractor) -> None:
    """The commit is the manifest: what was to be removed after it is removed by a later batch."""
    extractor.poll()
    name = ask(extractor, "inventory")
    extractor.poll()
    ask(extractor, "inventory")  # as if it had not been removed
    assert extractor.poll().kind is None
    ask(extractor, "repair", keys=("(1)",))
    extractor.poll()
    assert extractor.manifest(3).inventory["item"].scope == "keys"
    assert name in extractor.manifest(3).served
    assert list(extractor.lake.keys("requests/")) == []


def test_a_request_that_cannot_be_read_holds_the_poll_by_name(extractor: Extractor) -> None:
    extractor.poll()
    name = ask(extractor, "inventory")
    extractor.lake.put(paths.request(name), b"{}")
    extractor.lake.put("requests/notes.txt", b"not a request, and not named like one")
    with pytest.raises(HeldError, match=f"requests/{name}.json") as raised:
        extractor.poll()
    assert raised.value.hint.endswith("starlift run")


def test_a_request_that_another_run_answers_meanwhile_is_no_error(extractor: Extractor) -> None:
    class Overtaken(MemoryLake):
        def get(self, key: str) -> bytes | None:
            return None if key.startswith("requests/") else super().get(key)

    extractor.lake = Overtaken()
    extractor.poll()
    ask(extractor, "inventory")
    assert extractor.poll().kind is None


def test_a_view_can_be_reconciled_though_its_rows_carry_no_transaction(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    shop.run("ALTER TABLE item RENAME TO stored")
    shop.run("CREATE VIEW item AS SELECT * FROM stored")
    shop.run("GRANT SELECT ON item TO starlift_source")
    shop.run("UPDATE stored SET changed = '2020-01-01'")
    extractor = extractor_of("timestamp")
    extractor.poll()
    shop.run("DELETE FROM stored WHERE id = 1")
    assert extractor.poll().kind is None, "no poll can see it"
    extractor.poll(RECONCILED)
    assert [line["_key"] for line in extractor.listed(2)] == ["(2)", "(3)"]


def held_shelf(extractor_of: MakeExtractor, shop: Shop) -> Extractor:
    """An extractor of items and of shelves, whose table is gone after the first poll."""
    shop.run("CREATE TABLE shelf (id int PRIMARY KEY, name text)")
    shop.run("INSERT INTO shelf VALUES (1, 'left'), (2, 'right')")
    shop.run("GRANT SELECT ON shelf TO starlift_source")
    extractor = extractor_of("xid")
    extractor.config.tables["shelf"] = TableSpec("shelf", ("id",), ("id", "name"))
    extractor.poll()
    shop.run("ALTER TABLE shelf RENAME TO board")
    return extractor


def test_a_request_about_a_table_that_is_held_waits_for_it(extractor_of: MakeExtractor, shop: Shop) -> None:
    extractor = held_shelf(extractor_of, shop)
    name = ask(extractor, "inventory", "shelf")
    extractor.poll(Reconciliation(tables=frozenset({"shelf", "item"})))
    assert list(extractor.manifest(2).held) == ["shelf"]
    assert extractor.manifest(2).served == ()
    assert extractor.manifest(2).inventory.keys() == {"item"}
    shop.run("ALTER TABLE board RENAME TO shelf")
    extractor.poll()
    assert extractor.manifest(3).served == (name,)
    assert [line["_key"] for line in extractor.listed(3, "shelf")] == ["(1)", "(2)"]


def test_a_table_that_is_held_while_the_source_goes_back_is_read_whole_one_day(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    """Its state is of a time that the source does not remember."""
    extractor = held_shelf(extractor_of, shop)
    identity = extractor.manifest(1).identity
    extractor.rewrite(1, identity=replace(identity, timeline=7))
    assert "timeline went from 7" in (extractor.poll().went_back or "")
    assert extractor.manifest(2).inventory.keys() == {"item"}
    shop.run("ALTER TABLE board RENAME TO shelf")
    extractor.poll()
    assert extractor.manifest(3).inventory["shelf"].scope == "whole"

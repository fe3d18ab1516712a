"""What `starlift.ports.Lake` promises, held against every adapter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from starlift.errors import ConfigurationError
from starlift.ports import Lake, ListedLake
from starlift.stages.probing import probe
from tests.lake.conftest import OpenLake

MIXED = [
    "data/payment/seq=00000000000000000001/run-00000.jsonl.zst",
    "data/payment-type/seq=00000000000000000001/run-00000.jsonl.zst",
    "data/payment.old/seq=00000000000000000002/run-00000.jsonl.zst",
    "data/pay_ment/ü ~+%41&=?#'\"<>😀.jsonl",
    "manifests/00000000000000000001.json",
    "manifests/00000000000000000002.json",
    "manifests/00000000000000000010.json",
    "manifests/head",
    "requests/01J.json",
]

PREFIXES = [
    "",
    "data/",
    "data/payment",
    "data/payment/",
    "data/payment/seq=0000000000000000000",
    "data/pay_ment/ü ",
    "manifests/0000000000000000000",
    "manifests/head",
    "manifests/head/",
    "m",
    "nothing/",
]


def test_an_object_that_was_never_put_is_none(lake: Lake) -> None:
    lake.put("manifests/head", b"1")

    assert lake.get("manifests/00000000000000000001.json") is None
    assert lake.get("manifests") is None
    assert lake.get("manifests/head/deeper") is None


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\r\n\xff", bytes(range(251)) * 36_000],
    ids=["empty", "binary", "9 MB"],
)
def test_an_object_reads_back_as_it_was_put(lake: Lake, data: bytes) -> None:
    assert lake.put_if_absent("data/a/first", data)
    lake.put("data/a/second", data)

    assert lake.get("data/a/first") == data
    assert lake.get("data/a/second") == data


def test_every_handle_on_a_lake_sees_the_same_objects(open_same: OpenLake) -> None:
    one, other = open_same(), open_same()

    assert one.put_if_absent("requests/1.json", b"{}")

    assert other.get("requests/1.json") == b"{}"
    assert list(other.keys("")) == ["requests/1.json"]
    assert not other.put_if_absent("requests/1.json", b"[]")


@pytest.mark.parametrize("second", [b"first", b"second"], ids=["equal bytes", "other bytes"])
def test_a_taken_key_is_refused_and_what_it_holds_is_unchanged(lake: Lake, second: bytes) -> None:
    first = b"first"
    assert lake.put_if_absent("manifests/1.json", first) is True

    assert lake.put_if_absent("manifests/1.json", second) is False

    assert lake.get("manifests/1.json") == first


def test_a_key_that_put_has_taken_is_taken(lake: Lake) -> None:
    lake.put("manifests/head", b"1")

    assert lake.put_if_absent("manifests/head", b"2") is False
    assert lake.get("manifests/head") == b"1"


def test_put_replaces_what_is_there(lake: Lake) -> None:
    lake.put("manifests/head", b"a longer text")
    lake.put("manifests/head", b"2")

    assert lake.get("manifests/head") == b"2"


def test_of_concurrent_callers_exactly_one_gets_a_free_key(open_same: OpenLake) -> None:
    callers = 8
    lakes = [open_same() for _ in range(callers)]
    for number in range(4):
        key = f"manifests/{number}.json"
        start = threading.Barrier(callers)

        def race(caller: int, key: str = key, start: threading.Barrier = start) -> bool:
            start.wait()
            return lakes[caller].put_if_absent(key, f"by {caller}".encode())

        with ThreadPoolExecutor(callers) as pool:
            won = list(pool.map(race, range(callers)))

        assert won.count(True) == 1
        assert lakes[0].get(key) == f"by {won.index(True)}".encode()


def test_a_reader_sees_the_old_object_or_the_new_one_and_nothing_between(
    open_same: OpenLake,
) -> None:
    writer, reader = open_same(), open_same()
    versions = [letter * 300_000 for letter in (b"a", b"b")]
    writer.put("manifests/head", versions[0])
    seen = set()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(_write_in_turn, writer, versions)
        while not done.done():
            seen.add(reader.get("manifests/head"))
        done.result()

    assert seen <= set(versions)


def _write_in_turn(lake: Lake, versions: list[bytes]) -> None:
    for turn in range(20):
        lake.put("manifests/head", versions[turn % 2])


def test_keys_are_those_with_the_prefix_in_ascending_order(lake: Lake) -> None:
    for key in reversed(MIXED):
        assert lake.put_if_absent(key, b"x")

    for prefix in PREFIXES:
        assert list(lake.keys(prefix)) == sorted(key for key in MIXED if key.startswith(prefix))


def test_keys_sort_by_the_whole_key_and_not_folder_by_folder(lake: Lake) -> None:
    keys = ["a!/x", "a-b/x", "a.json", "a/b", "a/b-c/d", "a0/x"]
    for key in reversed(keys):
        lake.put(key, b"")

    assert list(lake.keys("")) == sorted(keys) == keys


def test_a_listing_tells_how_large_and_how_old_each_object_is(lake: ListedLake) -> None:
    before = time.time()
    for key, data in (("a/b", b"four"), ("a/c", b""), ("b", b"x")):
        lake.put(key, data)
    found = list(lake.stored("a/"))
    assert [(each.key, each.bytes) for each in found] == [("a/b", 4), ("a/c", 0)]
    # S3 tells whole seconds, and a file system the time of its last tick
    assert all(before - 2 <= each.modified <= time.time() + 2 for each in found)


def test_what_is_deleted_is_gone_for_every_handle_and_its_key_is_free(open_same: OpenLake) -> None:
    one, other = open_same(), open_same()
    for key in ("requests/1.json", "requests/2.json"):
        one.put(key, b"{}")

    one.delete("requests/1.json")

    assert other.get("requests/1.json") is None
    assert list(other.keys("")) == ["requests/2.json"]
    assert other.put_if_absent("requests/1.json", b"again")


def test_deleting_what_is_not_there_is_no_error_and_touches_nothing(lake: Lake) -> None:
    lake.put("requests/2.json", b"{}")

    for key in ("requests/1.json", "requests", "requests/2.json/deeper", "nothing/at/all"):
        lake.delete(key)

    assert list(lake.keys("")) == ["requests/2.json"]


def test_a_listing_longer_than_one_page_is_whole(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    keys = [f"manifests/{number:020d}.json" for number in range(1, 11)]
    for key in keys:
        lake.put(key, b"")

    assert list(lake.keys("manifests/")) == keys


BAD_KEYS = [
    "",
    "/absolute",
    "a//b",
    "a/",
    "../outside",
    "a/../../outside",
    "a/./b",
    "a/.hidden",
    ".tmp/x",
    "a\\b",
    "a\0b",
    "a\nb",
    "a/\ud800",
    "x" * 256,
    "/".join(["x" * 250] * 5),
]


def test_a_key_that_some_lake_cannot_hold_is_refused_by_all(lake: Lake) -> None:
    for key in BAD_KEYS:
        calls: list[Callable[[], object]] = [
            partial(lake.get, key),
            partial(lake.put, key, b"x"),
            partial(lake.put_if_absent, key, b"x"),
            partial(lake.delete, key),
        ]
        for call in calls:
            with pytest.raises(ConfigurationError) as refused:
                call()
            assert refused.value.hint.endswith("starlift run")

    assert list(lake.keys("")) == []


def test_a_prefix_that_no_key_can_have_is_refused(lake: Lake) -> None:
    for prefix in ["/", "a//", "../", "a/../", ".tmp", "a\\"]:
        with pytest.raises(ConfigurationError):
            list(lake.keys(prefix))


def test_the_longest_names_are_taken(lake: Lake) -> None:
    key = "/".join(["ä" * 127, "x" * 255, "x" * 255, "y" * 200])
    assert lake.put_if_absent(key, b"x")

    assert lake.get(key) == b"x"
    assert list(lake.keys("ä")) == [key]


def test_the_doctor_finds_the_promises_kept_the_first_time_and_later(lake: Lake) -> None:
    for _ in range(2):
        assert [(finding.level, finding.part) for finding in probe(lake, "processed")] == [
            ("ok", "processed"),
            ("ok", "processed"),
        ]

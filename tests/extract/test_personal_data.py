"""What is dropped or hashed never leaves the source as it is."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlift.core.hmac_key import BLOCK, HmacKey
from starlift.errors import ConfigurationError
from starlift.stages import log
from tests.extract.conftest import Extractor, MakeExtractor, Shop

KEY = "correct horse battery staple"
CANARY = "canary-7f3a"


@pytest.fixture
def hashing(extractor_of: MakeExtractor, shop: Shop) -> Extractor:
    """An extractor that takes item.name as a keyed hash."""
    extractor = extractor_of("xid", columns=("id",), hmac=("name",))
    extractor.hmac_key = KEY
    return extractor


def hashed(text: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def test_a_hashed_column_arrives_as_its_hmac_and_null_as_null(hashing: Extractor, shop: Shop) -> None:
    shop.run("UPDATE item SET name = :text WHERE id = 1", text="Zoë 😀")
    shop.run("UPDATE item SET name = NULL WHERE id = 2")
    hashing.poll()
    assert hashing.names() == {"1": hashed("Zoë 😀"), "2": None, "3": hashed("c")}


@pytest.mark.parametrize("key", ["k", "x" * 64, "x" * 65, "ключ " * 40])
def test_keys_of_every_length_give_the_standards_hmac(hashing: Extractor, key: str) -> None:
    hashing.hmac_key = key
    hashing.poll()
    assert hashing.names()["3"] == hashed("c", key)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_name_of_a_key_tells_keys_apart_and_not_the_key(key: str) -> None:
    made = HmacKey(key)
    assert made.name == HmacKey(key).name != HmacKey(key + "x").name
    assert re.fullmatch("[0-9a-f]{8}", made.name)


@given(st.binary(min_size=1), st.binary(min_size=BLOCK, max_size=BLOCK))
def test_a_mask_hides_the_key_and_taken_off_gives_its_block(secret: bytes, mask: bytes) -> None:
    """The block as RFC 2104 defines it: the key, or the hash of a longer one, filled up with zeros."""
    key = secret.hex()
    block = key.encode() if len(key) <= BLOCK else hashlib.sha256(key.encode()).digest()
    masked = HmacKey(key).under(mask)
    assert bytes(a ^ b for a, b in zip(masked, mask, strict=True)) == block.ljust(BLOCK, b"\0")


def test_without_a_key_nothing_is_read(hashing: Extractor) -> None:
    hashing.hmac_key = None
    with pytest.raises(ConfigurationError, match="STARLIFT_HMAC_KEY"):
        hashing.poll()
    assert list(hashing.lake.keys("")) == []


def test_another_key_or_an_end_of_hashing_has_the_table_read_whole(hashing: Extractor) -> None:
    hashing.poll()
    hashing.hmac_key = "another"
    hashing.poll()
    assert hashing.manifest(2).passes == {"item": "whole"}
    assert hashing.names()["3"] == hashed("c", "another")
    spec = replace(hashing.config.tables["item"], columns=("id", "name"), hmac=())
    hashing.config.tables["item"] = spec
    hashing.poll()
    assert hashing.manifest(3).passes == {"item": "whole"}
    assert hashing.names()["3"] == "c"


def watch(shop: Shop, seen: set[str], stop: Event) -> None:
    while not stop.is_set():
        seen |= {row[0] for row in shop.other.run("SELECT query FROM pg_stat_activity")}


@pytest.fixture
def queries(shop: Shop) -> Iterator[set[str]]:
    """Every query text that pg_stat_activity shows while the test runs."""
    seen: set[str] = set()
    stop = Event()
    thread = Thread(target=watch, args=(shop, seen, stop))
    thread.start()
    yield seen
    stop.set()
    thread.join()


def test_neither_value_nor_key_shows_in_lake_or_query_text(
    hashing: Extractor, shop: Shop, queries: set[str]
) -> None:
    shop.run("INSERT INTO item SELECT n, :text FROM generate_series(10, 20000) n", text=CANARY)
    queries.clear()
    hashing.poll()
    hashing.poll()
    assert any("starlift" in query for query in queries), "the watch must have seen the poll"
    block = HmacKey(KEY).under(bytes(BLOCK))
    pads = [bytes(byte ^ pad for byte in block).hex() for pad in (0x36, 0x5C)]
    for secret in (CANARY, KEY, KEY.encode().hex(), *pads):
        assert not [query for query in queries if secret in query]
        lines = str(hashing.rows(1)) + log.read(hashing.lake, 1).decode()
        assert secret not in lines


def test_equal_values_stay_equal_so_that_hashed_columns_still_join(hashing: Extractor, shop: Shop) -> None:
    shop.run("UPDATE item SET name = 'same'")
    hashing.poll()
    assert len(set(hashing.names().values())) == 1
    assert hashlib.sha256(b"same").hexdigest() not in hashing.names().values(), (
        "an unkeyed hash can be guessed"
    )

"""What is dropped or hashed never leaves the source as it is."""

from __future__ import annotations

import hashlib
import hmac
import re
import traceback
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.withholding import withheld
from starlift.core.config import NewColumns
from starlift.core.hmac_key import BLOCK, LEAST, HmacKey
from starlift.errors import ConfigurationError, DriftError, HeldError, StarliftError
from starlift.stages import log
from tests.extract.conftest import Extractor, MakeExtractor, Shop

KEY = "correct horse battery staple, and salt"
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


@pytest.mark.parametrize("key", ["k" * LEAST, "x" * BLOCK, "x" * (BLOCK + 1), "ключ " * 40])
def test_keys_of_every_length_give_the_standards_hmac(hashing: Extractor, key: str) -> None:
    hashing.hmac_key = key
    hashing.poll()
    assert hashing.names()["3"] == hashed("c", key)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=LEAST))
def test_the_name_of_a_key_tells_keys_apart_and_not_the_key(key: str) -> None:
    made = HmacKey(key)
    assert made.name == HmacKey(key).name != HmacKey(key + "x").name
    assert re.fullmatch("[0-9a-f]{8}", made.name)


@given(st.binary(min_size=LEAST // 2), st.binary(min_size=BLOCK, max_size=BLOCK))
def test_a_mask_hides_the_key_and_taken_off_gives_its_block(secret: bytes, mask: bytes) -> None:
    """The block as RFC 2104 defines it: the key, or the hash of a longer one, filled up with zeros."""
    key = secret.hex()
    block = key.encode() if len(key) <= BLOCK else hashlib.sha256(key.encode()).digest()
    masked = HmacKey(key).under(mask)
    assert bytes(a ^ b for a, b in zip(masked, mask, strict=True)) == block.ljust(BLOCK, b"\0")


@pytest.mark.parametrize("key", ["", "x" * (LEAST - 1), "ж" * 15, "\udce9" * LEAST])
def test_a_key_that_is_weak_or_no_text_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match=r"bytes of the 32|is not text") as raised:
        HmacKey(key)
    assert not key or key not in "".join(traceback.format_exception(raised.value))


def test_without_a_key_nothing_is_read(hashing: Extractor) -> None:
    hashing.hmac_key = None
    with pytest.raises(ConfigurationError, match="STARLIFT_HMAC_KEY"):
        hashing.poll()
    assert list(hashing.lake.keys("")) == []


def test_another_key_or_an_end_of_hashing_has_the_table_read_whole(hashing: Extractor) -> None:
    hashing.poll()
    hashing.hmac_key = KEY[::-1]
    hashing.poll()
    assert hashing.manifest(2).passes == {"item": "whole"}
    assert hashing.names()["3"] == hashed("c", KEY[::-1])
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


def test_the_hash_of_a_row_is_of_what_leaves_and_of_nothing_else(hashing: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE item ADD secret text DEFAULT 'x'")
    hashing.poll()
    before = hashing.landed()["1"]["_hash"]
    ((expected,),) = shop.run("SELECT hashtextextended(ROW(1, CAST(:h AS text))::text, 0)", h=hashed("a"))
    assert before == str(expected)
    shop.run("UPDATE item SET secret = 'y'")
    hashing.poll()
    assert hashing.manifest(2).counts["item"].read == 3
    assert hashing.landed()["1"]["_hash"] == before


@pytest.mark.parametrize("policy", ["ignore", "add"])
def test_a_dropped_column_that_is_renamed_is_a_new_one_and_not_taken(
    extractor_of: MakeExtractor, shop: Shop, policy: NewColumns
) -> None:
    extractor = extractor_of("auto", columns=("id",), drop=("name", "changed"), new_columns=policy)
    extractor.poll()
    shop.run("ALTER TABLE item RENAME name TO called")
    shop.run("UPDATE item SET called = :text", text=CANARY)
    assert extractor.poll().unnamed == {"item": ("called",)}
    assert {column for row in extractor.rows(2) for column in row} == {"id", "_hash"}


@pytest.mark.parametrize("policy", ["ignore", "add"])
def test_a_hashed_column_that_is_renamed_holds_its_table(
    hashing: Extractor, shop: Shop, policy: NewColumns
) -> None:
    hashing.config.tables["item"] = replace(hashing.config.tables["item"], new_columns=policy)
    hashing.poll()
    shop.run("ALTER TABLE item RENAME name TO called")
    shop.run("UPDATE item SET called = :text", text=CANARY)
    assert "item.name was renamed to called" in hashing.poll().held["item"].message
    assert hashing.manifest(2).files == ()


def test_what_a_view_shows_since_it_grew_is_not_taken(extractor_of: MakeExtractor, shop: Shop) -> None:
    shop.run("CREATE VIEW shown AS SELECT * FROM item")
    shop.run("GRANT SELECT ON shown TO starlift_source")
    extractor = extractor_of("auto", name="shown", columns=("id",), drop=("name",))
    extractor.poll()
    shop.run("ALTER TABLE item ADD secret text")
    shop.run("INSERT INTO item (id, secret) VALUES (4, :text)", text=CANARY)
    shop.run("CREATE OR REPLACE VIEW shown AS SELECT * FROM item")
    assert extractor.poll().unnamed == {"shown": ("secret",)}
    assert {column for row in extractor.rows(2, "shown") for column in row} == {"id", "_hash"}


def test_no_sign_stands_for_all_columns(extractor_of: MakeExtractor) -> None:
    with pytest.raises(ConfigurationError, match=r"column item\.\* is not in the source"):
        extractor_of("auto", columns=("id", "*")).poll()


QUOTING = {
    "a cast": "name::int",
    "a cast that the planner may take for a name's": "name::regclass::text",
    "a setting of that name": "current_setting(name)",
    "a date out of range": "to_date(name || '99', 'MM')",
    "RAISE": "shout(name, 'P0001')",
    "RAISE as if a privilege were missing": "shout(name, '42501')",
    "RAISE as if time were out": "shout(name, '57014')",
    "RAISE as if a table were missing": "shout(name, '42P01')",
}
"""What a view does with a value that PostgreSQL's message then quotes."""


@pytest.fixture
def loud(extractor_of: MakeExtractor, shop: Shop) -> Extractor:
    """An extractor of a view that is to stumble over a name, which is not taken."""
    shop.run(
        "CREATE FUNCTION shout(text, state text) RETURNS text LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'cannot do %', $1 USING ERRCODE = state; END$$"
    )
    shop.run("UPDATE item SET name = :text WHERE id = 2", text=CANARY)
    return extractor_of("auto", name="loud", columns=("id", "age"), drop=("name",))


@pytest.mark.parametrize("expression", QUOTING.values(), ids=QUOTING)
def test_what_the_source_says_of_a_row_is_not_repeated(loud: Extractor, shop: Shop, expression: str) -> None:
    shop.run(f"CREATE VIEW loud AS SELECT id, name, {expression} AS age, changed FROM item WHERE id = 2")
    shop.run("GRANT SELECT ON loud TO starlift_source")
    with pytest.raises(StarliftError) as raised:
        loud.poll()
    assert type(raised.value) is not StarliftError, "foreseen"
    assert "SQLSTATE" in raised.value.message or type(raised.value) is DriftError
    assert raised.value.hint
    assert CANARY not in "".join(traceback.format_exception(raised.value))
    assert CANARY not in raised.value.message + raised.value.hint
    assert list(loud.lake.keys("")) == []


def test_a_row_that_stops_the_source_is_for_a_person_to_look_at(loud: Extractor, shop: Shop) -> None:
    shop.run("CREATE VIEW loud AS SELECT id, name, name::int AS age, changed FROM item WHERE id = 2")
    shop.run("GRANT SELECT ON loud TO starlift_source")
    with pytest.raises(HeldError, match=r"a row of table loud: SQLSTATE 22P02") as raised:
        loud.poll()
    database = shop.database.name
    assert raised.value.hint.endswith(f'psql -d {database} -c \'SELECT * FROM "public"."loud"\'')


@pytest.mark.parametrize(
    ("fields", "repeated"),
    [
        ({"C": "53100", "M": "disk full"}, True),
        ({"C": "57014", "M": "timeout"}, True),
        ({"C": "42703", "M": "no column", "P": "8"}, True),
        ({"C": "57014", "M": "timeout", "W": "PL/pgSQL function f() line 1"}, False),
        ({"C": "42704", "M": "no setting"}, False),
        ({"C": "22012", "M": "division by zero"}, False),
        ({"C": "23514", "M": "a check"}, False),
        ({"C": "XX000", "M": "odd", "P": "8"}, False),
        ({}, False),
    ],
)
def test_a_message_is_repeated_only_where_no_row_can_be_in_it(fields: dict[str, str], repeated: bool) -> None:
    with pytest.raises(DatabaseError) as raised, withheld():
        raise DatabaseError({**fields, "D": "a row"})
    (kept,) = raised.value.args
    assert kept["C"] == fields.get("C", "")
    assert (kept["M"] == fields.get("M")) is repeated
    assert set(kept) == {"C", "M"}
    assert "a row" not in "".join(traceback.format_exception(raised.value))

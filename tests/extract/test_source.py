"""The source adapter alone: line format, hash, key text, streaming, TLS, names."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from starlift.adapters.postgres.connection import Dsn, identifier
from starlift.adapters.postgres.source import CHUNK, PostgresSource
from starlift.core.identity import bucket, key_text
from starlift.core.polling import Read
from starlift.errors import DriftError
from tests.extract.conftest import ITEM, Shop

NASTY = ["", " ", "\t", "line\nbreak", "\r\n", 'quote "', "it's", "back\\slash", "\\.", "null"]
NASTY += ["v\x0bf\x0c", "\xa0", "é ü 中 😀", "\x01\x02\x1f"]


def whole(*columns: str, table: str = "item") -> Read:
    return Read(table, columns, frozenset({"whole"}))


def lines_of(shop: Shop, read: Read) -> list[dict[str, str | None]]:
    chunks: list[bytes] = []
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        count = snapshot.copy(read, chunks.append)
    lines = b"".join(chunks).splitlines(keepends=True)
    assert len(lines) == count
    assert all(line.endswith(b"}\n") for line in lines)
    return [json.loads(line) for line in lines]


def test_every_text_comes_through_a_line_as_it_is(shop: Shop) -> None:
    shop.run("DELETE FROM item")
    for number, text in enumerate([*NASTY, None]):
        shop.run("INSERT INTO item VALUES (:id, :name)", id=number, name=text)
    rows = sorted(lines_of(shop, whole("id", "name")), key=lambda row: int(row["id"] or 0))
    assert [row["name"] for row in rows] == [*NASTY, None]


def test_every_value_is_a_string_or_null_never_a_json_number(shop: Shop) -> None:
    shop.run("ALTER TABLE item ADD price numeric(30,10) DEFAULT 12345678901234567890.0123456789")
    shop.run("ALTER TABLE item ADD paid bool DEFAULT true")
    row = lines_of(shop, whole("id", "price", "paid"))[0]
    assert (row["id"], row["price"], row["paid"]) == ("1", "12345678901234567890.0123456789", "true")
    assert isinstance(row["_hash"], str)


def test_the_hash_tells_content_and_leaves_out_what_is_not_taken(shop: Shop) -> None:
    before = {row["id"]: row["_hash"] for row in lines_of(shop, whole("id", "name"))}
    shop.run("UPDATE item SET changed = now()")
    assert {row["id"]: row["_hash"] for row in lines_of(shop, whole("id", "name"))} == before
    shop.run("UPDATE item SET name = 'other' WHERE id = 1")
    after = {row["id"]: row["_hash"] for row in lines_of(shop, whole("id", "name"))}
    assert {key for key in after if after[key] != before[key]} == {"1"}


def test_key_text_and_bucket_are_what_postgresql_computes(shop: Shop) -> None:
    for text in NASTY:
        printed, number = shop.run(
            "SELECT t, get_byte(h, 0) * 16 + get_byte(h, 1) / 16 "
            "FROM (SELECT t, sha256(convert_to(t, 'UTF8')) h "
            "FROM (SELECT ROW(cast(:a AS text), cast(:b AS text))::text AS t) x) y",
            a=text,
            b="7",
        )[0]
        assert key_text([text, "7"]) == printed
        assert bucket(printed) == number


def test_a_large_table_is_streamed_in_bounded_memory(shop: Shop) -> None:
    shop.run("INSERT INTO item SELECT n, repeat('x', 1000) FROM generate_series(10, 40000) n")
    sizes: list[int] = []
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot() as snapshot:
        tracemalloc.start()
        count = snapshot.copy(whole("id", "name"), lambda chunk: sizes.append(len(chunk)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 39_994
    assert sum(sizes) > 40_000_000
    assert max(sizes) < CHUNK + 2000
    assert peak < 8_000_000


def test_names_that_look_like_sql_stay_names(shop: Shop) -> None:
    name = 'a "; DROP TABLE item; -- :x %s'
    quoted = identifier(name)
    shop.other.run(f"CREATE TABLE {quoted} (id int PRIMARY KEY, {quoted} text)")
    shop.other.run(f"INSERT INTO {quoted} VALUES (1, 'x')")
    shop.other.run(f"GRANT SELECT ON {quoted} TO starlift_source")
    read = Read(name, ("id", name), frozenset({"whole"}))
    assert [row[name] for row in lines_of(shop, read)] == ["x"]
    assert len(shop.names()) == 3


@pytest.mark.parametrize("name", ["r", "t"])
def test_a_column_may_have_the_name_of_an_alias(shop: Shop, name: str) -> None:
    shop.run(f"ALTER TABLE item RENAME name TO {name}")
    assert sorted(row[name] or "" for row in lines_of(shop, whole("id", name))) == ["a", "b", "c"]


def test_the_reader_cannot_write_even_by_mistake(shop: Shop) -> None:
    with PostgresSource(Dsn.parse(shop.database.reader)) as source, source.snapshot():
        with pytest.raises(Exception, match=r"read-only transaction|permission denied"):
            source._connection.run("DELETE FROM public.item")
        source._connection.run("ROLLBACK")


def test_a_table_that_changes_its_shape_between_the_look_and_the_read_has_drifted(shop: Shop) -> None:
    with PostgresSource(Dsn.parse(shop.database.reader)) as source:
        source.preflight([ITEM])
        shop.run("ALTER TABLE item DROP COLUMN name")
        with pytest.raises(DriftError, match="item changed its shape"), source.snapshot() as snapshot:
            snapshot.copy(whole("id", "name"), lambda _: None)

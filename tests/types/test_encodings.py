"""The lake is UTF-8, whatever the encoding of the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from starlift.adapters.embedded.provision import drop_database
from starlift.adapters.memory import MemoryLake
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from starlift.core.config import PipelineConfig, TableSpec
from starlift.core.identity import bucket, key_text
from starlift.core.manifest import Manifest
from starlift.core.polling import Read
from starlift.core.requests import Request
from starlift.errors import HeldError
from starlift.stages import log, requests
from starlift.stages.extract import Run, extract
from starlift.stages.key_lists import pass_on
from starlift.stages.parquet_files import read_parquet
from starlift.stages.source_rows import read_rows
from tests.postgres import PostgresForTests, connected

SPEC = TableSpec("öl", ("id",), ("id", "größe"), mode="xid")
CONFIG = PipelineConfig("latin", "public", "public", {"öl": SPEC})


@contextmanager
def database(postgres: PostgresForTests, encoding: str) -> Iterator[str]:
    """A database in an encoding, with one table; gives its URL."""
    name = f"in_{encoding.lower()}"
    with connected(postgres.url("postgres")) as admin:
        admin.run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
        try:
            with connected(postgres.url(name)) as owner:
                owner.run('CREATE TABLE "öl" (id int PRIMARY KEY, "größe" text)')
            yield postgres.url(name)
        finally:
            drop_database(admin, name)


def landed(url: str) -> list[dict[str, object]]:
    """Return the rows that an extract of the table lands."""
    lake = MemoryLake()
    with PostgresSource(Dsn.parse(url)) as source:
        extract(source, lake, CONFIG, Run("run", "test"))
    rows = read_rows(lake, Manifest.decode(log.read(lake, 1)), "öl").typed
    return list(rows.select(["id", "größe"]).to_pylist())


def test_text_of_a_latin_1_database_arrives_as_the_same_characters(postgres: PostgresForTests) -> None:
    every = "".join(map(chr, range(1, 256)))
    with database(postgres, "LATIN1") as url:
        with connected(url) as owner:
            owner.run('INSERT INTO "öl" VALUES (1, :text)', text=every)
        assert landed(url) == [{"id": 1, "größe": every}]


def test_keys_are_told_as_in_utf_8_also_one_that_is_shortened(postgres: PostgresForTests) -> None:
    """LATIN1 has not the character that marks a shortened key."""
    texts = ["é", "a b", "ÿ" * 1500]
    keys = tuple(key_text([text]) for text in texts)
    with database(postgres, "LATIN1") as url:
        with connected(url) as owner:
            owner.run('ALTER TABLE "öl" ALTER id TYPE text')
            for text in texts:
                owner.run('INSERT INTO "öl" VALUES (:text, NULL)', text=text)
        lake = MemoryLake()
        with PostgresSource(Dsn.parse(url)) as source:
            extract(source, lake, CONFIG, Run("first", "test"))
            for asked in (Request("repair", "öl", "", keys), Request("inventory", "öl", "")):
                requests.ask(lake, asked, "2024-01-01 00:00:00+00:00", "test")
            extract(source, lake, CONFIG, Run("second", "test"))
            with source.snapshot() as snapshot:
                sums = snapshot.sums(Read("öl", ("id", "größe"), frozenset({"whole"}), key=("id",)))
    manifest = Manifest.decode(log.read(lake, 2))
    assert sorted(read_rows(lake, manifest, "öl").typed["_key"].to_pylist()) == sorted(keys)
    lists = pass_on((lake, processed := MemoryLake()), manifest)["öl"].files
    assert sorted(
        key for file in lists for key in read_parquet(processed, file)["key"].to_pylist()
    ) == sorted(keys)
    assert [number for number, _, _ in sums] == sorted(map(bucket, keys))


def test_bytes_that_are_no_text_are_refused_and_never_guessed(postgres: PostgresForTests) -> None:
    """A database in SQL_ASCII holds bytes of no known encoding."""
    with database(postgres, "SQL_ASCII") as url:
        with connected(url) as owner:
            owner.run("INSERT INTO \"öl\" VALUES (1, 'ö')")
        assert landed(url) == [{"id": 1, "größe": "ö"}]
        with connected(url) as owner:
            owner.run("INSERT INTO \"öl\" VALUES (2, convert_from('\\xf6', 'SQL_ASCII'))")
        with pytest.raises(HeldError, match=r"table öl: SQLSTATE 22021.*SQL_ASCII"):
            landed(url)


def test_a_char_above_ascii_is_text_or_refused(postgres: PostgresForTests) -> None:
    """Before PostgreSQL 15 the byte is sent as it is, in UTF-8 too, where it is half a character."""
    with database(postgres, "UTF8") as url:
        with connected(url) as owner:
            owner.run('ALTER TABLE "öl" ALTER "größe" TYPE "char"')
            owner.run("INSERT INTO \"öl\" VALUES (1, 'ö')")
        if postgres.version >= 15:
            assert landed(url) == [{"id": 1, "größe": r"\303"}]
        else:
            with pytest.raises(HeldError, match=r'table öl: SQLSTATE 22021.*"char"'):
                landed(url)

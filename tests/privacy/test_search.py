"""The search finds a value however it is written and wherever it is put: else it would prove nothing."""

from __future__ import annotations

import base64
import codecs
import csv
import gzip
import hashlib
import io
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pg8000.native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.postgres import WarehouseDatabase, connected
from tests.privacy import search
from tests.privacy.marks import Mark, key_forms

MARK = Mark("a value to look for")
KEY = "a key to look for, as long as one has to be"


def as_csv(text: str) -> bytes:
    sink = io.StringIO()
    csv.writer(sink).writerow(["1", text])
    return sink.getvalue().encode()


WRITTEN: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-16": lambda text: text.encode("utf-16"),
    "ASCII with escapes": lambda text: text.encode("unicode_escape"),
    "capitals": lambda text: text.upper().encode(),
    "backwards": lambda text: text[::-1].encode(),
    "JSON": lambda text: json.dumps({"reason": text}).encode(),
    "JSON in JSON": lambda text: json.dumps(json.dumps([text])).encode(),
    "CSV": as_csv,
    "a repr": lambda text: repr((text, text.encode())).encode(),
    "a URL": lambda text: urllib.parse.quote(text).encode(),
    "a URL, every byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "bytea": lambda text: b"\\x" + codecs.encode(text.encode(), "hex"),
    "hexadecimal capitals": lambda text: text.encode().hex().upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()),
    "bytes of a plan": lambda text: " ".join(str((b ^ 128) - 128) for b in text.encode()).encode(),
    "a list of bytes": lambda text: str(list(text.encode())).encode(),
    "cut after a while": lambda text: text[:14].encode(),
    "cut before": lambda text: text[-14:].encode(),
    "MD5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().encode(),
    "SHA-256": lambda text: hashlib.sha256(text.encode()).digest(),
    "SHA-256 in base64": lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_value_is_found_however_it_is_written(written: Callable[[str], bytes]) -> None:
    assert search.hits({"here": b"before " + written(MARK.value) + b" after"}, MARK.forms())


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_a_value_is_found_in_base64_of_more_than_it(before: bytes, after: bytes) -> None:
    coded = base64.b64encode(before + MARK.value.encode() + after)
    assert search.hits({"here": coded}, MARK.forms())


@given(st.binary(max_size=300))
def test_nothing_is_found_where_nothing_is(noise: bytes) -> None:
    assert not search.hits({"here": noise, "there": Mark("another").value.encode()}, MARK.forms())


@pytest.mark.parametrize("pad", [0, 0x36, 0x5C])
@pytest.mark.parametrize("key", [KEY, KEY * 2], ids=["short", "longer than a block"])
def test_a_key_is_found_in_what_hmac_makes_of_it(key: str, pad: int) -> None:
    block = (hashlib.sha256(key.encode()).digest() if len(key) > 64 else key.encode()).ljust(64, b"\0")
    sent = bytes(byte ^ pad for byte in block).hex().encode()
    assert search.hits({"here": b"$1 = '" + sent + b"'"}, key_forms(key))
    assert search.hits({"here": key.encode()}, key_forms(key))


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


PACKED: dict[str, bytes] = {
    "zstd": zstandard.compress(MARK.value.encode() * 50),
    "two frames of zstd": zstandard.compress(b"x") + zstandard.compress(MARK.value.encode()),
    "gzip": gzip.compress(MARK.value.encode()),
    "gzip in zstd": zstandard.compress(gzip.compress(MARK.value.encode())),
    "a column of Parquet": parquet(pa.table({"a": ["x", MARK.value]})),
    "bytes in Parquet": parquet(pa.table({"a": [MARK.value.encode()]})),
    "the name of a column": parquet(pa.table({MARK.value: [1]})),
    "the metadata of Parquet": parquet(pa.table({"a": [1]}).replace_schema_metadata({"note": MARK.value})),
}


@pytest.mark.parametrize("data", PACKED.values(), ids=PACKED)
def test_a_value_is_found_however_it_is_packed(data: bytes) -> None:
    assert search.hits(search.of_objects([("name", data)], "lake"), MARK.forms())


def test_a_value_is_found_in_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "data" / f"part={MARK.words[0]}").mkdir(parents=True)
    (tmp_path / "data" / f"part={MARK.words[0]}" / "empty").touch()
    assert search.hits(search.of_folder(tmp_path), MARK.forms())


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t AS SELECT CAST(:value AS text) AS a",
        "CREATE SCHEMA s; CREATE TABLE s.t AS SELECT jsonb_build_object('row', CAST(:value AS text)) AS a",
        "CREATE MATERIALIZED VIEW v AS SELECT CAST(:value AS text) AS a",
        "ALTER ROLE starlift_warehouse SET starlift.note = :value",
        "COMMENT ON DATABASE postgres IS :value",
    ],
)
def test_a_value_is_found_in_any_table_of_a_database(warehouse_db: WarehouseDatabase, statement: str) -> None:
    quoted = statement.replace(":value", pg8000.native.literal(MARK.value))
    with connected(warehouse_db.admin) as admin:
        admin.run(quoted)
        found = search.hits(search.of_database(admin, "warehouse"), MARK.forms())
        admin.run("ALTER ROLE starlift_warehouse RESET ALL")
        admin.run("COMMENT ON DATABASE postgres IS NULL")
    assert found

"""Reading lines: every text as it is, and a file that is not what its manifest says is refused."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from starlift.core.identity import key_text
from starlift.core.manifest import File, Manifest
from starlift.errors import ConfigurationError, HeldError
from starlift.stages import log
from starlift.stages.source_rows import HASH, KEY, SourceRows, key_texts, read_rows
from tests.transform.lakes import Pipeline, table

NOTE = {"note": table("id", id="text", body="text")}


def landed(data: bytes, rows: int, key: str = "data/note/x.jsonl.zst") -> tuple[Pipeline, Manifest]:
    pipeline = Pipeline(NOTE, [])
    packed = gzip.compress(data) if key.endswith(".gz") else zstandard.compress(data)
    pipeline.commit((log.store(pipeline.ingestion, "note", key, packed, rows),), "incremental", (), None)
    return pipeline, Manifest.decode(log.read(pipeline.ingestion, 1))


def read(data: bytes, rows: int, key: str = "data/note/x.jsonl.zst") -> SourceRows:
    pipeline, manifest = landed(data, rows, key)
    return read_rows(pipeline.ingestion, manifest, "note")


def line(id_: str | None = "1", body: str | None = "b", hash_: str = "5") -> bytes:
    return json.dumps({"id": id_, "body": body, "_hash": hash_}).encode() + b"\n"


NASTY = [
    "",
    " ",
    "null",
    "é😀𝄞",
    "\n\r\t\b\f\x01\x7f",
    "\"\\/'`",
    "\\u0041",
    "\u2028\u2029\ufeff\u00a0",
    "2024-01-01",
    "1e5",
    "true",
    "{}[]:,",
    "O'Keefe",
    "אבג",
    "e\u0301",
]


def test_nasty_texts_survive_escaped_or_not_and_null_is_not_the_empty_text() -> None:
    raw = [
        json.dumps({"id": f"r{n}", "body": text, "_hash": "1"}, ensure_ascii=False)
        for n, text in enumerate(NASTY)
    ]
    escaped = [json.dumps({"id": f"e{n}", "body": text, "_hash": "1"}) for n, text in enumerate(NASTY)]
    data = "\n".join([*raw, *escaped, json.dumps({"id": "n", "body": None, "_hash": "1"})]).encode()
    rows = read(data + b"\n", 2 * len(NASTY) + 1)
    assert rows.typed["body"].to_pylist() == [*NASTY, *NASTY, None]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=8))
def test_any_text_survives(texts: list[str]) -> None:
    rows = read(b"".join(line(str(n), text) for n, text in enumerate(texts)) or b"\n", len(texts))
    assert rows.typed["body"].to_pylist() == texts


def test_a_value_larger_than_a_block_survives() -> None:
    large = "é😀" * 4_000_000
    rows = read(line("1", large) + line("2", "small") + line("3", large), 3)
    assert rows.typed["body"].to_pylist() == [large, "small", large]


def test_rows_carry_their_key_text_and_their_hash_to_the_last_bit() -> None:
    rows = read(line("a b", hash_=str(2**63 - 1)) + line("1", hash_=str(-(2**63))), 2)
    assert rows.typed[KEY].to_pylist() == ['("a b")', "(1)"]
    assert rows.typed[HASH].to_pylist() == [2**63 - 1, -(2**63)]
    assert rows.typed.schema.field(HASH).type == pa.int64()


def test_fields_may_come_in_any_order_and_a_file_may_be_gzipped_or_of_several_frames() -> None:
    assert read(b'{"_hash":"1","body":"b","id":"i"}\n', 1).typed["id"].to_pylist() == ["i"]
    assert read(line(), 1, key="data/note/x.jsonl.gz").typed.num_rows == 1
    pipeline = Pipeline(NOTE, [])
    packed = zstandard.compress(line("1")) + zstandard.compress(line("2"))
    pipeline.commit((log.store(pipeline.ingestion, "note", "data/x", packed, 2),), "incremental", (), None)
    manifest = Manifest.decode(log.read(pipeline.ingestion, 1))
    assert read_rows(pipeline.ingestion, manifest, "note").typed.num_rows == 2


DAMAGED = [
    (b'{"id":"1","body":"b"}\n', 1, "a row has no _hash"),
    (b'{"id":"1","body":"b","_hash":"5","more":"x"}\n', 1, "unexpected field"),
    (b'{"id":"1","id":"2","body":"b","_hash":"5"}\n', 1, "twice"),
    (b'{"id":1,"body":"b","_hash":"5"}\n', 1, "number"),
    (b'{"id":"1","body":true,"_hash":"5"}\n', 1, "boolean"),
    (b'{"id":"1","body":{},"_hash":"5"}\n', 1, "object"),
    (b'{"id":"1","body":"b","_hash":"5.5"}\n', 1, "5.5"),
    (b'{"id":"1","body":"b","_hash":"9223372036854775808"}\n', 1, "9223372036854775808"),
    (b'{"id":"1","body":"b","_ha', 1, "JSON parse error"),
    (b'["1"]\n', 1, "JSON parse error"),
    (b'{"id":"1","body":"\xff","_hash":"5"}\n', 1, "Invalid UTF8"),
    (line() + line("2"), 1, "it has 2 rows instead of 1"),
    (line(), 2, "it has 1 rows instead of 2"),
    (b"", 1, "Empty JSON"),
]


@pytest.mark.parametrize(("data", "rows", "fault"), DAMAGED)
def test_lines_that_are_not_what_the_manifest_promises_hold_the_batch(
    data: bytes, rows: int, fault: str
) -> None:
    with pytest.raises(HeldError) as caught:
        read(data, rows)
    assert caught.value.message.startswith(
        "object data/note/x.jsonl.zst of table note does not hold the lines"
    )
    assert fault in caught.value.message


def test_a_file_that_is_not_compressed_holds_the_batch() -> None:
    pipeline = Pipeline(NOTE, [])
    pipeline.commit((log.store(pipeline.ingestion, "note", "data/x", line(), 1),), "incremental", (), None)
    with pytest.raises(HeldError, match="object data/x of table note does not hold the lines"):
        read_rows(pipeline.ingestion, Manifest.decode(log.read(pipeline.ingestion, 1)), "note")


def test_a_file_that_is_missing_or_altered_holds_the_batch() -> None:
    pipeline, manifest = landed(line(), 1)
    other = File("note", "data/other", 1, "0" * 64, 1)
    with pytest.raises(HeldError, match=r"data/other .* is missing"):
        read_rows(pipeline.ingestion, replace(manifest, files=(other,)), "note")
    shorter = replace(manifest.files[0], bytes=1)
    with pytest.raises(HeldError, match="bytes instead of 1"):
        read_rows(pipeline.ingestion, replace(manifest, files=(shorter,)), "note")


def test_two_rows_of_one_key_are_a_wrong_key() -> None:
    with pytest.raises(ConfigurationError, match=r"table note: 1 keys name more than one row .* first \(1\)"):
        read(line("1") + line("2") + line("1"), 3)


def test_a_null_in_the_key_is_a_wrong_key() -> None:
    with pytest.raises(ConfigurationError, match="table note: a row has a null in its key"):
        read(line(None), 1)


WORDS = st.text(st.characters(max_codepoint=0x250, exclude_characters="\0"), max_size=5) | st.just("é" * 1000)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_key_texts_of_a_column_are_those_of_its_rows(keys: list[tuple[str, str]]) -> None:
    parts = keys[:1], keys[1:]
    columns = [
        pa.chunked_array([pa.array([key[place] for key in part], pa.string()) for part in parts])
        for place in (0, 1)
    ]
    assert key_texts(columns).to_pylist() == [key_text(key) for key in keys]

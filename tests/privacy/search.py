"""Looks for marks in whatever is kept or said, packed or not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pg8000.native
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

Places = dict[str, bytes]
"""What is searched: the bytes by the name of their place. Names that are kept too are among the bytes."""


def hits(places: Mapping[str, bytes], forms: Mapping[bytes, str]) -> list[tuple[str, str]]:
    """Return in which places which forms were found."""
    return [(place, what) for place, data in places.items() for form, what in forms.items() if form in data]


def of_objects(objects: Iterable[tuple[str, bytes]], root: str) -> Places:
    """Return objects or files, unpacked as well, and the list of their names."""
    places: Places = {}
    names = []
    for name, data in objects:
        names.append(name)
        places |= {f"{root}/{name}{how}": content for how, content in unpacked(data)}
    return {**places, f"the names in {root}": "\n".join(names).encode()}


def of_folder(folder: Path) -> Places:
    """Return every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return of_objects(((str(file.relative_to(folder)), file.read_bytes()) for file in files), str(folder))


def of_bucket(s3: Any, bucket: str) -> Places:
    """Return every object of a bucket, with its metadata and tags."""
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", ()):
            answer = s3.get_object(Bucket=bucket, Key=entry["Key"])
            tags = s3.get_object_tagging(Bucket=bucket, Key=entry["Key"])["TagSet"]
            about = {name: value for name, value in answer.items() if name != "Body"}
            found.append((entry["Key"], answer["Body"].read()))
            found.append((f"{entry['Key']} (about it)", repr((about, tags)).encode()))
    return of_objects(found, bucket)


def of_database(admin: pg8000.native.Connection, database: str) -> Places:
    """Return every table of every schema of a database, the catalogues included, as COPY prints it."""
    tables = admin.run("SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm') ORDER BY 1")
    return {f"{database}: {name}": copied(admin, f"TABLE {name}") for (name,) in tables or ()}


def copied(admin: pg8000.native.Connection, query: str) -> bytes:
    """Return a query's rows as COPY prints them."""
    parts: list[bytes] = []
    admin.run(f"COPY ({query}) TO STDOUT", stream=_Sink(parts))
    return b"".join(parts)


class _Sink:
    """What pg8000 writes a COPY to."""

    def __init__(self, parts: list[bytes]) -> None:
        self.write = parts.append


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the data, and what is packed in them, with how it was packed."""
    yield "", data
    for how, content in _opened(data):
        yield from ((f" ({how}){deeper}", inner) for deeper, inner in unpacked(content))


def _opened(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        packed = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
        yield "zstd", packed.read()
    if data.startswith(b"\x1f\x8b"):
        yield "gzip", gzip.decompress(data)
    if data.startswith(b"PAR1"):
        table = pq.read_table(pa.BufferReader(data))
        yield "parquet", json.dumps(table.to_pylist(), ensure_ascii=False, default=str).encode()
        yield "parquet's schema", table.schema.to_string(show_schema_metadata=True).encode()

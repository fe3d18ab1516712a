"""Everything that is kept somewhere, as text: what a search for personal data would go through."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import zstandard

from tests.postgres import connected

_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])[0-9]{8}(?![0-9A-Za-z])")
"""A number of eight digits that stands by itself: no part of a hash, a key or a longer number."""


def account_numbers(text: str) -> set[str]:
    """Return what in a text could be an account number."""
    return set(_ACCOUNT.findall(text))


def of_lake(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and content of every file of a lake, unpacked."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield str(file.relative_to(folder)), _unpacked(file)


def _unpacked(file: Path) -> str:
    if file.suffix == ".parquet":
        sink = io.BytesIO()
        pyarrow.csv.write_csv(pyarrow.parquet.read_table(file), sink)
        return sink.getvalue().decode()
    if file.suffix == ".zst":
        packed = zstandard.ZstdDecompressor().stream_reader(file.read_bytes(), read_across_frames=True)
        return packed.read().decode()
    return file.read_text()


def of_database(url: str) -> Iterator[tuple[str, str]]:
    """Yield name and rows of every table of a database, as its owner sees them."""
    with connected(url) as connection:
        tables = connection.run(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace NOT IN "
            "('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)"
        )
        for (name,) in tables or ():
            rows = connection.run(f"SELECT CAST(kept AS text) FROM {name} AS kept") or []
            yield name, "\n".join(row[0] for row in rows)

"""Reads the rows of one source table of a batch: lines to text columns, text columns to typed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from starlift.core.identity import LONGEST_KEY, shortened
from starlift.core.manifest import Column, File, Manifest
from starlift.core.models import REBUILD
from starlift.core.typing import schema_of, type_rows
from starlift.errors import ConfigurationError, HeldError
from starlift.ports import Lake
from starlift.stages import log

KEY = "_key"
"""Column with the key text of a row."""

HASH = "_hash"
"""Column with the source hash of a row: a string in lines, int64 from here on."""

_BLOCK_SIZES = (1 << 20, 16 << 20, 256 << 20, (1 << 31) - 1)
"""Bytes a block of lines may have. A longer line needs a larger one; the largest is Arrow's limit."""

# as record_out of PostgreSQL; \s would leave out \v
_NEEDS_QUOTES = r'^$|["\\(), \t\n\v\f\r]'


@dataclass(frozen=True)
class SourceRows:
    """The rows of one source table in one batch.

    typed: the accepted ones, their columns typed, then key text and source hash. refused: the others,
    their columns as the text PostgreSQL printed, in the same layout. reasons: why, per key text.
    """

    table: str
    typed: pa.Table
    refused: pa.Table
    reasons: dict[str, str]

    @property
    def identities(self) -> pa.Table:
        """Key text and source hash of every row."""
        return pa.concat_tables([self.typed.select([KEY, HASH]), self.refused.select([KEY, HASH])])


def read_rows(lake: Lake, manifest: Manifest, table: str) -> SourceRows:
    """Return the rows of a table that a batch brings; none where it names no file of it.

    Raises HeldError where a file is not what the manifest says it is, ConfigurationError where two rows
    have one key or the batch was taken without the table.
    """
    if table not in manifest.schema:
        raise not_taken(table, manifest)
    columns = manifest.schema[table]
    files = [file for file in manifest.files if file.table == table]
    texts = pa.concat_tables(
        [_lines_schema(columns).empty_table(), *(read_lines(lake, f, columns) for f in files)]
    )
    keys = key_texts([texts[name] for name in manifest.keys[table]])
    _check_keys(table, keys)
    hashes = texts[HASH].cast(pa.int64())
    texts = _identified(texts.drop_columns([HASH]), keys, hashes)
    typed, reasons = type_rows(texts, columns)
    typed = _identified(typed, keys, hashes)
    positions = pa.array(list(reasons), pa.int64())
    if reasons:
        typed = typed.filter(pc.invert(pc.is_in(pa.array(range(typed.num_rows)), positions)))
    refused = texts.take(positions)
    return SourceRows(
        table, typed, refused, dict(zip(refused[KEY].to_pylist(), reasons.values(), strict=True))
    )


def not_taken(table: str, manifest: Manifest) -> ConfigurationError:
    """Return the error for a batch that lacks a table which a model reads. A batch never changes."""
    return ConfigurationError(
        f"batch {manifest.seq} was taken without table {table}, which a model reads",
        f"have [tables.{table}] in sql/pipeline.toml, then: {REBUILD}",
    )


def typed_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of `SourceRows.typed`."""
    return schema_of(columns).append(pa.field(KEY, pa.string())).append(pa.field(HASH, pa.int64()))


def key_texts(columns: Sequence[Any]) -> Any:
    """Return the key text of each row, from its key columns as text: `core.identity.key_text` at once."""
    parts: list[Any] = ["("]
    for column in columns:
        parts += [_quoted(column), ","]
    return shortened_keys(pc.binary_join_element_wise(*parts[:-1], ")", ""))


def shortened_keys(keys: Any) -> Any:
    """Return key texts, those that no index could hold shortened: `core.identity.shortened` at once."""
    long = pc.fill_null(pc.greater(pc.binary_length(keys), LONGEST_KEY), fill_value=False)
    if not pc.any(long).as_py():
        return keys
    short = [shortened(key) for key in keys.filter(long).to_pylist()]
    return pc.replace_with_mask(keys, long.combine_chunks(), pa.array(short, pa.string()))


def _lines_schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, pa.string()) for column in columns] + [(HASH, pa.string())])


def read_lines(lake: Lake, file: File, columns: Sequence[Column]) -> pa.Table:
    """Return the lines of a file as text: these columns and the source hash.

    Raises HeldError where they are not what the manifest says they are."""
    data = log.fetch(lake, file)
    try:
        table = _parse(data, file.key, _lines_schema(columns))
        table.validate(full=True)
        table[HASH].cast(pa.int64())
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(file, str(error)) from error
    if table.num_rows != file.rows:
        raise _damaged(file, f"it has {table.num_rows} rows instead of {file.rows}")
    if table[HASH].null_count:
        raise _damaged(file, f"a row has no {HASH}")
    return table


def _parse(data: bytes, key: str, schema: pa.Schema) -> pa.Table:
    for size in _BLOCK_SIZES:
        try:
            return pj.read_json(
                pa.CompressedInputStream(pa.BufferReader(data), "gzip" if key.endswith(".gz") else "zstd"),
                # in one thread: several have several blocks in memory, and are no sooner done
                read_options=pj.ReadOptions(block_size=size, use_threads=False),
                parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or size == _BLOCK_SIZES[-1]:
                raise
    raise AssertionError("the last size returns or raises")  # pragma: no cover


def _damaged(file: File, fault: str) -> HeldError:
    return HeldError(
        f"object {file.key} of table {file.table} does not hold the lines its manifest promises: {fault}",
        "see which version of starlift wrote it, then: starlift transform",
    )


def _check_keys(table: str, keys: Any) -> None:
    if keys.null_count:
        raise ConfigurationError(
            f"table {table}: a row has a null in its key, so it cannot be told from others",
            f"choose a key without nulls under [tables.{table}] in sql/pipeline.toml, then: starlift run",
        )
    if pc.count_distinct(keys).as_py() == len(keys):
        return
    counts = pc.value_counts(keys)
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").sort()
    raise ConfigurationError(
        f"table {table}: {len(twice)} keys name more than one row of a snapshot, first {twice[0]}",
        f"choose a unique key under [tables.{table}] in sql/pipeline.toml, then: starlift run",
    )


def _identified(rows: pa.Table, keys: Any, hashes: Any) -> pa.Table:
    return rows.append_column(KEY, keys).append_column(HASH, hashes)


def _quoted(column: Any) -> Any:
    odd = pc.match_substring_regex(column, _NEEDS_QUOTES)
    if not pc.any(odd).as_py():
        return column
    doubled = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '""')
    return pc.if_else(odd, pc.binary_join_element_wise('"', doubled, '"', ""), column)

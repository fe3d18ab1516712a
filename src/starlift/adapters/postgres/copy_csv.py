"""Arrow rows as the CSV that COPY reads: NULL is an empty field, '' a quoted one, all else is quoted."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

CHUNK_ROWS = 4_096
"""Rows of one COPY message: half a megabyte, so that the server reads while the next is made."""

_OPTIONS = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")

# What Arrow prints and PostgreSQL reads: years of four digits.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_GREGORIAN_CYCLE = 146_097
_EPOCH = date(1970, 1, 1).toordinal()
_MAX_POSTGRES_DAY = 2_145_042_905
_MIN_POSTGRES_DAY = -2_440_588


def chunks(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Yield whole CSV lines for the rows of each table in turn, `CHUNK_ROWS` rows at most at a time."""
    for table in tables:
        for batch in table.to_batches(max_chunksize=CHUNK_ROWS):
            buffer = io.BytesIO()
            pyarrow.csv.write_csv(_printable(batch), buffer, _OPTIONS)
            yield buffer.getvalue()


def _printable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Print the dates that Arrow would print in a way PostgreSQL does not read."""
    for index, column in enumerate(batch.schema):
        if column.type == pa.date32() and _has_odd_dates(batch.column(index)):
            days = batch.column(index).cast(pa.int32()).to_pylist()
            texts = pa.array([None if day is None else date_text(day) for day in days], pa.string())
            batch = batch.set_column(index, column.name, texts)
    return batch


def _has_odd_dates(dates: pa.Array) -> bool:
    bounds = pc.min_max(dates.cast(pa.int32())).as_py()
    return bounds["min"] is not None and (bounds["min"] < _FIRST_DAY or bounds["max"] > _LAST_DAY)


def date_text(day: int) -> str:
    """Return how PostgreSQL writes a day counted from 1970-01-01 (proleptic Gregorian calendar).

    Days it cannot hold, which Arrow can, become the infinity of their side.

    >>> date_text(0), date_text(-719163), date_text(2932897)
    ('1970-01-01', '0001-12-31 BC', '10000-01-01')
    """
    if day > _MAX_POSTGRES_DAY:
        return "infinity"
    if day < _MIN_POSTGRES_DAY:
        return "-infinity"
    # The calendar repeats every 400 years; Python's dates hold one such cycle with room to spare.
    cycles, rest = divmod(day, _GREGORIAN_CYCLE)
    moment = date.fromordinal(_EPOCH + rest)
    year = moment.year + 400 * cycles
    if year > 0:
        return f"{year:04d}-{moment:%m-%d}"
    return f"{1 - year:04d}-{moment:%m-%d} BC"

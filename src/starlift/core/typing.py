"""Typed columns from the text PostgreSQL printed, and that text back from typed columns.

A value is accepted only where its typed form prints back to the very text it came from. So nothing is
rounded, cut or read in a wrong zone without being noticed. What has no Arrow form (infinity, BC, 24:00,
NaN in numeric) is rejected. Floats are the exception: PostgreSQL prints enough digits to name exactly
one of them, but not always the fewest, so any text that reads as a float is that float.

Columns are compared as a whole; single values are looked at only where that comparison failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core.manifest import Column
from starlift.core.types import ColumnType, column_type

REASON_LENGTH = 100
"""Characters of a value that a reason quotes."""

Convert = Callable[[Any], Any]
_DAY = "1970-01-01 "


@dataclass(frozen=True)
class _Form:
    """An Arrow type with its way to read PostgreSQL's text and to print it. one_text: each value has one
    text only, so what prints otherwise was not read exactly."""

    type: pa.DataType
    read: Convert
    print: Convert
    one_text: bool = True


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema in which typed rows with these columns move."""
    return pa.schema([(column.name, _form(column_type(column.type)).type) for column in columns])


def type_rows(rows: pa.Table, columns: Sequence[Column]) -> tuple[pa.Table, dict[int, str]]:
    """Type a table of text columns.

    Returns the typed table, with the same rows and the given columns, and the reason per rejected row by
    its position from 0; what the cells of a rejected row hold is not to be used.
    """
    reasons: dict[int, str] = {}
    typed: list[Any] = []
    for column in columns:
        form = _form(column_type(column.type))
        parts: list[Any] = []
        start = 0
        for texts in rows[column.name].chunks:
            part, failed = _typed(texts, form)
            parts.append(part)
            for position, value in failed.items():
                reason = f"column {column.name}: {quoted(value)} is not {column.type}"
                reasons.setdefault(start + position, reason)
            start += len(texts)
        typed.append(pa.chunked_array(parts, form.type))
    return pa.Table.from_arrays(typed, schema=schema_of(columns)), dict(sorted(reasons.items()))


def text_rows(typed: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Return the rows as PostgreSQL prints them, each column as text: the inverse of `type_rows`.

    A float may have fewer digits than PostgreSQL gave it; they still name the same float."""
    printed = []
    for column in columns:
        form = _form(column_type(column.type))
        chunks = [form.print(values) for values in typed[column.name].chunks]
        printed.append(pa.chunked_array(chunks, pa.string()))
    return pa.Table.from_arrays(printed, names=[column.name for column in columns])


def quoted(value: str) -> str:
    """Return a value as reasons quote it: in quotes, and cut where it is long."""
    cut = value if len(value) <= REASON_LENGTH else value[:REASON_LENGTH] + "…"
    return f"'{cut}'"


def _typed(texts: Any, form: _Form) -> tuple[Any, dict[int, str]]:
    """Return one chunk's typed values, and the texts that were not accepted by position."""
    if form.type == pa.string():
        return texts, {}
    parts: list[Any] = []
    _read(texts, form, parts)
    typed = pa.concat_arrays(parts)
    exact = pc.equal(form.print(typed), texts) if form.one_text else pc.is_valid(typed)
    failed = pc.and_(pc.is_valid(texts), pc.invert(pc.fill_null(exact, fill_value=False)))
    return typed, {row: texts[row].as_py() for row in pc.indices_nonzero(failed).to_pylist()}


def _read(texts: Any, form: _Form, parts: list[Any]) -> None:
    """Append the typed forms of all texts, null where there is none: halves where the whole fails."""
    try:
        parts.append(form.read(texts))
    except pa.ArrowInvalid:
        if len(texts) == 1:
            parts.append(pa.nulls(1, form.type))
            return
        middle = len(texts) // 2
        _read(texts.slice(0, middle), form, parts)
        _read(texts.slice(middle), form, parts)


def _form(column: ColumnType) -> _Form:
    if column.arrow == "decimal128":
        decimal = pa.decimal128(column.precision, column.scale)
        return _Form(decimal, lambda texts: texts.cast(decimal), _print_decimals)
    return _FORMS[column.arrow]


def _plain(arrow_type: pa.DataType) -> _Form:
    return _Form(arrow_type, lambda texts: texts.cast(arrow_type), _print)


def _float(arrow_type: pa.DataType) -> _Form:
    return _Form(arrow_type, lambda texts: texts.cast(arrow_type), _print_floats, one_text=False)


def _print(values: Any) -> Any:
    return values.cast(pa.string())


def _print_decimals(values: Any) -> Any:
    printed = _print(values)
    # Arrow prints 0.00000010 as 1.0E-7
    odd = pc.fill_null(pc.match_substring(printed, "E"), fill_value=False)
    if not pc.any(odd).as_py():
        return printed
    plain = [format(value, "f") for value in pc.filter(values, odd).to_pylist()]
    return pc.replace_with_mask(printed, odd, pa.array(plain, pa.string()))


def _print_floats(values: Any) -> Any:
    return pc.replace_substring(pc.replace_substring(_print(values), "nan", "NaN"), "inf", "Infinity")


def _print_timestamps(values: Any) -> Any:
    # Arrow always prints six digits, PostgreSQL no zeros at the end
    return pc.ascii_rtrim(pc.ascii_rtrim(_print(values), characters="0"), characters=".")


def _print_instants(values: Any) -> Any:
    return _joined(_print_timestamps(values.cast(pa.timestamp("us"))), "+00")


def _read_times(texts: Any) -> Any:
    return _joined(_DAY, texts).cast(pa.timestamp("us")).cast(pa.time64("us"))


def _print_times(values: Any) -> Any:
    days = values.cast(pa.int64()).cast(pa.timestamp("us"))
    return pc.utf8_slice_codeunits(_print_timestamps(days), len(_DAY))


def _joined(left: Any, right: Any) -> Any:
    return pc.binary_join_element_wise(left, right, "")


_FORMS: dict[str, _Form] = {
    "bool": _plain(pa.bool_()),
    "int16": _plain(pa.int16()),
    "int32": _plain(pa.int32()),
    "int64": _plain(pa.int64()),
    "float32": _float(pa.float32()),
    "float64": _float(pa.float64()),
    "date32": _plain(pa.date32()),
    "time64": _Form(pa.time64("us"), _read_times, _print_times),
    "timestamp": _Form(pa.timestamp("us"), lambda texts: texts.cast(pa.timestamp("us")), _print_timestamps),
    "timestamptz": _Form(
        pa.timestamp("us", "UTC"), lambda texts: texts.cast(pa.timestamp("us", "UTC")), _print_instants
    ),
    "string": _plain(pa.string()),
}

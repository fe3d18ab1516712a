"""Typed columns from the text PostgreSQL printed, and that text back from typed columns.

A value is accepted only where its typed form prints back to the very text it came from; a float also
where the text is another way to write the same number. So nothing is rounded, cut or read in a wrong
zone without being noticed. What has no Arrow form (infinity, BC, 24:00, NaN in numeric) is rejected.

Columns are compared as a whole; single values are looked at only where that comparison failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
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
    """An Arrow type with its way to read PostgreSQL's text and to print it."""

    type: pa.DataType
    read: Convert
    print: Convert
    same: Callable[[str, str], bool] | None = None


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
    """Return the rows as PostgreSQL prints them, each column as text: the inverse of `type_rows`."""
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
    printed = form.print(typed)
    differs = pc.and_(pc.is_valid(texts), pc.fill_null(pc.not_equal(printed, texts), fill_value=True))
    failed = {}
    for position in pc.indices_nonzero(differs).to_pylist():
        text = texts[position].as_py()
        if not _same(form, printed[position].as_py(), text):
            failed[position] = text
    return typed, failed


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


def _same(form: _Form, printed: str | None, text: str) -> bool:
    return form.same is not None and printed is not None and form.same(printed, text)


def _form(column: ColumnType) -> _Form:
    if column.arrow == "decimal128":
        decimal = pa.decimal128(column.precision, column.scale)
        return _Form(decimal, lambda texts: texts.cast(decimal), _print_decimals)
    return _FORMS[column.arrow]


def _plain(arrow_type: pa.DataType) -> _Form:
    return _Form(arrow_type, lambda texts: texts.cast(arrow_type), _print)


def _print(values: Any) -> Any:
    return values.cast(pa.string())


def _print_decimals(values: Any) -> Any:
    printed = _print(values)
    # Arrow prints 0.00000010 as 1.0E-7
    return _printed_again(values, printed, pc.match_substring(printed, "E"), _print_decimal)


def _print_decimal(value: Decimal) -> str:
    return format(value, "f")


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


def _floats(arrow_type: pa.DataType, digits: int) -> _Form:
    """A float form; `digits`: from which decimal exponent on PostgreSQL writes an exponent."""

    def print_floats(values: Any) -> Any:
        printed = _print(values)
        ordinary = pc.and_(
            pc.is_finite(values),
            pc.and_(pc.greater_equal(pc.abs(values), 1e-3), pc.less(pc.abs(values), 1e5)),
        )
        return _printed_again(printed, printed, pc.invert(ordinary), lambda text: _pg_float(text, digits))

    return _Form(arrow_type, lambda texts: texts.cast(arrow_type), print_floats, _same_number)


def _pg_float(text: str, digits: int) -> str:
    """Write a float as PostgreSQL does. `text` has the shortest digits that name the float."""
    value = Decimal(text)
    if not value.is_finite():
        return "NaN" if value.is_nan() else f"{'-' if value < 0 else ''}Infinity"
    sign, figures, exponent = value.normalize().as_tuple()
    point = int(exponent) + len(figures) - 1
    if value == 0 or -4 <= point < digits:
        return format(value.normalize(), "f")
    mantissa = ".".join(filter(None, (str(figures[0]), "".join(map(str, figures[1:])))))
    return f"{'-' if sign else ''}{mantissa}e{point:+03d}"


def _same_number(printed: str, text: str) -> bool:
    left, right = float(printed), float(text)
    return left == right or (math.isnan(left) and math.isnan(right))


def _printed_again(values: Any, printed: Any, odd: Any, print_one: Callable[[Any], str]) -> Any:
    """Return `printed` with the texts under the mask `odd` made one by one from `values`."""
    mask = pc.fill_null(odd, fill_value=False)
    if not pc.any(mask).as_py():
        return printed
    texts = [print_one(value) for value in pc.filter(values, mask).to_pylist()]
    return pc.replace_with_mask(printed, mask, pa.array(texts, pa.string()))


_FORMS: dict[str, _Form] = {
    "bool": _plain(pa.bool_()),
    "int16": _plain(pa.int16()),
    "int32": _plain(pa.int32()),
    "int64": _plain(pa.int64()),
    "float32": _floats(pa.float32(), 6),
    "float64": _floats(pa.float64(), 15),
    "date32": _plain(pa.date32()),
    "time64": _Form(pa.time64("us"), _read_times, _print_times),
    "timestamp": _Form(pa.timestamp("us"), lambda texts: texts.cast(pa.timestamp("us")), _print_timestamps),
    "timestamptz": _Form(
        pa.timestamp("us", "UTC"), lambda texts: texts.cast(pa.timestamp("us", "UTC")), _print_instants
    ),
    "string": _plain(pa.string()),
}

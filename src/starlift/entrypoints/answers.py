"""How an answer looks: one JSON object, or a table and a sentence for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Cell = str | int | float | None


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows under a header in aligned columns, numbers to the right.

    >>> print(table(["table", "rows"], [["staff", 20], ["sales_order", 11187]]))
    table          rows
    staff            20
    sales_order  11,187
    """
    cells = [list(header), *([_text(cell) for cell in row] for row in rows)]
    numeric = (
        [all(isinstance(row[n], int | float | None) for row in rows) for n in range(len(header))]
        if isinstance(rows, Sequence) and rows
        else [False] * len(header)
    )
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    lines = (
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def age(seconds: float) -> str:
    """Return a duration as a person says it: `42 s`, `12 min`, `3.5 h`, `2.0 days`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"

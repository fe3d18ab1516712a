"""How an answer looks: one JSON object, or a table and a sentence for a person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlift.errors import LostRace, StarliftError, worst

Cell = str | int | float | None

_LOGIN = re.compile(r"(:/{1,2}[^\s:/@]*:)(?!password@)\S+@")


@dataclass(frozen=True)
class Answer:
    """What a command says: an object for machines, text for people, errors for both.

    document: None where all has been said already. code: an exit code that no error stands for.
    """

    document: Mapping[str, Any] | None
    text: str = ""
    errors: tuple[StarliftError, ...] = ()
    code: int = 0

    @property
    def exit_code(self) -> int:
        """By the contract: of several causes the first of 5, 2, 7, 4, 3."""
        return worst([error.exit_code for error in self.errors] + [self.code])

    def json(self) -> str:
        """Return the object in one line of ASCII, with the error that gives the exit code."""
        document = dict(self.document or {})
        deciding = [error for error in self.errors if error.exit_code == self.exit_code]
        for error in deciding[:1] or self.errors[:1]:
            document["error"] = error_document(error)
        return json.dumps(document)


def failed(error: StarliftError) -> Answer:
    """Return the answer to a command that could not be carried out."""
    return Answer({}, errors=(error,))


def error_document(error: StarliftError) -> dict[str, str]:
    """Return an error as `--json` shows it."""
    return {
        "code": error.code,
        "message": without_passwords(error.message),
        "hint": without_passwords(error.hint),
    }


def error_text(error: StarliftError) -> str:
    """Return an error as a person reads it; the command to type comes last. A lost race is one line."""
    lead = f"starlift: {printable(without_passwords(error.message))}"
    if not error.hint or isinstance(error, LostRace):
        return lead
    return f"{lead}\n  {printable(without_passwords(error.hint))}"


def without_passwords(text: str) -> str:
    """Return a text with the password of every address in it masked: an error may quote what was written
    into the wrong variable."""
    return _LOGIN.sub(r"\1***@", text)


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows under a header in aligned columns, numbers to the right.

    >>> print(table(["table", "rows"], [["staff", 20], ["sales_order", 11187]]))
    table          rows
    staff            20
    sales_order  11,187
    """
    body = list(rows)
    cells = [list(header), *([_text(cell) for cell in row] for row in body)]
    numeric = [
        bool(body) and all(isinstance(row[n], int | float | None) for row in body) for n in range(len(header))
    ]
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
    if isinstance(cell, int | float):
        return f"{cell:,}"
    return printable(cell)


def printable(text: str) -> str:
    """Return a text with the codes of the characters that do not print: a reason or an error may quote a
    row, and a row may hold anything, a terminal's control characters included."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def age(seconds: float) -> str:
    """Return a duration as a person says it: `42 s`, `12 min`, `3.5 h`, `2.0 days`; never below zero, as
    it may be where the source's clock is ahead."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def rows(count: int) -> str:
    """Return `1 row`, `11,187 rows`."""
    return f"{count:,} row{'' if count == 1 else 's'}"

"""Keeps what the source says of a row to itself: PostgreSQL quotes values in its messages, those of columns
that are dropped or hashed among them, as where a view casts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pg8000.exceptions import DatabaseError

_OF_NO_ROW = ("08", "25", "40", "53", "55", "57", "58")
"""SQLSTATE classes: connection, transaction, rollback, resources, state of objects, operator, system."""

_OF_NO_ROW_EITHER = ("42501", "XX001", "XX002")
"""A missing privilege; damaged files."""

_WRONG_NAME = "42"
"""SQLSTATE class of statements that cannot be: from their text, or from the text in a row."""


@contextmanager
def withheld() -> Iterator[None]:
    """Leave of a server's error inside the block its SQLSTATE, and its message where no row can be in it."""
    try:
        yield
    except DatabaseError as error:
        fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        state = str(fields.get("C", ""))
        message = str(fields.get("M", "")) if _tells_of_no_row(state, fields) else said(state)
        raise DatabaseError({"C": state, "M": message}) from None


def said(state: str) -> str:
    """Return what is told instead of a message."""
    return f"SQLSTATE {state}; its message may quote the row and is not repeated"


def _tells_of_no_row(state: str, fields: Mapping[str, str]) -> bool:
    """W: where a function was, which may say anything under any SQLSTATE. P: a place in the statement."""
    if "W" in fields:
        return False
    if state[:2] == _WRONG_NAME and "P" in fields:
        return True
    return state[:2] in _OF_NO_ROW or state in _OF_NO_ROW_EITHER

"""What the warehouse's refusals mean to the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import Dsn, sqlstate, translated
from starlift.errors import ConfigurationError, HeldError, StarliftError

_ABSENT = ("42P01", "3F000", "42703", "42883")
"""A table, schema, column or function that is not there."""

_UNSUPPORTED = "0A"
"""SQLSTATE class of what this server was not built for: xml without libxml, say."""

_WRONG_SQL = ("0A", "22", "23", "2B", "42")
"""SQLSTATE classes of a statement that cannot work on this database."""


@contextmanager
def explained(dsn: Dsn, what: str) -> Iterator[None]:
    """Turn what driver, network and server raise inside the block into starlift's errors.

    what: the subject of a message, such as `batch 7`.
    """
    with translated(dsn, "warehouse"):
        try:
            yield
        except DatabaseError as error:
            if found := _explanation(error, what):
                raise found from error
            raise


@contextmanager
def naming(file: str, command: str) -> Iterator[None]:
    """Turn a refusal of the SQL in `file` into a ConfigurationError; `command` is what to type then.

    Other failures (no privilege, connection lost) pass as they are.
    """
    try:
        yield
    except DatabaseError as error:
        state = sqlstate(error)
        if state[:2] not in _WRONG_SQL or state == "42501":
            raise
        raise ConfigurationError(f"{file}: {_said(error)}", f"correct it, then: {command}") from error


def _explanation(error: DatabaseError, what: str) -> StarliftError | None:
    state = sqlstate(error)
    if state in _ABSENT:
        return ConfigurationError(
            f"the warehouse is not migrated to what {what} needs: {_said(error)}", "starlift migrate"
        )
    if state[:2] == _UNSUPPORTED:
        return ConfigurationError(
            f"the warehouse's PostgreSQL cannot do what {what} needs: {_said(error)}",
            "make that column text in a new file of sql/warehouse, then: starlift migrate && starlift load",
        )
    if state[:2] in _OF_ROWS:
        said = f"{what} is refused by the warehouse, nothing was written"
        return HeldError(
            f"{said}: {_said(error)}",
            "correct the rows' cause or the star's constraint, then: starlift load",
            f"{said}: SQLSTATE {state}",
        )
    return None


_OF_ROWS = ("22", "23", "54", "P0")
"""SQLSTATE classes of what is wrong with rows, or with the star's idea of them: data, constraints, the size
of an index entry, what a function of the star raises. Their detail prints a row, which may be about a person.
"""


def is_of_rows(error: DatabaseError) -> bool:
    """Whether single rows may be at fault for the server's refusal."""
    return sqlstate(error)[:2] in _OF_ROWS


def _said(error: DatabaseError) -> str:
    """The server's message with its detail and where it was, in one line, without what is in a row."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {"M": error}
    parts = "MW" if is_of_rows(error) else "MDW"
    return "; ".join(" ".join(str(fields[part]).split()) for part in parts if part in fields)

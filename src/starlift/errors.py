"""Every error starlift raises on purpose, grouped by what the caller can do about it.

    StarliftError                        exit 1   nothing foreseen: report it
    ├── ConfigurationError               exit 2   fix the configuration
    ├── HeldError                        exit 4   look at the data or the source, then decide
    │   ├── InventoryNeeded                       the source is not the one the last batch saw
    │   └── TooManyRejected                       too large a share of a batch would go into quarantine
    ├── UnavailableError                 exit 5   fix the connection or the permission, then run again
    ├── LostRace                         exit 6   nothing: another run did the work
    └── DriftError                       exit 7   the source's shape changed under the pipeline

A foreign error (pg8000, botocore, OSError, DuckDB) is turned into one of these at the adapter that met
it, and nowhere else. `hint` is the next command to type; the command line prints it last.
"""

from __future__ import annotations

from typing import ClassVar


class StarliftError(Exception):
    """Base of every deliberate error.

    `message` says what is wrong and where, in one line. `hint` ends in a command to type. `discreet` is the
    message without what it quotes of rows, for a log that more people read than may see the rows.
    """

    code: ClassVar[str] = "unexpected"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "", discreet: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.discreet = discreet or message


class ConfigurationError(StarliftError):
    """A file, a variable, a model or a database is not set up as the pipeline needs it."""

    code = "configuration"
    exit_code = 2


class HeldError(StarliftError):
    """A person must look before the pipeline may go on; nothing was written."""

    code = "held"
    exit_code = 4


class InventoryNeeded(HeldError):
    """The source may have lost or gained rows that no poll can see (restore, new server, swap)."""

    code = "inventory_needed"


class TooManyRejected(HeldError):
    """A batch of which more rows would go into quarantine than a person lets pass unasked."""

    code = "too_many_rejected"


class UnavailableError(StarliftError):
    """Source, warehouse or lake is unreachable, refused us, or cannot be written.

    login: whether it is that a database knows no such user, or not by this password: it may be a new one.
    """

    code = "unavailable"
    exit_code = 5
    login = False


class LostRace(StarliftError):
    """Another run committed this sequence number or holds the lock; this one wrote nothing."""

    code = "lost"
    exit_code = 6


class DriftError(StarliftError):
    """A table or column known to the last manifest is gone or changed in the source."""

    code = "drift"
    exit_code = 7


PRECEDENCE: tuple[int, ...] = (5, 2, 7, 4, 3)
"""With several causes at once, the exit code is the first of these that occurred."""


def worst(codes: list[int]) -> int:
    """Return the exit code to report for several causes; 0 when there is none."""
    for code in PRECEDENCE:
        if code in codes:
            return code
    return max(codes, default=0)

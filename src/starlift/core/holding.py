"""When a batch waits for a person: too large a share of a table's rows is not as it should be."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from starlift.core.models import REBUILD
from starlift.errors import HeldError, TooManyRejected

LEAST_HELD = 100
"""Fewer rows of a table hold no batch, however small the table: one bad row of one says little."""

Rejected = Mapping[str, tuple[int, int]]
"""Per source table the rows that go into quarantine, and those that they are of."""

EXAMPLES = 3
"""Refused rows that an error shows."""


@dataclass(frozen=True)
class Hold:
    """What a person lets pass unasked. share: of a table's rows of a batch that may go into quarantine.
    released: batches of which however many may."""

    share: float = 1.0
    released: Container[int] = ()


NEVER = Hold()
"""Every batch passes."""


def too_many(rejected: Rejected, share: float) -> list[str]:
    """Return the tables of which more than a share, and at least LEAST_HELD rows, go into quarantine."""
    return [table for table, (bad, of) in sorted(rejected.items()) if bad >= LEAST_HELD and bad > share * of]


def held(
    seq: int, rejected: Rejected, share: float, examples: Sequence[tuple[str, str, str]]
) -> TooManyRejected:
    """Return the error of a batch that is held. examples: table, key and reason of some refused rows."""
    found = [(*rejected[table], table) for table in too_many(rejected, share)]
    tables = ", ".join(f"{bad:,} of {of:,} rows of {table}" for bad, of, table in found)
    shown = "; ".join(f"{table} {key}: {reason}" for table, key, reason in examples)
    said = (
        f"batch {seq} is held, and with it what comes after: {tables} would go into quarantine, more than "
        f"quarantine_hold ({share:.0%}) allows unasked"
    )
    return TooManyRejected(
        f"{said}; the first are {shown}",
        f"correct the model, then: {REBUILD}; or let the batch through: starlift quarantine release {seq}",
        said,
    )


def together(found: Sequence[tuple[int, HeldError]]) -> HeldError:
    """Return the error of what holds batches that are seen together, by number; one alone is that error.

    What lets one of them through has to let all through: else each would be held for another in turn.
    """
    if len(found) == 1:
        return found[0][1]
    rejecting = list(dict.fromkeys(seq for seq, error in found if isinstance(error, TooManyRejected)))
    sweeping = [seq for seq, error in found if not isinstance(error, TooManyRejected)]
    more = f"; and {len(found) - EXAMPLES:,} more" if len(found) > EXAMPLES else ""
    message, discreet = (
        "; ".join(texts) + more
        for texts in zip(*((error.message, error.discreet) for _, error in found[:EXAMPLES]), strict=True)
    )
    confirm = " ".join(f"--confirm {seq}" for seq in sweeping)
    if not rejecting:
        hint = f"if the source is right, have them deleted: starlift reconcile {confirm}"
        return HeldError(message, hint, discreet)
    if not sweeping:
        numbers = " ".join(map(str, rejecting))
        return TooManyRejected(
            message,
            f"correct the model, then: {REBUILD}; or let them through: starlift quarantine release {numbers}",
            discreet,
        )
    release = " ".join(f"--release {seq}" for seq in rejecting)
    return HeldError(
        message, f"if that is right, let all of it through: starlift reconcile {confirm} {release}", discreet
    )

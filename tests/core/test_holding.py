"""When a batch is held: a share of a table's rows, and not too few of them."""

from __future__ import annotations

import pytest

from starlift.core.holding import LEAST_HELD, NEVER, held, together, too_many
from starlift.core.models import REBUILD
from starlift.errors import HeldError, TooManyRejected


@pytest.mark.parametrize(
    ("bad", "of", "is_held"),
    [(1, 1, False), (LEAST_HELD - 1, LEAST_HELD - 1, False), (LEAST_HELD, LEAST_HELD, True),
     (500, 1000, False), (501, 1000, True), (0, 0, False)],
)  # fmt: skip
def test_a_table_is_too_bad_above_the_share_and_from_the_least_number_on(
    bad: int, of: int, is_held: bool
) -> None:
    assert too_many({"staff": (bad, of)}, 0.5) == (["staff"] if is_held else [])


def test_where_nothing_is_declared_nothing_is_held() -> None:
    assert too_many({"staff": (1000, 1000)}, NEVER.share) == []


def test_the_error_names_batch_tables_reasons_and_both_ways_out() -> None:
    rejected = {"staff": (1500, 2000), "sale": (1, 9), "a": (100, 100)}
    error = held(7, rejected, 0.5, [("a", "(1)", "no date"), ("a", "(2)", "no date")])
    assert "batch 7 is held" in error.message
    assert "100 of 100 rows of a, 1,500 of 2,000 rows of staff would go" in error.message
    assert "sale" not in error.message
    assert error.message.endswith("a (1): no date; a (2): no date")
    assert error.discreet == error.message.removesuffix("; the first are a (1): no date; a (2): no date")
    assert REBUILD in error.hint
    assert error.hint.endswith(": starlift quarantine release 7")


def test_what_holds_several_batches_is_told_without_rows_as_well() -> None:
    quoting = TooManyRejected("rows: Anna", "two", "rows")
    for found in ([(3, quoting), (5, quoting)], [(3, quoting), (3, SWEEP)], [(3, SWEEP), (5, quoting)]):
        error = together(found)
        assert "Anna" in error.message
        assert error.discreet == error.message.replace(": Anna", "")


SWEEP, ROWS = HeldError("a sweep", "one"), TooManyRejected("rows", "two")


@pytest.mark.parametrize(
    ("found", "kind", "message", "command"),
    [
        ([(3, SWEEP)], HeldError, "a sweep", "one"),
        ([(3, ROWS)], TooManyRejected, "rows", "two"),
        ([(3, SWEEP), (5, SWEEP)], HeldError, "a sweep; a sweep", "reconcile --confirm 3 --confirm 5"),
        ([(3, ROWS), (5, ROWS)], TooManyRejected, "rows; rows", "quarantine release 3 5"),
        ([(3, ROWS), (3, SWEEP)], HeldError, "rows; a sweep", "reconcile --confirm 3 --release 3"),
        (
            [(seq, ROWS) for seq in range(9)],
            TooManyRejected,
            "rows; rows; rows; and 6 more",
            "release 0 1 2 3 4 5 6 7 8",
        ),
    ],
)
def test_one_command_lets_through_all_that_is_held_at_once(
    found: list[tuple[int, HeldError]], kind: type[HeldError], message: str, command: str
) -> None:
    error = together(found)
    assert (type(error), error.message) == (kind, message)
    assert error.hint.endswith(command)

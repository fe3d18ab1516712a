"""Whether the source only moved forward."""

from __future__ import annotations

import pytest

from starlift.core.continuity import check
from starlift.core.manifest import Identity
from starlift.errors import InventoryNeeded

BEFORE = Identity("7", 1, "A/FF000000")
NOON = "2024-01-01 12:00:00.000000+00:00"


@pytest.mark.parametrize(
    ("now", "clock"),
    [(BEFORE, NOON), (Identity("7", 1, "B/1"), "2024-01-01 12:00:00.000001+00:00")],
)
def test_a_source_that_stood_still_or_moved_forward_goes_on(now: Identity, clock: str) -> None:
    check(BEFORE, NOON, now, clock)


@pytest.mark.parametrize(
    ("now", "clock", "cause"),
    [
        (Identity("8", 1, "B/1"), NOON, "another server answers"),
        (Identity("7", 2, "B/1"), NOON, "timeline went from 1 to 2"),
        (Identity("7", 1, "9/FFFFFFFF"), NOON, "write-ahead log went back"),
        (BEFORE, "2024-01-01 11:59:59.999999+00:00", "clock went back"),
    ],
)
def test_a_source_that_is_another_or_went_back_needs_an_inventory(
    now: Identity, clock: str, cause: str
) -> None:
    with pytest.raises(InventoryNeeded, match=cause) as raised:
        check(BEFORE, NOON, now, clock)
    assert raised.value.exit_code == 4

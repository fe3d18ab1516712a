"""Whether the source only moved forward."""

from __future__ import annotations

import pytest

from starlift.core.continuity import check_server, went_back
from starlift.core.manifest import Identity
from starlift.errors import InventoryNeeded

BEFORE = Identity("7", 1, "A/FF000000")
NOON = "2024-01-01 12:00:00.000000+00:00"


@pytest.mark.parametrize(
    ("now", "clock"),
    [(BEFORE, NOON), (Identity("7", 1, "B/1"), "2024-01-01 12:00:00.000001+00:00")],
)
def test_a_source_that_stood_still_or_moved_forward_goes_on(now: Identity, clock: str) -> None:
    check_server(BEFORE, now)
    assert went_back(BEFORE, NOON, now, clock) is None


@pytest.mark.parametrize(
    ("now", "clock", "cause"),
    [
        (Identity("8", 1, "B/1"), NOON, "another server answers"),
        (Identity("7", 2, "B/1"), NOON, "timeline went from 1 to 2"),
        (Identity("7", 1, "9/FFFFFFFF"), NOON, "write-ahead log went back"),
        (BEFORE, "2024-01-01 11:59:59.999999+00:00", "clock went back"),
    ],
)
def test_a_source_that_is_another_or_went_back_is_not_polled_from_where_it_was(
    now: Identity, clock: str, cause: str
) -> None:
    assert cause in (went_back(BEFORE, NOON, now, clock) or "")


def test_another_server_is_not_read_before_a_person_accepts_it() -> None:
    with pytest.raises(InventoryNeeded, match="another server answers") as raised:
        check_server(BEFORE, Identity("8", 1, "B/1"))
    assert (raised.value.exit_code, raised.value.hint.split(": ")[-1]) == (4, "starlift reconcile")

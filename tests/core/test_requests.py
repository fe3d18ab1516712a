"""Requests: what is written is read back, what is none is refused, and asking twice is asking once."""

from __future__ import annotations

import pytest

from starlift.core.requests import Request
from starlift.core.units import instant, instant_text

NOON = "2024-01-01 12:00:00.000000+00:00"
REPAIR = Request("repair", "item", "rows differ", keys=("(1)", '("a b")'))


@pytest.mark.parametrize(
    "request_", [REPAIR, Request("inventory", "item", "", buckets=(0, 4095)), Request("drop", "x", "a test")]
)
def test_a_request_is_read_back_as_it_was_written(request_: Request) -> None:
    assert Request.decode(request_.encode()) == request_


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b'{"format":2,"kind":"repair","table":"item","reason":""}',
        b'{"format":1,"kind":"delete","table":"item","reason":""}',
        b'{"format":1,"kind":"repair","reason":""}',
        b'{"format":1,"kind":"repair","table":"item","reason":"","keys":7}',
        b'{"format":1,"kind":"inventory","table":"item","reason":"","buckets":["x"]}',
    ],
)
def test_what_is_no_request_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Request.decode(stored)


def test_a_request_of_one_origin_has_one_name() -> None:
    assert REPAIR.ulid(NOON, "batch") == REPAIR.ulid(NOON, "batch")
    others = {REPAIR.ulid(NOON, "other"), Request("drop", "item", "").ulid(NOON, "batch")}
    assert REPAIR.ulid(NOON, "batch") not in others
    assert len(others) == 2


def test_names_have_the_form_of_a_ulid_and_sort_by_the_clock() -> None:
    clocks = [instant_text(instant(f"{year}-06-01T00:00:00Z")) for year in range(1971, 2200, 7)]
    names = [REPAIR.ulid(clock, str(len(clock))) for clock in clocks]
    assert names == sorted(names)
    assert {len(name) for name in names} == {26}
    assert set("".join(names)) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert REPAIR.ulid("2024-01-01 00:00:00+00:00", "x")[:10] == "01HK153X00", "as any ULID of that instant"

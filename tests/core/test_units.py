"""Durations, sizes, zones and instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlift.core.units import duration, instant, instant_text, offset, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("10s", 10), ("5m", 300), ("10min", 600), ("1.5h", 5400), ("2d", 172800)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "count"), [("1B", 1), ("2kB", 2000), ("256MB", 256_000_000), ("1 GB", 10**9)]
)
def test_a_size_is_in_powers_of_ten(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-5s", "10 parsecs", "1e3s", "9" * 15 + "d", "9" * 400 + "d"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        duration(text)


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("+02:00", 2), ("-05:30", -5.5)])
def test_a_zone_is_a_fixed_distance_from_utc(zone: str, hours: float) -> None:
    assert offset(zone) == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "CET", "+2", ""])
def test_a_zone_with_summer_time_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="not a fixed offset"):
        offset(zone)


@pytest.mark.parametrize("zone", ["+16:00", "+99:99", "-01:75"])
def test_a_distance_no_zone_has_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="further from UTC"):
        offset(zone)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_survives_being_written(moment: datetime) -> None:
    assert instant(instant_text(moment)) == moment

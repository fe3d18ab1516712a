"""Durations, sizes and instants as people and PostgreSQL write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_NUMBER_UNIT = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*([A-Za-z]+)")
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


def duration(text: str) -> timedelta:
    """Read a duration such as `10s`, `10min`, `5m`, `1h`. Raises ValueError."""
    number, unit = _split(text, _SECONDS, "10s, 10min or 1h")
    try:
        return timedelta(seconds=number * _SECONDS[unit])
    except OverflowError:
        raise ValueError(f"{text!r} is too long; write 10s, 10min or 1h") from None


def size(text: str) -> int:
    """Read a size in bytes such as `256MB` or `1GB` (powers of ten). Raises ValueError."""
    number, unit = _split(text, _BYTES, "256MB or 1GB")
    return round(number * _BYTES[unit])


def _split(text: str, units: dict[str, float] | dict[str, int], example: str) -> tuple[float, str]:
    match = _NUMBER_UNIT.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"{text!r} is not a number with a unit; write {example}")
    return float(match[1]), match[2]


def offset(zone: str) -> timedelta:
    """Return a fixed zone's distance from UTC (`UTC`, `+02:00`). Raises ValueError for a named zone."""
    if zone == "UTC":
        return timedelta()
    match = _OFFSET.fullmatch(zone)
    if match is None:
        raise ValueError(
            f"{zone!r} is not a fixed offset: a clock that is set back in autumn repeats an hour; "
            'write "UTC" or "+02:00", or take the table by xid with mode = "xid"'
        )
    distance = timedelta(hours=int(match[2]), minutes=int(match[3]))
    if distance >= timedelta(hours=16) or int(match[3]) > 59:
        raise ValueError(f'{zone!r} is further from UTC than any zone; write "+02:00"')
    return distance if match[1] == "+" else -distance


def instant(text: str) -> datetime:
    """Read an instant of a manifest: ISO 8601 with an offset."""
    return datetime.fromisoformat(text).astimezone(UTC)


def instant_text(moment: datetime) -> str:
    """Write an instant for a manifest: ISO 8601 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")

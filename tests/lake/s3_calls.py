"""Everything a lake in S3 can be asked, and the error it must meet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from starlift.adapters.s3 import S3Lake
from starlift.errors import UnavailableError


def calls_on(lake: S3Lake) -> list[Callable[[], object]]:
    """Return one call of each kind."""
    return [
        lambda: lake.get("manifests/1.json"),
        lambda: list(lake.keys("manifests/")),
        lambda: lake.put_if_absent("manifests/1.json", b"x"),
        lambda: lake.put("manifests/head", b"x"),
        lambda: lake.delete("requests/1.json"),
    ]


def error_of(call: Callable[[], object]) -> UnavailableError:
    """Return the error that a call ends in, told in one line and a hint of one line."""
    with pytest.raises(UnavailableError) as raised:
        call()
    assert "\n" not in raised.value.message + raised.value.hint
    return raised.value

"""A small generated Totesys, the same in every run."""

from __future__ import annotations

from datetime import date

import pg8000.native

from starlift.totesys.generator import generate
from starlift.totesys.loading import load

SEED, START, WEEKDAYS = 7, date(2024, 11, 4), 10


def fill(connection: pg8000.native.Connection) -> None:
    """Put it into an empty Totesys."""
    load(connection, generate(SEED, START, WEEKDAYS))

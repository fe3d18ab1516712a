"""The time limit of a function: its work ends between two batches while there is time to end it well."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlift.stages.watch import Watch

RESERVE = 20.0
"""Seconds that are left for what comes after the last batch: how things stand, metrics, closing."""

MARGIN = 1.5
"""The next batch may take so much longer than the longest so far."""


class Deadline(Watch):
    """Wishes the work to end when the time that is left may not do for one more batch.

    remaining: returns the seconds until the function is stopped. The first batch of an invocation is always
    tried, so that each makes progress; what was done before stays done if that one is cut off.
    """

    def __init__(self, remaining: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._remaining = remaining
        self._clock = clock
        self._looked = clock()
        self._longest = 0.0

    @property
    def hurried(self) -> bool:
        """It always is."""
        return True

    @property
    def wished(self) -> bool:
        """Whether what is left is too little."""
        return self._remaining() < RESERVE + MARGIN * self._longest

    def ends(self) -> bool:
        """As `Watch.ends`. It is asked between two batches: the time since it was asked is that of one."""
        now = self._clock()
        self._longest = max(self._longest, now - self._looked)
        self._looked = now
        return super().ends()

"""`run --every`: one cycle after another until SIGTERM or Ctrl-C."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType

from starlift.entrypoints.terminal import tell

LONGEST_SLEEP = 3600.0
"""Seconds; a longer pause is slept in parts, because select takes no more than a C integer."""


class Interruption:
    """Turns SIGTERM and SIGINT into a wish to end, within a block; a second Ctrl-C ends at once.

    A handler may run between any two steps of the program, also while a lock is held, so it only sets a
    flag and writes to a pipe.
    """

    def __init__(self) -> None:
        self.wished = False
        self._restore: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Interruption:
        self._reader, self._writer = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._restore[number] = signal.signal(number, self._wish)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._restore.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def _wish(self, number: int, _frame: FrameType | None) -> None:
        if not self.wished:
            self.wished = True
            os.write(self._writer, b".")
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
            with suppress(OSError):  # nobody may be listening
                os.write(2, b"starlift: finishing what is under way; Ctrl-C again ends at once\n")

    def sleep(self, seconds: float) -> None:
        """Wait, not longer than until the wish."""
        until = time.monotonic() + seconds
        while not self.wished and (left := until - time.monotonic()) > 0:
            select.select([self._reader], [], [], min(left, LONGEST_SLEEP))


def repeat(work: Callable[[Interruption], bool], seconds: float) -> bool:
    """Do the work again and again, with a pause after each, until it returns False or a signal comes.

    What is under way when the signal comes is finished, or ended where it may be: the work is given what
    hears the signals. Return whether it was the signal that ended it.
    """
    with Interruption() as interruption:
        while work(interruption):
            interruption.sleep(seconds)
            if interruption.wished:
                tell("starlift: stopped, after a whole batch")
                return True
        return False

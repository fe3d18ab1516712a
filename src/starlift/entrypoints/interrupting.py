"""Ctrl-C, also where Python would lose it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 0.01
"""Seconds until an interruption that was lost is raised again."""


@contextmanager
def interruptions_kept() -> Iterator[None]:
    """Raise KeyboardInterrupt again, within the block, where a finalizer or a weak reference lost it.

    Python prints what is raised in those and goes on, so a Ctrl-C that comes while one runs (each import
    ends with one) would be told and then not heeded. For the main thread only, as all signals.
    """
    hook = sys.unraisablehook

    def again(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, PAUSE)
        else:
            hook(lost)

    sys.unraisablehook = again
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        sys.unraisablehook = hook

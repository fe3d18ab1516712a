"""Stages that follow extract while it goes on: what a read in many batches lands is transformed and loaded at
once, in threads of their own.

They are nudges like any other: what they leave undone, and whatever they fail at, is met again by the stage
that comes after extract.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from starlift.stages.watch import Watch

WORTH_IT = 100_000
"""Rows that extract has still to read, about, from which on the others follow: of fewer it is done soon."""

ROOM = 256_000_000
"""Bytes of `memory` from which on there is room for three stages at once."""

T = TypeVar("T")


class Follower(Generic[T]):
    """Does work in a thread, again after each nudge that comes meanwhile, until it is ended or fails.

    seconds: how long it has worked.
    """

    def __init__(self, work: Callable[[], Sequence[T]]) -> None:
        self._work = work
        self._done: list[T] = []
        self._nudged = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None
        self.seconds = 0.0

    @property
    def began(self) -> bool:
        """Whether it was ever nudged."""
        return self._thread is not None

    def nudge(self) -> None:
        """Have the work done, once what is under way is done."""
        self._nudged.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, daemon=True)
            self._thread.start()

    def more(self) -> bool:
        """Wait for the next nudge, within the work. Return False where none will come any more."""
        self._nudged.wait()
        self._nudged.clear()
        return not self._ending

    def end(self) -> list[T]:
        """Wait until what is under way is done. Return what was done since the last time."""
        self._ending = True
        self._nudged.set()
        if self._thread is not None:
            self._thread.join()
        done, self._done = self._done, []
        return done

    def _follow(self) -> None:
        # cleared before it is looked whether to end: what `end` sets in between is not wiped out unseen
        while not self._ending:
            self._nudged.wait()
            self._nudged.clear()
            if self._ending:
                return
            began = time.monotonic()
            try:
                self._done += self._work()
            except Exception:  # noqa: BLE001 - the stage that comes after extract meets it too, and tells
                return
            finally:
                self.seconds += time.monotonic() - began


class Nudging(Watch):
    """Passes on to a watch what a stage tells, and what it tells to be done to whoever follows.

    The signals are the main thread's affair, and heard already.
    """

    def __init__(self, watch: Watch, done: Callable[[int], None] = lambda _: None) -> None:
        self._watch = watch
        self._done = done

    def __call__(self, stage: str, what: str, rows: int, left: int = 0, /) -> None:
        self._watch(stage, what, rows, left)

    def found(self) -> None:
        self._watch.found()

    def begin(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._watch.begin()

    def done(self, stage: str, what: str, rows: int, left: int = 0, /) -> None:
        self._watch.done(stage, what, rows, left)
        self._done(left)

    @property
    def hurried(self) -> bool:
        return self._watch.hurried

    @property
    def wished(self) -> bool:
        return self._watch.wished

    def ends(self) -> bool:
        return self._watch.ends()

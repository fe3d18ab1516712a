import signal
import sys
import time
import weakref
from collections.abc import Callable

import pytest

from starlift.entrypoints.interrupting import interruptions_kept


class Thing:
    pass


def interrupted(_reference: object) -> None:
    raise KeyboardInterrupt


def wrong(_reference: object) -> None:
    raise LookupError("a fault of a library")


def lose_in(*callbacks: Callable[[object], None]) -> None:
    for callback in callbacks:
        thing = Thing()
        reference = weakref.ref(thing, callback)
        del thing
        assert reference() is None


def lose_and_wait(*callbacks: Callable[[object], None]) -> None:
    with interruptions_kept():
        lose_in(*callbacks)
        time.sleep(60)


def test_an_interruption_that_a_callback_loses_is_raised_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        lose_and_wait(interrupted)


def test_one_that_is_lost_twice_too() -> None:
    def alarmed(_reference: object) -> None:
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        lose_and_wait(interrupted, alarmed)


def test_nothing_is_raised_once_the_block_has_ended() -> None:
    handler, hook = signal.getsignal(signal.SIGALRM), sys.unraisablehook
    with interruptions_kept():
        lose_in(interrupted)
    time.sleep(0.05)
    assert (signal.getsignal(signal.SIGALRM), sys.unraisablehook) == (handler, hook)


def test_other_faults_of_callbacks_are_told_as_python_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    with interruptions_kept():
        lose_in(wrong)
    assert told == [LookupError]

"""Work of many batches hears of signals and of its time, work of one batch is left to end at once."""

from __future__ import annotations

import os
import signal

import pytest

from starlift.entrypoints.repeat import Interruption
from starlift.entrypoints.working import Working


def test_work_of_many_batches_ends_between_two_when_a_signal_comes() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Working() as work:
        assert signal.getsignal(signal.SIGTERM) is before, "one batch ends at once"
        work.begin()
        work.begin()
        assert not work.ends()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (work.ends(), work.stopped) == (True, True)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_loop_that_hears_the_signals_already_is_asked() -> None:
    with Interruption() as interruption, Working(interruption=interruption) as work:
        work.begin()
        os.kill(os.getpid(), signal.SIGTERM)
        assert work.ends()
        assert interruption.wished, "the loop ends too"


@pytest.mark.parametrize(("budget", "ends"), [(0.0, True), (3600.0, False), (None, False)])
def test_work_ends_when_its_time_is_up(budget: float | None, ends: bool) -> None:
    with Working(budget) as work:
        assert (work.ends(), work.stopped) == (ends, ends)


def test_each_batch_of_many_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Working(seconds=3600) as work:
        work("load", "batch 1", 5, 20)
        work.done("load", "batch 1", 5, 20)
        work.done("load", "batch 2", 5, 10)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "load batch 1: 5 rows, done, about 20 to go"
    assert second.startswith("load batch 2: 5 rows, done, about 10 to go, ")

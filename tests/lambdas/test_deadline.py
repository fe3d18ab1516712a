"""A function ends between two batches before its time is up, keeps what is done, and the work goes on."""

from __future__ import annotations

import pytest

from starlift.entrypoints.lambda_deadline import MARGIN, RESERVE, Deadline
from tests.lambdas.events import SCHEDULE, failed, ids, messages
from tests.lambdas.place import Context, Place

OVER = Context((0,))
"""No time is left from the start."""


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_work_ends_where_one_more_batch_may_not_fit() -> None:
    clock, left = Clock(), [1000.0]
    deadline = Deadline(lambda: left[0], clock)
    assert not deadline.ends()
    clock.now = 40.0
    assert not deadline.ends()
    clock.now, left[0] = 50.0, RESERVE + MARGIN * 40 + 0.1
    assert not deadline.ends()
    left[0] -= 0.2
    assert deadline.ends()
    assert deadline.stopped


def test_a_first_load_that_is_cut_off_again_and_again_ends_equal(place: Place) -> None:
    place.own_limits(max_rows="60")
    landed = place.invoke("extract", SCHEDULE, OVER)
    assert landed["outcome"] == "stopped"
    assert landed["left"] > 0
    polls = 1
    while place.invoke("extract", SCHEDULE, OVER)["outcome"] == "stopped":
        polls += 1
    assert polls > 2
    for stage, lake in (("transform", "ingestion"), ("load", "processed")):
        event = messages(*place.nudges(lake))
        answer = place.invoke(stage, event, OVER)
        times = 1
        while answer["outcome"] == "stopped":
            assert failed(answer) == ids(event)[-1:], "the queue has to send it once more"
            event = {"Records": event["Records"][-1:]}
            answer = place.invoke(stage, event, OVER)
            times += 1
        assert failed(answer) == []
        assert times > 2, stage
    assert place.differences() == {}


def test_a_function_with_time_does_all_at_once(place: Place) -> None:
    place.own_limits(max_rows="60")
    landed = place.invoke("extract", SCHEDULE)
    assert landed["batches"]["landed"] > 3
    place.chain()
    assert place.differences() == {}


def test_a_stage_that_is_stopped_says_so_to_whoever_invokes_it_directly(place: Place) -> None:
    place.own_limits(max_rows="60")
    place.invoke("extract", SCHEDULE)
    answer = place.invoke("transform", SCHEDULE, OVER)
    assert answer["outcome"] == "stopped"
    assert "batchItemFailures" not in answer


@pytest.mark.parametrize("left", [(900_000, 900_000, 0), (900_000, 0)])
def test_the_time_that_is_left_is_asked_between_batches(place: Place, left: tuple[int, ...]) -> None:
    place.own_limits(max_rows="60")
    landed = place.invoke("extract", SCHEDULE, Context(left))
    assert landed["outcome"] == "stopped"
    assert landed["batches"]["landed"] >= len(left)

"""While a long read goes on, what it has landed is transformed and loaded; nothing else changes by it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from starlift.bootstrap import Pipeline
from starlift.entrypoints import local
from starlift.entrypoints.following import Follower, Nudging
from starlift.errors import UnavailableError
from starlift.settings import Settings
from starlift.stages.watch import Watch
from tests.e2e import chain
from tests.e2e.project import Project
from tests.e2e.test_chunks import NOTHING, ROWS, in_chunks


def test_a_follower_works_again_where_it_is_nudged_meanwhile() -> None:
    working, go_on, worked = threading.Event(), threading.Event(), threading.Event()
    times: list[int] = []

    def work() -> list[int]:
        times.append(len(times))
        working.set()
        assert go_on.wait(30)
        if len(times) == 2:
            worked.set()
        return times[-1:]

    follower = Follower(work)
    assert not follower.began
    follower.nudge()
    assert working.wait(30)
    follower.nudge()
    follower.nudge()
    go_on.set()
    assert worked.wait(30)
    assert follower.end() == [0, 1]
    assert follower.end() == []
    assert follower.seconds > 0


def test_a_follower_that_fails_says_nothing_and_keeps_what_it_did() -> None:
    done: list[int] = []

    def work() -> list[int]:
        done.append(len(done))
        if len(done) > 1:
            raise LookupError("the stage meets it again")
        return done[:]

    follower = Follower(work)
    follower.nudge()
    while not done:
        time.sleep(0.01)
    follower.nudge()
    while len(done) < 2:
        time.sleep(0.01)
    assert follower.end() == [0]


def test_a_follower_that_nobody_nudged_has_done_nothing() -> None:
    assert Follower(lambda: [1]).end() == []


class Wishing(Watch):
    """Wishes the work to end once so many batches of a stage are done."""

    def __init__(self, stage: str, batches: int) -> None:
        self._stage, self._left = stage, batches
        self.threads: dict[str, set[str]] = {}

    def done(self, stage: str, _what: str, _rows: int, _left: int = 0, /) -> None:
        self._left -= stage == self._stage
        self.threads.setdefault(stage, set()).add(threading.current_thread().name)

    @property
    def wished(self) -> bool:
        return self._left <= 0


@pytest.fixture
def followed(unloaded: Project, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Project:
    """A pipeline that has never run, and follows however little is left. Its parameter: how many polls' rows
    a first load may have that is one transaction."""
    in_chunks(unloaded, 25)
    monkeypatch.setattr(local, "POLLS", getattr(request, "param", 100))
    monkeypatch.setattr(local, "WORTH_IT", 0)
    monkeypatch.setattr(local, "ROOM", 0)
    return unloaded


def test_nobody_follows_where_there_is_no_room_for_it(
    followed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "ROOM", 1 << 40)
    watch = Wishing("extract", 1_000_000)
    assert local.cycle(Pipeline(Settings(followed.values)), watch).outcome == "applied"
    assert {thread for threads in watch.threads.values() for thread in threads} == {
        threading.current_thread().name
    }


@pytest.mark.parametrize("followed", [0, 100], ids=["built", "at once"], indirect=True)
def test_what_is_landed_is_made_and_built_while_extract_goes_on(followed: Project) -> None:
    watch = Wishing("extract", 1_000_000)
    document = local.cycle(Pipeline(Settings(followed.values)), watch).document()
    batches = document["batches"]
    assert batches["landed"] == batches["transformed"] == batches["applied"] > 5
    mine = threading.current_thread().name
    assert watch.threads["extract"] == {mine}
    assert watch.threads["transform"] - {mine}, "nobody followed"
    assert watch.threads["load"] - {mine}, "nobody followed"
    assert document["left"] == document["built"] == 0
    assert document["tables"]["sales_order"]["read"] == document["star"]["fact_sales_order"]["inserted"]
    assert (followed.differences(), chain.faults(followed)) == ({}, [])


@pytest.mark.parametrize("stage", ["extract", "transform", "load"])
def test_a_wish_to_end_is_heard_by_all_and_what_they_did_is_told(followed: Project, stage: str) -> None:
    stopped = local.cycle(Pipeline(Settings(followed.values)), Wishing(stage, 2)).document()
    assert stopped["outcome"] == "stopped"
    assert followed.query(ROWS) == NOTHING
    told = stopped["batches"]
    assert _numbers(followed) == [told["landed"], told["transformed"], stopped["built"]]
    again = local.cycle(Pipeline(Settings(followed.values))).document()
    assert again["outcome"] == "applied"
    assert (followed.differences(), chain.faults(followed)) == ({}, [])


def _numbers(project: Project) -> list[Any]:
    lakes = [len(list((project.lakes[name] / "manifests").glob("0*"))) for name in ("ingestion", "processed")]
    there = project.query("SELECT to_regclass('starlift_build.applied') IS NOT NULL") == [[True]]
    return [*lakes, project.query("SELECT count(*) FROM starlift_build.applied")[0][0] if there else 0]


def test_no_follower_is_left_where_extract_fails(followed: Project) -> None:
    class Failing(Wishing):
        def done(self, stage: str, what: str, rows: int, left: int = 0, /) -> None:
            super().done(stage, what, rows, left)
            if stage == "extract" and self.wished:
                raise UnavailableError("the source is gone", "starlift run")

        def ends(self) -> bool:
            return False

    before = threading.active_count()
    ended = local.cycle(Pipeline(Settings(followed.values)), Failing("extract", 4))
    assert [error.message for error in ended.errors] == ["the source is gone"]
    assert [len(ended.transformed), len(ended.loaded)] == _numbers(followed)[1:] == [4, 4]
    assert threading.active_count() == before


def test_signals_are_heard_in_the_main_thread_alone() -> None:
    class Hearing(Watch):
        begun = 0

        def begin(self) -> None:
            self.begun += 1

    watch = Hearing()
    nudging = Nudging(watch)
    nudging.begin()
    thread = threading.Thread(target=nudging.begin)
    thread.start()
    thread.join()
    assert watch.begun == 1


def test_an_end_that_comes_while_a_nudge_is_taken_is_not_missed() -> None:
    class Late(threading.Event):
        """Another thread ends the work just before it is taken note that a nudge was heard."""

        def clear(self) -> None:
            if ending.ident is None:
                ending.start()
                while not follower._ending:
                    time.sleep(0.001)
                time.sleep(0.05)
            super().clear()

    follower: Follower[int] = Follower(lambda: [follower.more()])
    ending = threading.Thread(target=follower.end, daemon=True)
    follower._nudged = Late()
    follower.nudge()
    while ending.ident is None:
        time.sleep(0.001)
    ending.join(10)
    assert not ending.is_alive()

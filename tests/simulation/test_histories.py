"""Whatever befalls source, runs and warehouse: after every batch the star is what the source was."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.simulation.history import History
from tests.simulation.oracle import Oracle
from tests.simulation.running import Report, play
from tests.simulation.scheduler import Violation
from tests.simulation.stars import Star

SEEDS = range(30)
REGRESSIONS: dict[int, str] = {
    19: "a delete beside changes that came in several batches of one snapshot",
    86: "the same in xid mode",
    739942001948: "a row that is what it was before batches of one snapshot that broke off",
}
"""Seeds that once showed a fault, and which."""

COMMON = {
    "killed": 6,
    "unavailable": 3,
    "lost race": 3,
    "chunk": 3,
    "published": 3,
    "prepared": 6,
    "asynchronous": 3,
    "savepoint": 1,
    "swept": 6,
    "quarantined": 6,
    "inferred": 1,
    "heartbeat": 2,
    "made again": 3,
    "inventory: all": 3,
    "inventory: whole": 6,
    "inventory: buckets": 1,
    "read: xid": 6,
    "read: time": 6,
    "read: time+xid": 6,
    "read: chunk": 3,
    "crash": 1,
    "duckdb": 1,
}
"""In how many of the histories each has to occur at least, so that they do not become poor unnoticed."""


@pytest.fixture(scope="module")
def report() -> Report:
    """What the histories came to."""
    found = Report()
    for seed in SEEDS:
        found.add(play(seed))
    return found


def test_the_star_is_what_the_source_was(report: Report) -> None:
    assert report.violations == {}


def test_the_histories_are_rich(report: Report) -> None:
    poor = {name: report.histories[name] for name, least in COMMON.items() if report.histories[name] < least}
    assert not poor


@pytest.mark.parametrize("seed", [seed for seed in REGRESSIONS if seed not in SEEDS])
def test_what_was_mended_stays_so(seed: int) -> None:
    assert play(seed).violation is None


def test_a_seed_tells_a_history_whole() -> None:
    first, second = (play(7, traced=True) for _ in range(2))
    assert first.trace == second.trace
    assert len(first.trace) > 100
    assert Counter(first.happened) == second.happened


def test_a_history_that_breaks_off_is_told_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def play_wrongly(_history: History) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr(History, "play", play_wrongly)
    assert play(7).violation == "not played to its end: LookupError('no such thing')"


@pytest.mark.parametrize(("shown", "is_equal"), [(None, True), ("north", False)])
def test_a_member_that_refers_to_a_row_which_is_gone_has_nothing_of_it(
    shown: str | None, is_equal: bool
) -> None:
    """Of two writers at once, one may add what refers to what the other takes away."""
    client = SimpleNamespace(row=("3", "1", "Ann"), hash=5)
    star = SimpleNamespace(
        seq=1,
        at_source=lambda table: {"(3)": client} if table == "client" else {},
        current={},
        facts={},
        dimensions={"dim_client": {"(3)": (3, "Ann", shown)}},
    )
    now: Any = {"client": {3: client}, "region": {}, "sale": {}}
    with nullcontext() if is_equal else pytest.raises(Violation):
        Oracle.check_equal(cast("Oracle", None), cast("Star", star), now)

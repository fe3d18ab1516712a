"""Under writers of every kind starlift has every row; what others poll with, in the same race, has not."""

from __future__ import annotations

import pytest

from tests.postgres import PostgresForTests
from tests.stress.race import (
    CONTROLS,
    LAGGING,
    NEWEST,
    TIMESTAMP,
    XID,
    Outcome,
    broken_laws,
    race,
    raced_table,
    table,
)
from tests.stress.writers import KINDS


@pytest.fixture(scope="module")
def outcome(postgres: PostgresForTests) -> Outcome:
    """A race of eight seconds, or as long as it takes each control to lose a row."""
    with raced_table(postgres) as source:
        return race(source, seconds=8, most=60)


def test_no_row_is_lost_where_the_controls_lose_some(outcome: Outcome) -> None:
    print(f"\n{table(outcome)}\npolls: {outcome.polls}")  # noqa: T201
    assert broken_laws(outcome) == []


def test_the_race_was_one(outcome: Outcome) -> None:
    """Every kind of writer left rows, rows went, and everyone polled again and again among them."""
    assert set(outcome.kinds) == set(KINDS)
    assert min(outcome.kinds.values()) >= 4
    assert outcome.deleted > 0
    assert set(outcome.polls) == {XID, TIMESTAMP, *CONTROLS}
    assert min(outcome.polls.values()) >= 3


def test_where_one_writer_is_alone_polls_on_the_newest_stamp_lose_nothing_either(
    postgres: PostgresForTests,
) -> None:
    """They do what their users expect of them. (The oldest transaction with an xid is not among them: the
    time between a statement's start and its xid is enough to lose its row, if seldom.)"""
    with raced_table(postgres) as source:
        outcome = race(source, seconds=1.5, most=1.5, kinds=["short"], sessions=1)
    assert outcome.server > 2
    assert [outcome.lost[name].server for name in (XID, TIMESTAMP, NEWEST, LAGGING)] == [0] * 4

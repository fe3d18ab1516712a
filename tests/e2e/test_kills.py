"""A run may be killed at any moment: the next one goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count

import pg8000.native
import pytest

from starlift.totesys import changes
from tests.e2e import chain, history, oracle
from tests.e2e.project import Forks, Project

NOON = datetime(2024, 11, 5, 12)
DATABASES = ("source", "warehouse")
CRUCIAL = {
    "ingestion": {"get manifests", "name data", "name manifests", "get data"},
    "processed": {"get snapshots", "name ledger", "name manifests", "get fact_sales_order"},
    "source": {"BEGIN", "COPY", "COMMIT"},
    "warehouse": {"BEGIN", "COMMIT", "after COMMIT"},
}
"""Steps by place that a run cannot have missed."""


def change(application: pg8000.native.Connection, number: int) -> None:
    """Insert and update, in a fact, a dimension and a table that is joined: always as many rows of each
    table, so that every run has the same steps, and few tables, so that it has not too many."""
    application.run(
        "INSERT INTO sales_order SELECT nextval('sales_order_sales_order_id_seq'), created_at, last_updated, "
        "design_id, staff_id, counterparty_id, units_sold, unit_price, currency_id, agreed_delivery_date, "
        "agreed_payment_date, agreed_delivery_location_id FROM sales_order WHERE sales_order_id = 1"
    )
    application.run("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 1")
    changes.rename_department(application, 1, f"Department {number}", NOON)


def kill_at_every_step(project: Project, forks: Forks, place: str) -> list[str]:
    """Kill a run at each step it has at a place. After each kill readers see the whole batch or nothing
    of it, and the next run makes the star what the source is. Return the steps."""
    killed_at: list[str] = []
    with project.application() as application:
        for step in count(1):
            before = oracle.read_star(project.warehouse.analyst)
            change(application, step)
            killed = forks.kill(place, step)
            if killed.code == 0:
                return killed_at
            assert killed.code == -9, killed
            killed_at.append(killed.step)
            seen = oracle.read_star(project.warehouse.analyst)
            assert seen == before or project.differences() == {}, killed.step
            # a batch of its own for the next run: it moves on the hints that the kill left behind, and
            # so the next kill has the same steps before it
            change(application, -step)
            (ran,) = forks.run(1)
            assert ran.code == 0, (killed.step, ran)
            assert project.differences() == {}, killed.step
    raise AssertionError


@pytest.mark.parametrize("place", ["ingestion", "processed", "source", "warehouse"])
def test_a_run_killed_at_any_step_loses_nothing_and_doubles_nothing(project: Project, place: str) -> None:
    with project.forks() as forks:
        steps = kill_at_every_step(project, forks, place)
    print(f"killed at {len(steps)} steps at the {place}:", *steps, sep="\n  ")  # noqa: T201
    words = {" ".join(step.split("/")[0].split()[:2]) for step in steps}
    assert words >= CRUCIAL[place]
    assert place in DATABASES or "name manifests/head" in steps
    assert chain.faults(project) == []
    assert history.faults(history.of_all(project.warehouse.analyst)) == []
    assert project.differences() == {}


def test_a_first_load_that_is_killed_again_and_again_still_comes_to_an_end(unloaded: Project) -> None:
    killed_at: list[str] = []
    first = f"manifests/{1:020d}.json"
    ends: dict[str, Callable[[], bool]] = {
        "ingestion": (unloaded.lakes["ingestion"] / first).exists,
        "processed": (unloaded.lakes["processed"] / first).exists,
        "warehouse": lambda: unloaded.query("SELECT FROM starlift.applied") != [],
    }
    with unloaded.forks() as forks:
        for place, ended in ends.items():
            for step in count(3, 5):
                if ended():
                    break
                killed_at.append(f"{place}: {forks.kill(place, step).step}")
        (ran,) = forks.run(1)
    print(f"killed {len(killed_at)} times:", *killed_at, sep="\n  ")  # noqa: T201
    assert len(killed_at) >= 10
    assert ran.code == 0
    assert (unloaded.differences(), chain.faults(unloaded)) == ({}, [])
    assert history.faults(history.of_all(unloaded.warehouse.analyst)) == []

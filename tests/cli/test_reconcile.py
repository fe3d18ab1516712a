"""`starlift reconcile`: cycles until what an inventory brought up is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from starlift.core.requests import Request
from starlift.entrypoints.cli import parser
from starlift.entrypoints.moved import moved_text
from starlift.errors import ConfigurationError, DriftError, HeldError, StarliftError, UnavailableError
from starlift.ports import Applied, Loaded
from starlift.stages.cycle import Cycle
from starlift.stages.extract import Reconciliation
from starlift.stages.reconcile import ROUNDS, reconcile
from tests.cli.conftest import Here
from tests.cli.project import Project

NOW = "2024-11-15 12:00:00+00:00"
FIRST = Reconciliation(tables=frozenset({"payment"}), accept=frozenset({"staff"}), new_server=True)
ASKED = Request("repair", "payment", "1 rows differ", ("(1)",))


def cycle(*requests: Request, error: StarliftError | None = None) -> Cycle:
    """A cycle that applied a batch, after which that is asked."""
    loaded = [
        Loaded(7, {}, differing={"payment": 2}, requests=requests),
        Loaded(8, {}, differing={"payment": 1}),
    ]
    applied = Applied(8, "incremental", "sha", NOW, NOW)
    return Cycle("run", loaded=loaded, applied=applied, errors=[error] if error else [])


def play(*cycles: Cycle) -> tuple[list[Cycle], list[Reconciliation]]:
    """Reconcile where the cycles come to that; return those that were run, and what each was asked."""
    wishes: list[Reconciliation] = []
    left: Iterator[Cycle] = iter(cycles)

    def run(wish: Reconciliation) -> Cycle:
        wishes.append(wish)
        return next(left)

    return reconcile(run, FIRST), wishes


def test_what_agrees_takes_one_cycle() -> None:
    done, wishes = play(cycle())
    assert (len(done), wishes) == (1, [FIRST])


def test_later_cycles_answer_and_ask_for_no_inventory_again() -> None:
    done, wishes = play(cycle(ASKED), cycle(ASKED), cycle())
    assert len(done) == 3
    assert wishes[1:] == [Reconciliation(accept=FIRST.accept)] * 2


def test_a_source_with_which_the_warehouse_never_agrees_is_an_error_in_the_end() -> None:
    done, _ = play(*[cycle(ASKED) for _ in range(ROUNDS)])
    [error] = done[-1].errors
    assert isinstance(error, HeldError)
    assert f"after {ROUNDS} cycles the warehouse is still not what the source has of payment" in error.message


def test_a_cycle_that_fails_is_the_last_and_a_table_that_is_held_stops_no_other() -> None:
    done, _ = play(cycle(ASKED, error=UnavailableError("no", "x")))
    assert len(done) == 1
    done, _ = play(cycle(ASKED, error=DriftError("staff is held", "x")), cycle())
    assert len(done) == 2


def test_a_cycle_says_what_its_batches_ask_and_how_much_no_poll_had_seen() -> None:
    document = cycle(ASKED, Request("inventory", "staff", "the source has 5 rows, the ledger 6")).document()
    assert document["differing"] == {"payment": 3}
    assert document["requests"][0] == {"kind": "repair", "table": "payment", "reason": "1 rows differ"}
    assert moved_text(document).splitlines()[-2:] == [
        "payment: 1 rows differ; the next cycle sees to it: starlift run",
        "staff: the source has 5 rows, the ledger 6; the next cycle sees to it: starlift run",
    ]


def test_a_table_that_is_not_declared_is_named_with_those_that_are(untouched: Project, here: Here) -> None:
    for words in (["sale"], ["--accept", "sale", "staff"]):
        said = here(untouched.folder, "reconcile", *words)
        assert said.code == 2
        assert "declares no table sale; it has address, " in said.err


@pytest.mark.parametrize("words", [["--confirm", "x"], ["--confirm"]])
def test_a_batch_is_confirmed_by_its_number(words: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        parser().parse_args(["reconcile", *words])
    assert parser().parse_args(["reconcile", "--confirm", "7", "--confirm", "9"]).confirm == [7, 9]


def test_a_person_sees_what_each_cycle_of_a_reconciliation_moved(project: Project, here: Here) -> None:
    project.cycle()
    project.query(
        "UPDATE starlift.ledger SET source_hash = 0 WHERE source_table = 'design' AND key = '(1)' RETURNING 1"
    )
    said = here(project.folder, "reconcile", "design")
    assert said.code == 0
    assert said.out.count(" applied, complete to ") == 2
    assert "design: rows that are not as the source has them, though no poll told of it: 1; " in said.out
    said = here(project.folder, "reconcile", "design", "--json")
    assert (said.json["outcome"], [each["differing"] for each in said.json["cycles"]]) == ("applied", [{}])

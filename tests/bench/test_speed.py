"""What `make bench` prints was measured, and a copy that is wrong is called wrong. No test asserts a time."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bench.speed import bounded, bounds, checking, orders
from bench.speed.chart import svg
from bench.speed.contenders import CONTENDERS, Contender
from bench.speed.figures import Figures, figures
from bench.speed.floors import Pipe
from bench.speed.machine import machine
from bench.speed.results_text import document
from bench.speed.rounds import CASES, FIRST, INCREMENT, POLL, Outcome, Plan, play
from bench.speed.table import table
from bench.speed.watching import watch

from tests.architecture.test_documents import unknown_commands
from tests.e2e.test_chunks import until
from tests.postgres import PostgresForTests, connected

ORDERS = 2_000
NAMES = ["starlift", "floor", "pipe"]


@pytest.fixture(scope="module")
def outcome(postgres: PostgresForTests) -> Outcome:
    """One round of few orders, without the peers: `make soak ONLY=bench` has them too."""
    return play(postgres, Plan(NAMES, ORDERS, times=1))


def test_the_limits_are_those_of_the_stages_first_load(outcome: Outcome) -> None:
    assert "## Limits" not in document(outcome, machine())
    samples = [
        replace(one, contender="stages load") for one in outcome.samples if one.contender == "starlift"
    ]
    [load] = figures(replace(outcome, samples=samples))[FIRST]
    pace = f"| load | {ORDERS / load.seconds:,.0f} | {load.pss / 1e6:.0f} | "
    assert pace in document(replace(outcome, samples=samples), machine())


def test_every_contender_runs_in_every_case_and_its_copy_is_right(outcome: Outcome) -> None:
    ran = {(sample.case, sample.contender) for sample in outcome.samples}
    assert ran == {(case, name) for case in CASES for name in NAMES if case == FIRST or name != "pipe"}
    assert [sample for sample in outcome.samples if sample.wrong] == []


def test_every_figure_was_measured(outcome: Outcome) -> None:
    for sample in outcome.samples:
        run = sample.run
        assert run.seconds > 0
        assert run.cpu > 0
        assert run.pss > 0
        # pages that processes share are divided among them
        assert run.pss < run.hwm * 1.2
        if sample.case != POLL:
            assert sample.server.cpu > 0 or sample.contender != "starlift"  # the floors' rounds to nothing
            assert all(size > 0 for size in sample.kept.values())
    of_starlift = [sample for sample in outcome.samples if sample.contender == "starlift"]
    assert {tuple(sample.stages) for sample in of_starlift} == {("extract", "transform", "load")}
    assert {tuple(sample.kept) for sample in of_starlift} == {("ingestion", "processed")}


def test_the_table_and_the_document_have_a_line_for_every_contender_in_every_case(outcome: Outcome) -> None:
    told, written = table(outcome, machine()), document(outcome, machine())
    found = figures(outcome)
    assert list(found) == list(CASES)
    for name in NAMES:
        expected = 1 if name == "pipe" else len(CASES)
        assert sum(line.startswith(f"  {name} ") for line in told.splitlines()) == expected
        assert sum(line.startswith(f"| {name} | ") for line in written.splitlines()) >= expected
        assert svg(found).count(f">{name}</text>") == 3 * expected
    assert "starlift : pipe" in written
    assert not unknown_commands(written)


class Idle(Pipe):
    """Copies nothing, soon and without complaint."""

    words = "true"


class Broken(Pipe):
    """Says why it cannot."""

    words = "echo no such table >&2; exit 3"


def test_a_contender_that_copies_nothing_is_called_wrong_and_is_in_no_ratio(
    postgres: PostgresForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONTENDERS, "starlift", Contender(Idle, "", {}, polls=False))
    monkeypatch.setitem(CONTENDERS, "sling", Contender(Broken, "", {}, polls=False))
    plan = Plan(["starlift", "sling", "pipe"], ORDERS, times=1, cases=[FIRST])
    outcome = play(postgres, plan)
    wrong = {sample.contender: sample.wrong for sample in outcome.samples}
    assert "sales_order is 0, not 2,000" in wrong["starlift"]
    assert wrong["sling"] == "ended with 3: no such table"
    assert wrong["pipe"] == ""
    for text in (table(outcome, machine()), document(outcome, machine())):
        assert "WRONG: address is 0" in text
        assert "WRONG: ended with 3" in text
    assert [what for what, *_ in bounds.lines(figures(outcome)) if ":" in what] == [
        "all cases: memory of starlift"
    ]


def test_an_increment_changes_as_many_orders_as_it_says_and_the_sum_sees_each(
    postgres: PostgresForTests,
) -> None:
    with postgres.source(f"orders_{ORDERS}", orders.filler(ORDERS)) as source:
        before = checking.content(source.admin)
        assert before["sales_order"] == ORDERS
        seen = "SELECT max(last_updated) FROM sales_order"
        with connected(source.admin) as application:
            newest = application.run(seen)[0][0]
            orders.change(source.admin, ORDERS, 0)
            new = "SELECT count(*), count(*) FILTER (WHERE created_at = last_updated) FROM sales_order "
            found = application.run(f"{new} WHERE last_updated > :newest", newest=newest)
            assert found == [[220, 20]]
            after = checking.content(source.admin)
            assert checking.wrong(before, after).startswith(f"sales_order is {ORDERS + 20:,}, not {ORDERS:,}")
            application.run("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 7")
            assert checking.wrong(after, checking.content(source.admin)).startswith("sum of sales_order is ")


def test_a_bound_is_missed_by_what_is_above_it_alone() -> None:
    def figure(name: str, seconds: float) -> Figures:
        return Figures(name, 1, seconds, (seconds, seconds), 1.0, 1.0, 1e6, 1e6, {}, {}, "")

    def told(ours: float) -> dict[str, str]:
        found = {INCREMENT: [figure("starlift", ours), figure("sling", 2.0)]}
        return {what: kept for what, *_, kept in bounds.lines(found)}

    assert told(1.5)["increment: time, starlift : sling"] == "holds"
    assert told(1.51)["increment: time, starlift : sling"] == "missed"
    assert bounds.losses({INCREMENT: [figure("starlift", 3.0), figure("sling", 2.0)]}) == [
        "increment: 1.50 times the time of sling"
    ]


HUNGRY = "import subprocess, sys; x = bytearray(50_000_000); x[::4096] = b'1' * len(x[::4096]); "


def test_the_memory_of_children_is_counted_and_their_work_too(tmp_path: Path) -> None:
    child = f"{HUNGRY} sum(range(10_000_000)); import time; time.sleep(0.3)"
    parent = f"{HUNGRY} subprocess.run([sys.executable, '-c', {child!r}])"
    alone = watch([sys.executable, "-c", child], {}, tmp_path)
    both = watch([sys.executable, "-c", parent], {}, tmp_path)
    assert 50e6 < alone.pss < 90e6
    assert 100e6 < both.pss < 180e6
    assert both.cpu > alone.cpu / 2


def test_what_has_more_than_its_limit_is_killed_with_its_children(tmp_path: Path) -> None:
    child = f"import os; open('child', 'w').write(str(os.getpid())); {HUNGRY} import time; time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    run = watch([sys.executable, "-c", parent], {}, tmp_path, limit=40_000_000)
    assert (run.code, run.within) == (-9, False)
    until(lambda: not lives(int((tmp_path / "child").read_text())))


def lives(pid: int) -> bool:
    """Whether there is such a process, which has not ended."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_load_that_is_killed_is_finished_by_the_next_run_and_equals_the_source(
    postgres: PostgresForTests,
) -> None:
    with postgres.source(f"orders_{ORDERS}", orders.filler(ORDERS)) as source:
        killed = bounded.load(postgres, source, ORDERS, 512_000_000, (0.5,))
    assert [run.code for run in killed.runs] == [-9, 0]
    assert killed.wrong == ""
    assert killed.pss == max(run.pss for run in killed.runs)
    told = bounded.table([killed, killed], machine(), 512_000_000)
    assert f"| {ORDERS:,} | 2 | 1 |" in told
    assert "Killed after 0.5 s" in told


def test_a_load_that_has_more_memory_than_allowed_is_said_to(postgres: PostgresForTests) -> None:
    with postgres.source(f"orders_{ORDERS}", orders.filler(ORDERS)) as source:
        assert bounded.load(postgres, source, ORDERS, 10_000_000).wrong == (
            "it had more than 10 MB and was killed"
        )

"""What the README shows under `make prove` is what it prints, but for the numbers; no row is lost in it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from bench.peers.changes import CHANGES
from bench.peers.tools import CHOICES, USUAL
from bench.peers.trial import Trial
from bench.peers.trial import table as table_of_peers

from tests.simulation import __main__ as simulation
from tests.simulation.running import Report
from tests.stress.race import AFTER_XID, CONTROLS, TIMESTAMP, XID, Lost, Outcome
from tests.stress.race import table as table_of_stress
from tests.stress.writers import KINDS

ROOT = Path(__file__).parents[2]


def shown() -> str:
    """Return the output that the README shows under `$ make prove`."""
    found = re.search(r"\$ make prove\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def masked(text: str) -> list[str]:
    """Return the lines without their counts and the space around them; versions stay."""
    return [
        " ".join("N" if re.fullmatch(r"\d[\d,]*", word) else word for word in line.split())
        for line in text.splitlines()
        if line
    ]


@pytest.fixture
def prove(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("prove")


def printed(prove: Any, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is printed of a proof that counted nothing but zeros."""
    simulation._tell(Report(), 0.0)
    nothing = Lost(0, 0, 0)
    names = (XID, TIMESTAMP, AFTER_XID, *CONTROLS)
    race = Outcome(0, 0, 0, 0, 0, dict.fromkeys(KINDS, 0), {}, dict.fromkeys(names, nothing))
    versions = {name: CHOICES[name][0](name, "", "", "", ROOT).version for name in USUAL}
    trial = Trial({name: dict.fromkeys(CHANGES, 0) for name in USUAL}, versions)
    return "\n".join(
        [table_of_stress(race), table_of_peers(trial), prove.kills_line(0), capsys.readouterr().out]
    )


def test_the_readme_shows_what_is_printed(prove: Any, capsys: pytest.CaptureFixture[str]) -> None:
    missing = [line for line in masked(printed(prove, capsys)) if line not in masked(shown())]
    assert missing == []


def test_the_readme_shows_no_row_lost() -> None:
    lines = {line.split("  ")[1].strip(): line.split() for line in shown().splitlines() if line[:2] == "  "}
    assert lines[XID][-3:] == ["0", "0", "0"]
    assert lines[TIMESTAMP][-3] == "0"
    assert [lines[change][-1] for change in CHANGES.values()] == ["0"] * 5


@pytest.mark.parametrize(("holds", "code", "last"), [(True, 0, "All of it holds"), (False, 1, "FAILED: a")])
def test_a_section_that_does_not_hold_fails_the_proof(
    prove: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    holds: bool,
    code: int,
    last: str,
) -> None:
    monkeypatch.setattr(prove, "PROOFS", {"a": lambda: ("of a", holds), "b": lambda: ("of b", True)})
    monkeypatch.setattr("sys.argv", ["prove"])
    assert prove.main() == code
    assert capsys.readouterr().out.startswith(f"of a\n\nof b\n\n{last}")

"""docs/proof.md names for each trap a guard and a test that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (.+) \| `(.+):(.+)` \| `(.+):(.+)` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "proof.md").read_text())


def test_every_trap_has_a_row() -> None:
    assert len(ROWS) >= 35
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_guard_and_the_test_of_a_trap_are_there(row: tuple[str, ...]) -> None:
    _, file, guard, test_file, test = row
    source = (ROOT / "src" / "starlift" / file).read_text()
    assert re.search(rf"^( *def {guard}\(|{guard} = )", source, re.MULTILINE)
    assert f"\ndef {test}(" in (ROOT / "tests" / test_file).read_text()

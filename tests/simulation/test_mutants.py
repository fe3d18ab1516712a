"""Each guard of the protocol is needed: without it a row is lost, doubled or stale, and that is found."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.running import play

MOST = 150
"""Histories within which each of them is found."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_breakage_is_found(mutant: Mutant) -> None:
    outcomes = (play(seed, mutant) for seed in range(mutant.seed, mutant.seed + MOST))
    found = next((outcome.seed for outcome in outcomes if outcome.violation), None)
    assert found is not None, f"{mutant.breaks}: not found in {MOST} histories"
    # without the breakage the same history breaks no promise
    assert play(found, mutant, sound=True).violation is None

"""Reconciliation: a cycle that carries an inventory, and those that answer what it brought up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from starlift.errors import DriftError, HeldError
from starlift.stages.cycle import Cycle
from starlift.stages.extract import NOT_ASKED, Reconciliation

ROUNDS = 6
"""Cycles of a reconciliation. Sums, then keys, then rows make three; a source that goes on changing, and
what earlier batches had asked for, may make more."""


def reconcile(cycle: Callable[[Reconciliation], Cycle], first: Reconciliation) -> list[Cycle]:
    """Run cycles until the ledger is what the source has, as far as asked, and return them.

    The last one has an error where it is not after ROUNDS; a cycle that fails is the last as well.
    """
    cycles = [cycle(first)]
    while cycles[-1].requests and not cycles[-1].stopped and not _failed(cycles[-1]):
        if len(cycles) == ROUNDS:
            tables = ", ".join(sorted({request.table for request in cycles[-1].requests}))
            message = f"after {ROUNDS} cycles the warehouse is still not what the source has of {tables}"
            cycles[-1].errors.append(HeldError(message, "see what differs: starlift status"))
            break
        cycles.append(cycle(replace(NOT_ASKED, accept=first.accept)))
    return cycles


def _failed(cycle: Cycle) -> bool:
    return any(not isinstance(error, DriftError) for error in cycle.errors)

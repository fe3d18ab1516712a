"""The stages as functions of AWS Lambda: extract, transform, load, reconcile, each `(event, context)`.

Thin: they run what the commands of the same names run. An event is a nudge; what there is to do is found in
the lakes. A function returns the `--json` object of its stage, for a queue also `batchItemFailures`, and
`{"outcome": "lost"}` where another run did the work; every other failure is raised. See docs/lambdas.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from starlift.entrypoints import alone
from starlift.entrypoints import lambda_standing as standing
from starlift.entrypoints.approving import approver_by_names
from starlift.entrypoints.lambda_deadline import Deadline
from starlift.entrypoints.lambda_events import read
from starlift.entrypoints.lambda_pipeline import Addresses, LambdaPipeline
from starlift.entrypoints.lambda_telemetry import Gauges, Journal
from starlift.entrypoints.local import run_id
from starlift.errors import HeldError, LostRace, StarliftError, UnavailableError
from starlift.settings import read as read_settings
from starlift.stages.cycle import Cycle
from starlift.stages.extract import NOT_ASKED, Reconciliation


class Context(Protocol):
    """What Lambda tells a function of its invocation, as far as it is used here."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still take."""
        ...


RACES = 3
"""Polls by which a reconciliation tries to be the first. It takes longer than the extract that may begin with
it, so it would lose to that one every day, and no poll after it would take the inventory in its place."""

_ADDRESSES = Addresses()
"""All that outlives an invocation. No connection does: it may be dead when the function is thawed, and a
transaction of it would be open meanwhile."""


@dataclass
class _Call:
    """One invocation, and what its stage is given."""

    stage: str
    pipeline: LambdaPipeline
    watch: Deadline
    cycle: Cycle
    gauges: Gauges = field(default_factory=Gauges)


def extract(event: object, context: Context) -> dict[str, Any]:
    """Poll the source once, as `starlift extract` does."""
    return _invoke("extract", _extract, event, context)


def reconcile(event: object, context: Context) -> dict[str, Any]:
    """Poll the source once and take an inventory of every table: the loads that follow compare it, and ask
    the next polls for what differs."""
    return _invoke("reconcile", _reconcile, event, context)


def transform(event: object, context: Context) -> dict[str, Any]:
    """Transform every pending batch, as `starlift transform` does."""
    return _invoke("transform", _transform, event, context)


def load(event: object, context: Context) -> dict[str, Any]:
    """Apply every pending batch, as `starlift load` does."""
    return _invoke("load", _load, event, context)


def _extract(call: _Call) -> None:
    _poll(call, NOT_ASKED)


def _reconcile(call: _Call) -> None:
    # another server than that of before is for a person to accept, so not here
    wish = Reconciliation(tables=frozenset(call.pipeline.config.tables))
    for _ in range(RACES - 1):
        try:
            _poll(call, wish)
        except LostRace:
            continue
        return
    _poll(call, wish)


def _poll(call: _Call, reconciled: Reconciliation) -> None:
    alone.extract(call.cycle, call.pipeline, call.watch, reconciled, approver_by_names(call.pipeline))
    if call.cycle.extracted:
        standing.of_extract(call.gauges, call.cycle.extracted)


def _transform(call: _Call) -> None:
    _then(call, alone.transform, standing.of_transform)


def _load(call: _Call) -> None:
    _then(call, alone.load, standing.of_load)


def _then(call: _Call, work: Callable[..., None], look: Callable[..., None]) -> None:
    """Do a stage's work, and look how things stand, also where it failed."""
    failure: StarliftError | None = None
    try:
        work(call.cycle, call.pipeline, call.watch)
    except StarliftError as error:
        failure = error
    try:
        look(call.gauges, call.pipeline, call.cycle, held=isinstance(failure, HeldError))
    except StarliftError as error:
        raise failure or error from None
    if failure:
        raise failure


def _invoke(stage: str, work: Callable[[_Call], None], event: object, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    # as for the command line: Arrow's own allocators keep, while a function is warm, what they once had
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    nudges = read(event)
    watch = Deadline(lambda: context.get_remaining_time_in_millis() / 1000)
    call = _Call(stage, LambdaPipeline(read_settings(Path()), _ADDRESSES), watch, Cycle(run_id()))
    journal = Journal(stage, call.cycle.run_id, getattr(context, "aws_request_id", None))
    journal.begun(nudges)
    call.gauges.set("Rows", 0)
    call.gauges.set("UnreadableEvents", nudges.unreadable or None)
    try:
        _with_a_valid_login(call, work, journal)
        document = call.cycle.document()
        journal.ended(document)
    except LostRace as error:
        journal.lost(error)
        document = {"outcome": "lost"}
    except StarliftError as error:
        raise journal.failed(error) from None
    except Exception as error:  # noqa: BLE001 - told, as far as may be
        raise journal.unforeseen(error) from None
    finally:
        call.gauges.set("StageSeconds", round(time.monotonic() - began, 3))
        call.gauges.set("StageBytes", call.pipeline.meter.bytes)
        call.gauges.emit(stage, call.cycle.run_id)
    return nudges.answer(document, again=call.cycle.stopped)


def _with_a_valid_login(call: _Call, work: Callable[[_Call], None], journal: Journal) -> None:
    """Work; where a database refuses the login, fetch the secrets once more and begin again. What was
    committed before stays, and is not done twice."""
    try:
        work(call)
    except UnavailableError as error:
        if not (error.login and _ADDRESSES.forget()):
            raise
        journal.again(error)
        work(call)

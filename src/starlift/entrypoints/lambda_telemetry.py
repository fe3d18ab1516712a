"""What a function tells of an invocation: lines of structured log, and metrics in CloudWatch's embedded form.

Both go to stdout, where Lambda takes them. Neither has a value of a row, nor what a driver or library said
of one: logs are kept in one place and read by many.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlift.entrypoints.answers import without_passwords
from starlift.errors import StarliftError

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from starlift.entrypoints.lambda_events import Nudges

NAMESPACE = "starlift"
"""Of the metrics, where POWERTOOLS_METRICS_NAMESPACE names no other."""

UNITS = {
    "Rows": "Count",
    "StageSeconds": "Seconds",
    "StageBytes": "Bytes",
    "DriftedTables": "Count",
    "HeldTables": "Count",
    "BatchAgeSeconds": "Seconds",
    "FreshnessSeconds": "Seconds",
    "QuarantinedRows": "Count",
    "DifferingRows": "Count",
    "HeldBatches": "Count",
    "UnreadableEvents": "Count",
}
"""Every metric there is, with its unit. docs/lambdas.md says what each means."""


@dataclass
class Gauges:
    """The metrics of one invocation, as far as they are known."""

    values: dict[str, float] = field(default_factory=dict)

    def set(self, name: str, value: float | None) -> None:
        """Take note of a value; of None, that nobody knows it."""
        if value is not None:
            self.values[name] = value

    def emit(self, stage: str, run_id: str) -> None:
        """Print them, under the one dimension `service`."""
        from aws_lambda_powertools.metrics import EphemeralMetrics

        namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or NAMESPACE
        metrics = EphemeralMetrics(service=stage, namespace=namespace)
        for name, value in self.values.items():
            metrics.add_metric(name=name, unit=UNITS[name], value=value)
        metrics.add_metadata(key="run_id", value=run_id)
        metrics.flush_metrics()


class Journal:
    """The log of one invocation. Each line has the stage as `service`, the `run_id` and Lambda's own id of
    the invocation, and what the stages warn of is among them; lines about a batch have it as `batch`."""

    def __init__(self, stage: str, run_id: str, request_id: str | None = None) -> None:
        from aws_lambda_powertools import Logger
        from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

        self._stage = stage
        self._logger: Logger = Logger(service=stage, utc=True)
        self._logger.append_keys(run_id=run_id, request_id=request_id)
        logging.getLogger("starlift")  # or it would not be among those that are known
        copy_config_to_registered_loggers(self._logger, include={"starlift"})

    def begun(self, nudges: Nudges) -> None:
        """Tell what the invocation was nudged by."""
        self._logger.info(f"{self._stage} was nudged", nudges=list(nudges.told))
        if nudges.unreadable:
            self._logger.error(
                f"{nudges.unreadable} of the events cannot be understood; each was taken for a nudge, and "
                "nothing is lost by it; see who else may send to the queue: aws sqs get-queue-attributes "
                "--attribute-names Policy"
            )

    def ended(self, document: Mapping[str, Any]) -> None:
        """Tell what the invocation came to. document: its answer."""
        parts = ("seq", "kind", "complete_to", "batches", "quarantined", "left", "seconds")
        known = {name: document[name] for name in parts if document.get(name) not in (None, {}, 0)}
        batch = known.pop("seq", None)
        self._logger.info(f"{self._stage}: {document['outcome']}", batch=batch, **known)
        for table, reason in document.get("held", {}).items():
            self._logger.warning(f"table {table} is held, the others go on: {reason}", table=table)

    def lost(self, error: StarliftError) -> None:
        """Tell that another run did the work."""
        self._logger.info(f"{self._stage}: lost", reason=without_passwords(error.discreet))

    def again(self, why: StarliftError) -> None:
        """Tell that a login was refused and the secret is fetched anew."""
        self._logger.warning(f"{without_passwords(why.discreet)}; the secret is fetched once more")

    def failed(self, error: StarliftError) -> StarliftError:
        """Tell of a failure and return the error to raise for it, of which a traceback shows no row and no
        password. What caused it stays behind: a driver's error quotes rows."""
        message, hint = without_passwords(error.discreet), without_passwords(error.hint)
        self._logger.error(message, code=error.code, hint=hint)
        return type(error)(message, hint)

    def unforeseen(self, error: Exception) -> StarliftError:
        """The same for a fault of starlift, of which kind and places are told: its text may quote a row."""
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        kind = type(error).__name__
        fault = StarliftError(
            f"this is a fault of starlift: {kind} at {places[-1]}; its text is not repeated here",
            "nothing is half written; run the stage where its output may be seen, and report that; see what "
            "there is: starlift status",
        )
        self._logger.error(fault.message, code=fault.code, hint=fault.hint, places=places)
        return fault

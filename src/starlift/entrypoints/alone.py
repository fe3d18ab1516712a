"""One stage of a pipeline by itself, as the part of a cycle that it is: a command's, or a function's in AWS.

Each is given the cycle, so that what is known of it is known however the stage ends.
"""

from __future__ import annotations

from starlift.bootstrap import Pipeline
from starlift.entrypoints import local
from starlift.stages.cycle import Cycle
from starlift.stages.extract import NOT_ASKED, Reconciliation, Run
from starlift.stages.shapes import Approve
from starlift.stages.watch import Watch


def extract(
    cycle: Cycle,
    pipeline: Pipeline,
    watch: Watch,
    reconciled: Reconciliation = NOT_ASKED,
    approve: Approve | None = None,
) -> None:
    """Poll the source once. Raises as `starlift.stages.extract.extract`."""
    with cycle.timed("extract"):
        run = Run(cycle.run_id, pipeline.code_version, watch)
        cycle.extracted = local.extract(pipeline, run, reconciled, approve)
        cycle.report_held()
    cycle.stopped = watch.stopped


def transform(cycle: Cycle, pipeline: Pipeline, watch: Watch) -> None:
    """Transform every pending batch. Raises as `starlift.stages.transform.transform`."""
    with cycle.timed("transform"):
        cycle.transformed = local.transform(pipeline, watch)
    cycle.stopped = watch.stopped


def load(cycle: Cycle, pipeline: Pipeline, watch: Watch) -> None:
    """Apply every pending batch. Raises as `starlift.stages.load.load`, and ConfigurationError where a
    rebuild broke off before it was published."""
    local.check_published(pipeline)
    with cycle.timed("load"):
        cycle.loaded, cycle.applied = local.load(pipeline, watch)
    cycle.stopped = watch.stopped

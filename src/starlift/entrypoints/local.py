"""The stages on one machine, put together from a pipeline's parts."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlift.bootstrap import Pipeline
from starlift.stages.cycle import Cycle, Stages, run_cycle
from starlift.stages.extract import Extracted, Run

if TYPE_CHECKING:
    from starlift.ports import Loaded
    from starlift.stages.transform import Transformed

Progress = Callable[[str, str, int], None]

_logger = logging.getLogger("starlift")


def new_run(pipeline: Pipeline, progress: Progress) -> Run:
    """Return a run with an id of its own, which sorts by time."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Run(f"{stamp}-{secrets.token_hex(4)}", pipeline.code_version, progress)


def cycle(pipeline: Pipeline, progress: Progress = lambda *_: None) -> Cycle:
    """Run extract, transform and load once."""
    run = new_run(pipeline, progress)
    return run_cycle(
        run.run_id,
        Stages(lambda: extract(pipeline, run), lambda: transform(pipeline), lambda: load(pipeline)),
    )


def extract(pipeline: Pipeline, run: Run) -> Extracted:
    """Poll the source once; warn of columns that nobody named."""
    from starlift.stages.extract import extract as poll

    with pipeline.source as source:
        extracted = poll(source, pipeline.ingestion, pipeline.config, run)
    for name, columns in extracted.unnamed.items():
        _logger.warning(
            "columns %s of table %s are neither taken nor dropped; "
            "name them under [tables.%s] in %s, then: starlift run",
            ", ".join(columns),
            name,
            name,
            pipeline.settings.config,
        )
    return extracted


def transform(pipeline: Pipeline) -> list[Transformed]:
    """Model every batch that is landed and not yet modelled."""
    from starlift.stages.transform import transform as process

    parts = pipeline
    return list(process(parts.ingestion, parts.processed, parts.models, parts.engine, parts.code_version))


def load(pipeline: Pipeline) -> list[Loaded]:
    """Apply every batch that is modelled and not yet in the warehouse."""
    from starlift.stages.load import load as apply

    with pipeline.warehouse as warehouse:
        return list(apply(pipeline.processed, warehouse))

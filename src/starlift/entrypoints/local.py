"""The stages on one machine, put together from a pipeline's parts."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlift.bootstrap import Pipeline
from starlift.core import chunking
from starlift.core.config import PipelineConfig
from starlift.entrypoints.ahead import Ahead
from starlift.entrypoints.approving import approver
from starlift.entrypoints.following import ROOM, WORTH_IT, Follower, Nudging
from starlift.errors import ConfigurationError
from starlift.stages.cycle import Cycle, Stages, carry_on, run_cycle
from starlift.stages.extract import NOT_ASKED, Extracted, Reconciliation, Run
from starlift.stages.watch import UNWATCHED, Watch

if TYPE_CHECKING:
    from starlift.ports import Applied, Loaded
    from starlift.stages.shapes import Approve
    from starlift.stages.transform import Transformed


_logger = logging.getLogger("starlift")


def run_id() -> str:
    """Return an id for a run, which sorts by time."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{secrets.token_hex(4)}"


def new_run(pipeline: Pipeline, watch: Watch = UNWATCHED) -> Run:
    """Return a run with an id of its own."""
    return Run(run_id(), pipeline.code_version, watch)


def cycle(
    pipeline: Pipeline,
    watch: Watch = UNWATCHED,
    reconciled: Reconciliation = NOT_ASKED,
    confirmed: Collection[int] = (),
    released: Collection[int] = (),
) -> Cycle:
    """Run extract, transform and load once, if they can be finished.

    reconciled, confirmed, released: what a person asks of the extract and lets transform and load do."""
    followers = _Followers(pipeline, watch, confirmed, released)
    ahead = Ahead(watch, followers.landed)
    run = new_run(pipeline, ahead)
    try:
        cycle = run_cycle(
            run.run_id,
            Stages(
                check=lambda: check(pipeline),
                extract=lambda: extract(pipeline, run, reconciled, approver(pipeline, star=True)),
                transform=followers.transform,
                load=followers.load,
                stopped=lambda: watch.stopped,
                followed=followers.end,
            ),
        )
    finally:
        followers.end()
        ahead.end()
    for stage, seconds in followers.seconds.items():
        if seconds:
            cycle.seconds[stage] = round(cycle.seconds.get(stage, 0) + seconds, 3)
    return cycle


POLLS = 12
"""A first load of so many times the rows of a poll is one transaction."""


def at_once(config: PipelineConfig) -> int:
    """Return the rows up to which a first load in chunks is one transaction."""
    return POLLS * config.limits.max_rows


class _Followers:
    """Transform and load, which follow an extract that goes on and finish what it has landed.

    Each has parts of its own while it follows: they work at once."""

    def __init__(
        self, pipeline: Pipeline, watch: Watch, confirmed: Collection[int], released: Collection[int]
    ) -> None:
        self._pipeline, self._watch = pipeline, watch
        self._confirmed, self._released = confirmed, released
        own = replace(pipeline), replace(pipeline)
        self._transforming = Follower(lambda: self._transform(own[0]))
        self._loading: Follower[Loaded] = Follower(lambda: self._follow(own[1]))
        self._streams = False

    def landed(self, left: int) -> None:
        """Follow, now that a batch is landed, if there is room, and so many rows left that it is worth it."""
        room = self._pipeline.config.limits.memory >= ROOM
        if not self._transforming.began:
            self._streams = left <= at_once(self._pipeline.config)
        if (room and left >= WORTH_IT) or self._transforming.began:
            self._transforming.nudge()

    def _made(self, _left: int) -> None:
        if self._transforming.began:
            self._loading.nudge()

    def _transform(self, pipeline: Pipeline) -> list[Transformed]:
        return transform(pipeline, Nudging(self._watch, self._made), self._released)

    def _follow(self, pipeline: Pipeline) -> list[Loaded]:
        streams, self._streams = self._streams, False  # once: what came to nothing would begin anew
        return self._load(pipeline, self._loading.more if streams else None)[0]

    def _load(
        self, pipeline: Pipeline, more: Callable[[], bool] | None = None
    ) -> tuple[list[Loaded], Applied | None]:
        return load(pipeline, Nudging(self._watch), self._confirmed, self._released, more)

    def transform(self) -> list[Transformed]:
        """Transform what is left to transform. Return what was transformed in all."""
        return [*self._transforming.end(), *self._transform(self._pipeline)]

    def load(self) -> tuple[list[Loaded], Applied | None]:
        """Load what is left to load. Return what was loaded in all, and the last batch there."""
        before = self._loading.end()
        loaded, applied = self._load(self._pipeline)
        return [*before, *loaded], applied

    def end(self) -> tuple[list[Transformed], list[Loaded]]:
        """Have nobody follow any more. Return what was transformed and loaded, and not yet told."""
        return self._transforming.end(), self._loading.end()

    @property
    def seconds(self) -> dict[str, float]:
        """How long each has worked while extract did."""
        return {"transform": self._transforming.seconds, "load": self._loading.seconds}


def release(pipeline: Pipeline, seqs: Collection[int], watch: Watch = UNWATCHED) -> Cycle:
    """Run transform and load, in which batches `seqs` may put however many rows into quarantine."""
    run = new_run(pipeline, watch)
    return carry_on(
        run.run_id,
        Stages(
            check=lambda: check(pipeline),
            extract=lambda: extract(pipeline, run),
            transform=lambda: transform(pipeline, watch, seqs),
            load=lambda: load(pipeline, watch, released=seqs),
            stopped=lambda: watch.stopped,
        ),
    )


def check(pipeline: Pipeline) -> None:
    """Raise where a cycle could not be finished; nothing has been written then."""
    from starlift.stages.readiness import check_ready

    pipeline.dsn("source")
    with pipeline.warehouse as warehouse:
        lakes = pipeline.ingestion, pipeline.processed
        check_ready(lakes, warehouse, pipeline.models, pipeline.config.tables)


def check_published(pipeline: Pipeline) -> None:
    """Raise where a rebuild broke off before it was published: a load could not go on."""
    from starlift.stages import readiness

    with pipeline.warehouse as warehouse:
        applied = warehouse.applied()
    if applied is not None:
        readiness.check_published(applied, pipeline.processed)


def extract(
    pipeline: Pipeline, run: Run, reconciled: Reconciliation = NOT_ASKED, approve: Approve | None = None
) -> Extracted:
    """Poll the source once; warn of columns that nobody named."""
    from starlift.stages.extract import extract as poll

    asked = approve or approver(pipeline)
    with pipeline.source as source:
        ranked = replace(run, ranks=_ranks(pipeline))
        extracted = poll(source, pipeline.ingestion, pipeline.config, ranked, asked, reconciled)
    if extracted.went_back:
        _logger.warning(
            "the source is not where the last batch left it: %s; every table was read whole, "
            "see what it came to: starlift status",
            extracted.went_back,
        )
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


def _ranks(pipeline: Pipeline) -> dict[str, int]:
    try:
        return chunking.rank(pipeline.models)
    except ConfigurationError:
        return {}  # it is an order only, and rows are landed whatever is wrong with a model


def transform(
    pipeline: Pipeline, watch: Watch = UNWATCHED, released: Collection[int] = ()
) -> list[Transformed]:
    """Model every batch that is landed and not yet modelled.

    released: batches of which however many rows may go into quarantine."""
    from starlift.core.holding import Hold
    from starlift.stages.transform import transform as process

    parts = pipeline
    lakes = parts.ingestion, parts.processed
    hold = Hold(parts.config.limits.quarantine_hold, released)
    return list(process(*lakes, parts.models, parts.engine, parts.code_version, watch, hold))


def load(
    pipeline: Pipeline,
    watch: Watch = UNWATCHED,
    confirmed: Collection[int] = (),
    released: Collection[int] = (),
    more: Callable[[], bool] | None = None,
) -> tuple[list[Loaded], Applied | None]:
    """Apply every batch that is modelled and not yet in the warehouse; also return the last one there.

    confirmed: batches that may delete however much they find deleted. released: those of which the star may
    refuse however many rows. more: waits for the next batch, as `starlift.stages.load.load` says."""
    from starlift.stages.load import load as apply

    with pipeline.warehouse as warehouse:
        lakes = pipeline.processed, pipeline.ingestion
        first = at_once(pipeline.config)
        done = apply(lakes[0], warehouse, watch, lakes[1], confirmed, released, first, more)
        return list(done), warehouse.applied()


def replay(pipeline: Pipeline, schema: str, watch: Watch = UNWATCHED) -> tuple[list[Loaded], Applied | None]:
    """Apply all of the processed lake to a star of its own in another schema; also return the last batch
    there."""
    from starlift.stages.replay import replay as apply

    with pipeline.warehouse.replica(schema) as replica:
        return list(apply(pipeline.processed, replica, schema, watch)), replica.applied()

"""A pipeline as a process has it, over simulated ports: what `starlift.entrypoints.local` puts together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from starlift.core import chunking
from starlift.core.config import PipelineConfig
from starlift.core.models import Model
from starlift.entrypoints import local
from starlift.ports import Engine
from starlift.stages import extract, shipping
from starlift.stages.extract import Run
from starlift.stages.generations import Current
from starlift.stages.watch import Watch
from tests.simulation.lake import SimulatedLake
from tests.simulation.source import SimulatedSource
from tests.simulation.star import MODELS
from tests.simulation.swapping import swapped
from tests.simulation.warehouse import SimulatedWarehouse


@dataclass
class SimulatedPipeline:
    """Has what `starlift.bootstrap.Pipeline` has, as far as the stages use it."""

    name: str
    config: PipelineConfig
    source: SimulatedSource
    ingestion: SimulatedLake
    processed_root: SimulatedLake
    warehouse: SimulatedWarehouse
    engine: Engine
    models: tuple[Model, ...] = MODELS
    code_version: str = "simulated"
    processed: Current = field(init=False)

    def __post_init__(self) -> None:
        self.processed = Current(self.processed_root)

    def dsn(self, _role: str) -> None:
        """Where a database is, which nobody asks here."""


class Impatient(Watch):
    """Wishes the work to end whenever a chance says so."""

    def __init__(self, wishes: Callable[[], bool]) -> None:
        self._wishes = wishes

    @property
    def wished(self) -> bool:
        return self._wishes()


@contextmanager
def deterministic() -> Iterator[None]:
    """Have runs named, and no clock read, so that a seed gives the same bytes each time; and let a batch be
    of few bytes, so that small tables come in several."""
    still = SimpleNamespace(monotonic=lambda: 0.0)

    def named(pipeline: Any, watch: Watch) -> Run:
        return Run(pipeline.name, pipeline.code_version, watch)

    with swapped(
        (local, "new_run", named),
        (extract, "time", still),
        (shipping, "time", still),
        (chunking, "LEAST", 1),
    ):
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)

"""One history: a source that lives, runs of the pipeline among each other, and what befalls them.

Everything is drawn from one seed. `play` raises Violation where the pipeline broke its promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from starlift.core.config import DeclaredMode, Limits, PipelineConfig, TableSpec
from starlift.entrypoints import local
from starlift.errors import ConfigurationError, DriftError, HeldError, LostRace, StarliftError
from starlift.ports import Engine
from starlift.stages.cycle import Cycle
from starlift.stages.extract import Reconciliation
from starlift.stages.reconcile import reconcile
from starlift.stages.transform import transform
from tests.simulation.lake import SimulatedLake
from tests.simulation.oracle import Oracle
from tests.simulation.pipeline import Impatient, SimulatedPipeline
from tests.simulation.scheduler import Process, Scheduler, Violation
from tests.simulation.source import Catalogue, SimulatedSource
from tests.simulation.star import COLUMNS, MODELS, TABLES, SmallEngine
from tests.simulation.warehouse import Place, SimulatedWarehouse
from tests.simulation.world import World
from tests.simulation.writers import Habits, Writers, draw_habits

if TYPE_CHECKING:
    from tests.simulation.mutants import Mutant

MOST_RUNS = 6
XID_EVERY, HEARTBEAT = 300, 60
"""Seconds."""
CRITICAL = ("barrier", "snapshot", "settle", "start")
ROUNDS = 25
"""Cycles after which a pipeline that is left alone has to be at rest."""


@dataclass(frozen=True)
class Flavour:
    """What kind of history it is. odd: tables whose stamps may be false though they are read by them."""

    modes: dict[str, DeclaredMode]
    odd: frozenset[str]
    limits: Limits
    steps: int
    runs: int
    kill: float
    unavailable: float
    dozes: float
    stock: int
    habits: Habits
    crashes: bool
    restores: bool
    holds: bool
    partitions: bool
    stops: float


def draw_flavour(random: Random) -> Flavour:
    """Draw what kind of history it is to be."""
    modes: dict[str, DeclaredMode] = {
        table: random.choice(("xid", "timestamp", "timestamp", "auto")) for table in TABLES
    }
    partitions = random.random() < 0.12
    if partitions:
        modes["sale"] = "xid"
    by_time = [table for table, mode in modes.items() if mode != "xid"]
    chunks = random.random() < 0.3
    limits = Limits(
        margin=timedelta(seconds=random.choice((0, 0, 0, 2))),
        heartbeat=timedelta(seconds=random.choice((0, HEARTBEAT, HEARTBEAT))),
        xid_every=timedelta(seconds=random.choice((30, XID_EVERY, XID_EVERY))),
        max_rows=random.randint(1, 6) if chunks else 1000,
        memory=168_000_000 + 6 * random.choice((150, 400)) if random.random() < 0.15 else 256_000_000,
        list_rows=random.choice((0, 1000)),
        scan_budget=1000,
    )
    return Flavour(
        modes=modes,
        odd=frozenset(random.sample(by_time, random.randint(1, len(by_time))))
        if by_time and random.random() < 0.2
        else frozenset(),
        limits=limits,
        steps=random.choice((150, 250, 250, 400)),
        runs=random.choice((1, 2, 3, 4, MOST_RUNS)),
        kill=random.choice((0.0, 0.003, 0.01, 0.02)),
        unavailable=random.choice((0.0, 0.0, 0.003, 0.01)),
        dozes=random.choice((0.1, 0.3, 0.6)),
        stock=random.choice((0, 4, 10)),
        habits=draw_habits(random),
        crashes=random.random() < 0.25,
        restores=random.random() < 0.12,
        holds=random.random() < 0.12,
        partitions=partitions,
        stops=0.3 if random.random() < 0.3 else 0.0,
    )


@dataclass
class Outcome:
    """How a history went. happened: what occurred in it, and how often. violation: None if all was well."""

    seed: int
    happened: Counter[str]
    violation: str | None = None
    trace: list[str] = field(default_factory=list)


class History:
    """A history on its way."""

    def __init__(
        self,
        seed: int,
        engine: Engine | None = None,
        trace: list[str] | None = None,
        mutant: Mutant | None = None,
        *,
        sound: bool = False,
        season: Callable[[Flavour], Flavour] = lambda flavour: flavour,
    ) -> None:
        self.seed = seed
        self.random = random = Random(seed)  # noqa: S311 - no secret
        self.flavour = draw_flavour(random)
        if mutant is not None:
            self.flavour = mutant.season(self.flavour)
        self.flavour = season(self.flavour)
        self.scheduler = Scheduler(random, trace)
        self.world = World()
        self.catalogue = {table: Catalogue() for table in TABLES}
        if self.flavour.partitions:
            self.catalogue["sale"].kind = "p"
        self.source = SimulatedSource(self.world, self.scheduler, self.catalogue)
        self.nudges: list[str] = []
        self.ingestion = SimulatedLake("ingestion", self.scheduler, lambda: self._nudge("transform"))
        self.processed = SimulatedLake("processed", self.scheduler, lambda: self._nudge("load"))
        self.oracle = Oracle(self.ingestion.objects, self.source.shown, self.flavour.odd)
        self.place = Place(self.scheduler, self.oracle.committed, self.oracle.published, self._note_held)
        self.place.lingers = random.choice((0, 20, 60))
        self.place.least_held = random.choice((100, 3))
        self.held: set[int] = set()
        self.engine = engine or SmallEngine()
        self.numbers = 0
        specs = {
            table: TableSpec(
                table,
                ("id",),
                tuple(column.name for column in COLUMNS[table]),
                cursor="changed",
                mode=self.flavour.modes[table],
            )
            for table in TABLES
        }
        self.config = PipelineConfig("simulated", "public", "star", specs, self.flavour.limits)
        tables = self.flavour.modes, self.flavour.odd
        self.writers = Writers(self.world, random, self.flavour.habits, tables, self.scheduler.tell)
        self.instead_of_load: Callable[[SimulatedWarehouse], None] | None = None
        if mutant is not None and not sound:
            mutant.alter(self)

    # what runs

    def pipeline(self, name: str) -> SimulatedPipeline:
        """A process's own pipeline."""
        warehouse = SimulatedWarehouse(self.place)
        return SimulatedPipeline(
            name, self.config, self.source, self.ingestion, self.processed, warehouse, self.engine
        )

    def start(self, kind: str) -> Process:
        """Start a run of a command."""
        self.numbers += 1
        return self.scheduler.start(f"run{self.numbers}", kind, partial(self._run, kind))

    def _run(self, kind: str, process: Process) -> None:
        pipeline = self.pipeline(process.name)
        watch = Impatient(lambda: self.random.random() < self.flavour.stops)
        commands: dict[str, Callable[[], object]] = {
            "cycle": lambda: self._cycle(process, local.cycle(pipeline, watch, confirmed=self.held)),  # type: ignore[arg-type]
            "extract": lambda: local.extract(pipeline, local.new_run(pipeline, watch)),  # type: ignore[arg-type]
            "transform": lambda: local.transform(pipeline, watch),  # type: ignore[arg-type]
            "load": lambda: local.load(pipeline, watch, confirmed=self.held),  # type: ignore[arg-type]
            "reconcile": lambda: self._reconcile(process, pipeline, watch),
        }
        if kind == "load" and self.instead_of_load is not None:
            commands["load"] = partial(self.instead_of_load, pipeline.warehouse)
        try:
            commands[kind]()
        except StarliftError as error:
            self._judge([error])

    def _cycle(self, process: Process, cycle: Cycle) -> Cycle:
        self._judge(cycle.errors)
        self.scheduler.tell(f"{process.name}: {cycle.outcome}")
        return cycle

    def _reconcile(self, process: Process, pipeline: SimulatedPipeline, watch: Impatient) -> None:
        first = Reconciliation(tables=frozenset(TABLES))

        def cycle(asked: Reconciliation) -> Cycle:
            return self._cycle(process, local.cycle(pipeline, watch, asked, confirmed=self.held))  # type: ignore[arg-type]

        reconcile(cycle, first)

    def _judge(self, errors: list[StarliftError]) -> None:
        """A race may be lost, an answer too, and a person may have to look; all else is a fault."""
        for error in errors:
            self.scheduler.tell(f"error: {error}")
            name = type(error).__name__
            drift = isinstance(error, DriftError) and not self.flavour.holds
            if isinstance(error, LostRace):
                self.scheduler.happened["lost race"] += 1
            elif isinstance(error, HeldError) and "takes away" in error.message:
                self.scheduler.happened["sweep held"] += 1
            elif isinstance(error, HeldError | ConfigurationError) or drift:
                raise Violation(f"{name}: {error.message}")

    def _note_held(self, seqs: list[int]) -> None:
        if self.random.random() < 0.7:
            self.held |= set(seqs)

    def _nudge(self, stage: str) -> None:
        """An object was stored: that is told once, twice or never, and some time."""
        self.nudges += [stage] * self.random.choice((0, 1, 1, 2))

    # what happens

    def play(self) -> None:
        """Let it happen, then let everything come to rest, and compare."""
        self.writers.stock(self.flavour.stock)
        self.scheduler.faults.kill = self.flavour.kill
        self.scheduler.faults.unavailable = self.flavour.unavailable
        while self.scheduler.steps < self.flavour.steps:
            self._step()
        self.rest()

    def _step(self) -> None:
        random, scheduler = self.random, self.scheduler
        chance = random.random()
        running, last = scheduler.processes, scheduler.last
        # what happens between barrier and snapshot matters more than what happens elsewhere
        critical = last is not None and last.at.startswith(CRITICAL)
        dozes = self.flavour.dozes if critical or not running else self.flavour.dozes / 6
        if running and chance > dozes:
            if last is None or last.done or random.random() < 0.15:
                last = running[int(random.random() * len(running))]
            scheduler.resume(last)
            return
        scheduler.steps += 1
        if random.random() < 0.15 and len(running) < self.flavour.runs:
            self._start_something()
        elif random.random() < 0.94:
            for _ in range(random.choice((1, 1, 2, 5))):
                self.writers.act()
        else:
            self._befall()

    def _start_something(self) -> None:
        if self.nudges and self.random.random() < 0.5:
            self.start(self.nudges.pop(self.random.randrange(len(self.nudges))))
            return
        kinds = ("cycle", "cycle", "cycle", "cycle", "extract", "extract", "transform", "load", "reconcile")
        self.start(self.random.choice(kinds))

    def _befall(self) -> None:
        """Let something rare happen to the source as a whole, of what the history's flavour has."""
        flavour, world, random, tell = self.flavour, self.world, self.random, self.scheduler.tell
        kinds = ["large", "burn"]
        kinds += ["save" if world.backup is None else "restore"] * 2 * flavour.restores
        kinds += ["crash"] * flavour.crashes * 3
        kinds += ["hold"] * 2 * (flavour.holds and self.oracle.expected.seq > 0)
        kinds += ["partition"] * 8 * (flavour.partitions and self.source.extracting == 0)
        what = random.choice(kinds)
        table = random.choice(TABLES)
        if what == "save":
            world.save()
        elif what == "restore":
            world.restore(random.choice((0, 5, 50)), random.choice((0, 1000)))
            tell("the source is restored")
        elif what == "crash":
            world.crash()
            tell("the source crashes")
            for _ in range(random.randint(0, 4)):
                self.writers.act()
            world.burn(random.choice((0, 5, 20)), random.choice((0, 20)))
        elif what == "hold":
            self.catalogue[table].keyless = not self.catalogue[table].keyless
            tell(f"{table} is without a unique key: {self.catalogue[table].keyless}")
        elif what == "large":
            self.catalogue[table].large = not self.catalogue[table].large
        elif what == "burn":
            world.burn(random.choice((0, 3)), random.choice((1, 10)))
        else:
            self.writers.rearrange()

    # at rest

    def rest(self) -> None:
        """Let everything come to rest, and compare."""
        scheduler, world = self.scheduler, self.world
        scheduler.faults.kill = scheduler.faults.unavailable = 0.0
        for number in list(world.open):
            world.commit(number) if self.random.random() < 0.7 else world.abort(number)
        for entry in self.catalogue.values():
            entry.keyless = False
        self.nudges.clear()
        scheduler.tell("everything comes to rest")
        while scheduler.processes:
            scheduler.resume(scheduler.processes[0])
        for lock in self.place.locks.values():
            lock.ghost = 0
        self.held = _Everything()
        limits = replace(self.config.limits, heartbeat=timedelta(seconds=HEARTBEAT))
        self.config = replace(self.config, limits=limits)
        self.flavour = replace(self.flavour, stops=0.0)
        world.now += 2 * int(limits.xid_every.total_seconds())
        self._until_nothing("cycle")
        self.oracle.check_equal(self.place.stars["live"], world.visible())
        seq = self.oracle.expected.seq
        self.alone("reconcile")
        self._until_nothing("cycle")
        self.oracle.check_equal(self.place.stars["live"], world.visible())
        self.scheduler.tell(f"at rest at batch {seq}, reconciled at {self.oracle.expected.seq}")

    def _until_nothing(self, kind: str) -> None:
        for _ in range(ROUNDS):
            before = self._mark()
            self.alone(kind)
            if self._mark() == before:
                return
        raise Violation(f"after {ROUNDS} cycles the pipeline is not at rest")

    def _mark(self) -> tuple[int, int, int]:
        return len(self.ingestion.objects), len(self.processed.objects), self.place.stars["live"].seq

    def alone(self, kind: str) -> None:
        """Run a command to its end; the others wait."""
        process = self.start(kind)
        while process in self.scheduler.processes:
            self.scheduler.resume(process)

    def again(self) -> None:
        """Check that transform is a pure function: made again, the processed lake has the same bytes."""
        scheduler = Scheduler(Random(0))  # noqa: S311 - no secret
        other = SimulatedLake("processed", scheduler, lambda: None)
        self.ingestion._scheduler = scheduler
        transform(self.ingestion, other, MODELS, self.engine, "simulated")
        named = {key: data for key, data in self.processed.objects.items() if key != "manifests/head"}
        made = {key: data for key, data in other.objects.items() if key != "manifests/head"}
        if wrong := [key for key, data in made.items() if named.get(key) != data]:
            raise Violation(f"made again, these objects of the processed lake are others: {wrong[:5]}")
        self.happened["made again"] += 1

    @property
    def happened(self) -> Counter[str]:
        """All that occurred."""
        return self.oracle.happened

    def close(self) -> Counter[str]:
        """End what runs, and return what occurred."""
        self.scheduler.end()
        found = Counter(self.oracle.happened)
        found.update(self.scheduler.happened)
        found.update(dict.fromkeys(self.world.happened, 1))
        return found


class _Everything(set[int]):
    """Holds whatever is asked for."""

    def __contains__(self, _: object) -> bool:
        return True

"""The demo's run: cycles with changes between them, then what was moved, what others miss, what it says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pg8000.native

from starlift.bootstrap import Pipeline
from starlift.demo.comparison import differences
from starlift.demo.cursor_poll import CursorPoll, Key
from starlift.demo.place import Place, open_place
from starlift.demo.questions import answers
from starlift.demo.scenes import Scene, a_day
from starlift.demo.telling import told
from starlift.entrypoints.answers import table
from starlift.entrypoints.local import cycle
from starlift.errors import ConfigurationError
from starlift.stages.cycle import Cycle
from starlift.totesys import generator, loading

FOUNDED = date(2024, 9, 2)
WEEKDAYS = 40
SEED = 1


@dataclass
class _Show:
    """The demo while it plays."""

    place: Place
    say: Callable[[str], None]
    pipeline: Pipeline
    poll: CursorPoll
    number: int = 0
    scenes: list[Scene] = field(default_factory=list)
    cycles: list[dict[str, Any]] = field(default_factory=list)

    def run(self, scene: Scene, totesys: pg8000.native.Connection) -> None:
        """Run one cycle of the pipeline, and one of the poll it is compared with."""
        self.number += 1
        self.say(f"\n{self.number}. {scene.title}")
        before = _objects(self.pipeline)
        ran = _checked(cycle(Pipeline(self.place.settings)))
        document = ran.document()
        self.say(_indented(told(document)))
        if ran.outcome == "nothing":
            self.say(f"   {_objects(self.pipeline) - before} objects written")
        self.poll.poll(totesys)
        self.scenes.append(scene)
        self.cycles.append(document)


def play(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Play one day; the first time, make a Totesys and load it before. Return what `--json` prints."""
    place = open_place(folder)
    pipeline = Pipeline(place.settings)
    show = _Show(place, say, pipeline, CursorPoll(pipeline.config.tables.values()))
    address = place.analyst.rsplit("@", 1)[1].split("/")[0]
    say(f"A Totesys and a warehouse, in an embedded PostgreSQL at {address}. State: {folder}/")
    with _located(folder), place.totesys() as totesys, place.totesys() as clerk:
        _begin(show, totesys)
        day = _next_day(totesys)
        # the same day plays the same, whenever it is played
        for scene in a_day(totesys, clerk, random.Random(day.toordinal()), day):  # noqa: S311 # nosec B311
            show.run(scene, totesys)
        missed = _missed(show, totesys)
    _conclude(show, folder, missed)
    return {"cycles": show.cycles, "missed": missed, "analyst": place.analyst}


@contextmanager
def _located(folder: Path) -> Iterator[None]:
    """What there is to do and to type is in the demo's folder."""
    try:
        yield
    except ConfigurationError as error:
        error.hint = f"cd {folder} && . ../.venv/bin/activate, then {error.hint}"
        raise


def _begin(show: _Show, totesys: pg8000.native.Connection) -> None:
    if totesys.run("SELECT 1 FROM currency LIMIT 1"):
        show.poll.poll(totesys)
        return
    with show.pipeline.warehouse as warehouse:
        warehouse.migrate(show.pipeline.models)
    loading.load(totesys, generator.generate(SEED, FOUNDED, WEEKDAYS))
    show.run(Scene(f"The first load: {WEEKDAYS} weekdays of trade", "", {}), totesys)


def _next_day(totesys: pg8000.native.Connection) -> date:
    newest: date = totesys.run("SELECT max(created_at)::date FROM sales_order")[0][0]
    return next(generator.working_days(newest + timedelta(days=1)))


def _checked(ran: Cycle) -> Cycle:
    for error in ran.errors:
        raise error
    return ran


def _objects(pipeline: Pipeline) -> int:
    return sum(1 for lake in (pipeline.ingestion, pipeline.processed) for _ in lake.keys(""))


def _missed(show: _Show, totesys: pg8000.native.Connection) -> list[dict[str, Any]]:
    """Per kind of change: rows, and how many the other poll and starlift have not as the source has them."""
    theirs, ours = show.poll.wrong(totesys), differences(show.pipeline)
    found: list[dict[str, Any]] = []
    later: set[Key] = set()
    for scene in reversed(show.scenes):
        # a row that changed twice counts where it changed last
        keys = {(name, str(key)) for name, listed in scene.changed.items() for key in listed} - later
        later |= keys
        if keys:
            wrong = {"cursor_poll": len(keys & theirs), "starlift": len(keys & ours)}
            found.insert(0, {"change": scene.short, "rows": len(keys), **wrong})
    return found


def _conclude(show: _Show, folder: Path, missed: list[dict[str, Any]]) -> None:
    show.say("\nRows wrong or missing now, in a copy kept by a poll on last_updated and in this warehouse")
    header = ["change", "rows", "last_updated", "starlift"]
    show.say(_indented(table(header, [list(row.values()) for row in missed])))
    for question, answer in answers(show.place.analyst):
        show.say(f"\n{question}")
        show.say(_indented(answer))
    show.say(
        f"""
Connect Power BI or a notebook:
   {show.place.analyst}
Ask the star yourself: {folder}/psql
Look around: cd {folder} && ../.venv/bin/starlift status
Change the star: {folder}/sql, as README.md shows
The next day: make demo      Take it away: make demo-clean"""
    )


def _indented(text: str) -> str:
    return "\n".join(f"   {line}".rstrip() for line in text.splitlines())

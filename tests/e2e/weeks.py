"""A first load and what came after it, with everything observed on the way: tests then state the laws."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlift.totesys import changes
from tests.e2e import history, oracle
from tests.e2e.happenings import Happened, happen
from tests.e2e.history import Version
from tests.e2e.oracle import Star
from tests.e2e.project import Project

Objects = dict[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Cycle:
    """One `starlift run` and its surroundings. before, after: what the star had to be when it began and
    ended, by the oracle; found: what the star was then."""

    happened: Happened
    document: dict[str, Any]
    before: Star
    after: Star
    found: Star


@dataclass(frozen=True)
class Idle:
    """A `starlift run` that found nothing to do, and the objects of both lakes before and after it."""

    document: dict[str, Any]
    before: Objects
    after: Objects


@dataclass(frozen=True)
class Week:
    """What befell a Totesys. rows: of every star table after the first load, all versions counted.
    idle: right after it. changes: what `happenings.happen` does. late: a sale that was entered and
    stamped before that run and committed after it. calm: after all that. versions: of each fact then."""

    project: Project
    rows: dict[str, int]
    first: Cycle
    idle: Idle
    changes: Cycle
    late: Cycle
    calm: Idle
    versions: dict[str, list[Version]]


def live(project: Project) -> Week:
    """Live through a week, from the first load on."""
    rng = random.Random(5)  # noqa: S311
    first = _cycle(project, Happened(), {})
    rows = {name: project.query(f"SELECT count(*) FROM {name}")[0][0] for name in oracle.COLUMNS}
    idle = _idle(project)
    with project.application() as application, project.application() as clerk:
        newest: datetime = application.run("SELECT max(last_updated) FROM payment")[0][0]
        at = newest + timedelta(hours=1)
        happened = happen(application, rng, at)
        with changes.late_commit(clerk, rng, at - timedelta(minutes=1)) as unseen:
            changed = _cycle(project, happened, first.after)
    late = Happened()
    late.note(unseen, entered=True)
    committed = _cycle(project, late, changed.after)
    calm = _idle(project)
    versions = history.of_all(project.warehouse.analyst)
    return Week(project, rows, first, idle, changed, committed, calm, versions)


def _idle(project: Project) -> Idle:
    before = project.objects()
    return Idle(project.run(), before, project.objects())


def _cycle(project: Project, happened: Happened, before: Star) -> Cycle:
    source = oracle.read_source(project.source.reader)
    document = project.run()
    used = oracle.dates_of_versions(project.warehouse.analyst)
    after = oracle.expected_star(source, used)
    return Cycle(happened, document, before, after, oracle.read_star(project.warehouse.analyst))

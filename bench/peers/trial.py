"""The trial: all tools sync beside one another, the source changes in between, wrong rows are counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.postgres import PostgresForTests

from bench.peers import changes
from bench.peers.environments import Unavailable
from bench.peers.tools import Tool, tool


@dataclass
class Trial:
    """What came of it. wrong: rows by tool and table. versions: product and version, by tool. skipped: why,
    by tool that could not be had."""

    wrong: dict[str, dict[str, int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def attempt(postgres: PostgresForTests, names: Sequence[str]) -> Trial:
    """Run the trial with these tools."""
    trial = Trial()
    with ExitStack() as stack:
        source = stack.enter_context(postgres.other_source("peers", changes.DDL, ("public",)))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="starlift-peers-")))
        taking_part: list[Tool] = []
        for name in names:
            target = stack.enter_context(postgres.warehouse())
            one = tool(name, source.reader, target.owner, folder / f"{len(taking_part)}")
            try:
                one.install()
            except Unavailable as reason:
                trial.skipped[name] = str(reason)
                one.folder.rmdir()
                continue
            taking_part.append(one)
        _play(source.admin, taking_part)
        there = changes.read(source.admin, str)
        for one in taking_part:
            trial.wrong[one.name] = changes.wrong(there, changes.read(one.target, one.relation))
            trial.versions[one.name] = one.version
            trial.settings[one.name], trial.commands[one.name] = one.settings, one.shown()
    return trial


def _play(source: str, tools: Iterable[Tool]) -> None:
    for one in tools:
        one.set_up()
    with changes.late(source):
        _sync(tools)
    changes.change(source, *changes.WHILE_ALL_LOOK_AWAY)
    _sync(tools)
    changes.change(source, *changes.ONCE_ALL_HAVE_SEEN_IT)
    _sync(tools)
    _sync(tools)


def _sync(tools: Iterable[Tool]) -> None:
    """Have all sync at once; each sees the same source, because nothing changes meanwhile."""
    with ThreadPoolExecutor() as pool:
        for ended in [pool.submit(one.sync) for one in tools]:
            ended.result()


def table(trial: Trial) -> str:
    """Return the outcome for a terminal."""
    names = list(trial.wrong)
    heads = [(trial.versions[name], name.partition(", ")[2]) for name in names]
    left = (
        f"Rows wrong or missing two syncs after {changes.CHANGED} of",
        f"{changes.ROWS:,} were changed, a table for each change",
    )
    lines = [
        (f"{text:50}" + "".join(f"{head[number]:>14}" for head in heads)).rstrip()
        for number, text in enumerate(left)
    ]
    for name, change in changes.CHANGES.items():
        lines.append(f"  {change:48}" + "".join(f"{trial.wrong[tool][name]:14}" for tool in names))
    lines += [f"  skipped: {name} ({reason})" for name, reason in trial.skipped.items()]
    return "\n".join(lines)

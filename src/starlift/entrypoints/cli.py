"""The command line: `starlift COMMAND`. stdout is the answer, stderr is progress and logs."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from starlift import __version__
from starlift.bootstrap import Pipeline
from starlift.core.units import duration
from starlift.entrypoints import commands
from starlift.errors import StarliftError
from starlift.settings import Settings, read

COMMANDS: dict[str, tuple[Callable[[commands.Call], commands.Answer], str]] = {
    "init": (commands.init, "write .env and sql/ for Totesys into this folder, overwriting nothing"),
    "migrate": (commands.migrate, "create or upgrade the star and its ledger in the warehouse"),
    "run": (commands.run, "one cycle: extract, transform, load"),
    "extract": (commands.extract, "poll the source and land what changed"),
    "transform": (commands.transform, "model what was landed into star rows"),
    "load": (commands.load, "apply star rows to the warehouse"),
    "status": (commands.status, "freshness, last batch, pending, quarantine, what holds a watermark"),
    "demo": (commands.demo, "the whole pipeline on this machine, with a PostgreSQL of its own"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="starlift",
        description="Lift an OLTP PostgreSQL database into a star-schema warehouse, without losing a row.",
    )
    top.add_argument("--version", action="version", version=f"starlift {__version__}")
    sub = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in COMMANDS.items():
        command = sub.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.add_argument("--json", action="store_true", help="answer with one JSON object")
        if name == "run":
            command.add_argument("--every", type=_interval, metavar="5m", help="repeat until SIGTERM")
        if name in ("run", "transform", "load"):
            command.add_argument("--strict", action="store_true", help="exit 3 if a row was quarantined")
        if name == "demo":
            command.add_argument("--folder", type=Path, default=Path(".demo"), help="where its state is")
            command.add_argument("--clean", action="store_true", help="stop its server, remove its state")
    return top


def _interval(text: str) -> float:
    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. No deliberate error shows a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    arguments = parser().parse_args(argv)
    command, _ = COMMANDS[arguments.command]
    try:
        settings = Settings({}) if arguments.command == "demo" else read(Path.cwd())
        answer = command(commands.Call(Pipeline(settings), arguments, _Progress()))
    except StarliftError as error:
        answer = commands.failed(error)
    except KeyboardInterrupt:
        return 130
    print_answer(answer, as_json=arguments.json)
    return answer.exit_code


def print_answer(answer: commands.Answer, *, as_json: bool) -> None:
    try:
        if as_json:
            print(json.dumps(answer.document, ensure_ascii=False), flush=True)  # noqa: T201
        elif answer.text:
            print(answer.text, flush=True)  # noqa: T201
        for error in answer.errors:
            print(commands.error_text(error), file=sys.stderr, flush=True)  # noqa: T201
    except BrokenPipeError:
        # the reader of a pipe (head, less) has seen enough; keep Python from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Progress:
    """Tells stderr of long work: a line a table and stage, at most one a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, stage: str, table: str, rows: int) -> None:
        import time

        now = time.monotonic()
        if self._last and now - self._last < 1:
            return
        self._last = now
        print(f"{stage} {table}: {rows:,} rows", file=sys.stderr, flush=True)  # noqa: T201

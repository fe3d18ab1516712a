"""The command line: `starlift COMMAND`. stdout is the answer, stderr is progress and logs."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from starlift import __version__
from starlift.bootstrap import Pipeline
from starlift.core.units import duration
from starlift.entrypoints import commands
from starlift.entrypoints.answers import Answer, failed
from starlift.entrypoints.interrupting import interruptions_kept
from starlift.entrypoints.terminal import make_printable, print_answer, say, tell
from starlift.errors import ConfigurationError, StarliftError
from starlift.settings import Settings, read

COMMANDS: dict[str, tuple[Callable[[commands.Call], Answer], str]] = {
    "init": (
        commands.init,
        "write .env and sql/ into this folder, overwriting nothing: for Totesys, or for --source",
    ),
    "migrate": (commands.migrate, "create or upgrade the star and its ledger in the warehouse"),
    "run": (commands.run, "one cycle: extract, transform, load"),
    "reconcile": (
        commands.reconcile,
        "cycles that compare the source's keys with the warehouse's: rows deleted, or changed unseen",
    ),
    "extract": (commands.extract, "poll the source and land what changed"),
    "transform": (commands.transform, "model what was landed into star rows"),
    "load": (commands.load, "apply star rows to the warehouse"),
    "status": (commands.status, "freshness, last batch, pending, quarantine, what holds a watermark"),
    "doctor": (commands.doctor, "look at source, warehouse and lakes for faults, each with its remedy"),
    "runs": (commands.runs, "the newest batches: rows, seconds and lag of each"),
    "quarantine": (
        commands.quarantine,
        "rows that wait: list, show, retry or drop them, or release a batch that is held for them",
    ),
    "rebuild": (commands.rebuild, "make the star again, from what was landed, by the models of today"),
    "verify": (
        commands.verify,
        "compare source, ledger and star, row by row: what differs, by table and key",
    ),
    "verify-log": (
        commands.verify_log,
        "read both lakes from end to end: the first object that is missing, edited or exchanged",
    ),
    "checkpoint": (
        commands.checkpoint,
        "a cycle that reads every table whole, into a batch with which rebuild and replay may begin",
    ),
    "gc": (commands.gc, "remove from the lakes what no manifest names, and what is before a checkpoint"),
    "replay": (commands.replay, "make the star once more, from the processed lake, in a schema of its own"),
    "demo": (commands.demo, "the whole pipeline on this machine, with a PostgreSQL of its own"),
}

WITHOUT_SETTINGS = ("init", "demo")
"""Commands that make settings, or have their own: a `.env` that is half written is not in their way."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class _Parser(argparse.ArgumentParser):
    """Reports a wrong word like any other error, so that it has a hint, and `--json` holds."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message, f"{self.prog} --help")

    def print_help(self, _file: object = None) -> None:
        say(self.format_help().rstrip())


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line. It raises ConfigurationError for a wrong word."""
    top = _Parser(
        prog="starlift",
        description="Lift an OLTP PostgreSQL database into a star-schema warehouse, without losing a row.",
        epilog="exit codes: 0 done or nothing to do, 1 unexpected, 2 configuration, 3 rows quarantined (with "
        "--strict), 4 look first, 5 unreachable or refused, 6 another run won, 7 the source's shape changed",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"starlift {__version__}")
    top.add_argument("--json", action="store_true", help="answer with one JSON object")
    sub = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in COMMANDS.items():
        description = text[0].upper() + text[1:] + "."
        command = sub.add_parser(name, help=text, description=description, allow_abbrev=False)
        _add_json(command)
        _add_options(name, command)
    return top


def _add_json(command: argparse.ArgumentParser) -> None:
    # suppressed, or it would undo a --json before the command
    text = "answer with one JSON object"
    command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=text)


def _add_options(name: str, command: argparse.ArgumentParser) -> None:
    if name == "init":
        _add_init_options(command)
    if name == "run":
        command.add_argument(
            "--every",
            type=_interval,
            metavar="5m",
            help="go on with a cycle every 5 minutes (30s, 5m, 1h) until SIGTERM or Ctrl-C, which wait for "
            "the batch; with --json a line a cycle",
        )
    if name == "reconcile":
        _add_reconcile_options(command)
    if name in ("run", "extract", "transform", "load"):
        command.add_argument(
            "--for",
            dest="budget",
            type=_interval,
            metavar="10m",
            help="end between two batches when 10 minutes are over; what is left is for the next run",
        )
    if name in ("run", "transform", "load"):
        command.add_argument("--strict", action="store_true", help="exit 3 if a row was quarantined")
    if name == "runs":
        command.add_argument(
            "--last", type=_count, default=20, metavar="N", help="so many batches (20 if nothing is said)"
        )
    if name == "quarantine":
        _add_quarantine_words(command)
    if name == "rebuild":
        command.add_argument(
            "models", nargs="*", metavar="MODEL", help="a model that has changed: then no other may have"
        )
        command.add_argument(
            "--release", action="store_true", help="however many rows of a batch go into quarantine"
        )
        command.add_argument(
            "--from-checkpoint",
            type=int,
            metavar="SEQ",
            help="let the star's history begin with this batch, and go of what was before",
        )
    if name == "verify":
        command.add_argument(
            "--deep",
            action="store_true",
            help="also make the star once more from the processed lake, and compare every table and view",
        )
    if name == "gc":
        _add_gc_options(command)
    if name == "replay":
        command.add_argument(
            "--into",
            required=True,
            metavar="SCHEMA",
            help="a schema that is new, empty, or was replayed into",
        )
    if name == "demo":
        command.add_argument("--folder", type=Path, default=Path(".demo"), help="where its state is")
        command.add_argument("--clean", action="store_true", help="stop its server, remove its state")


def _add_init_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--source",
        nargs="?",
        const="",
        metavar="URL",
        help="the database to draft a first sql/ for; without a URL that of STARLIFT_SOURCE_URL, where no "
        "process list and no history shows the password",
    )
    for option, text in (
        ("schema", "a schema of it to take, instead of all"),
        ("fact", "a table of it to draft a fact for"),
        ("dimension", "a table of it to draft a dimension for"),
    ):
        command.add_argument(
            f"--{option}", action="append", default=[], metavar="NAME", help=f"{text}; may be repeated"
        )


def _add_quarantine_words(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    words = {}
    for action, text in (
        ("list", "the rows that wait, with their reasons, and those that were dropped"),
        ("show", "one row, whole"),
        ("retry", "read rows again from the source, and run a cycle; all that wait where none is named"),
        ("drop", "give rows up, with a reason that is kept, and run a cycle"),
        ("release", "let a batch through that is held because too many of its rows wait"),
    ):
        description = text[0].upper() + text[1:] + "."
        words[action] = actions.add_parser(action, help=text, description=description, allow_abbrev=False)
        _add_json(words[action])
    for action, number in (("list", "?"), ("show", None), ("retry", "?"), ("drop", None)):
        words[action].add_argument("table", nargs=number, metavar="TABLE", help="a source table")
    for action, number in (("show", None), ("retry", "*"), ("drop", "+")):
        words[action].add_argument("key", nargs=number, metavar="KEY", help="as listed; 7 for (7)")
    words["drop"].add_argument("--reason", required=True, metavar="TEXT", help="why")
    words["release"].add_argument("seq", nargs="+", type=int, metavar="SEQ", help="the batch's number")


def _add_reconcile_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("table", nargs="*", metavar="TABLE", help="a source table; without any, all")
    command.add_argument(
        "--confirm",
        action="append",
        default=[],
        type=int,
        metavar="SEQ",
        help="let this batch delete as much as the source no longer has",
    )
    command.add_argument(
        "--release",
        action="append",
        default=[],
        type=int,
        metavar="SEQ",
        help="let however many rows of this batch go into quarantine",
    )
    command.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="TABLE",
        help="take this table in the shape it now has, and read it whole",
    )


def _add_gc_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="name what would go, and remove nothing")
    command.add_argument(
        "--older-than",
        type=_age,
        default="24h",
        metavar="24h",
        help="only what was stored so long ago (30s, 5m, 1h; 24h if nothing is said)",
    )
    command.add_argument(
        "--before",
        type=int,
        metavar="SEQ",
        help="also all batches before this checkpoint, however old: their history cannot be made again",
    )


def _age(text: str) -> float:
    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of batches; write 1 or more")
    return int(text)


def _interval(text: str) -> float:
    try:
        seconds = duration(text).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than a second; write 1s or more")
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. No deliberate error shows a traceback."""
    make_printable()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    words = sys.argv[1:] if argv is None else list(argv)
    as_json = "--json" in words
    try:
        with interruptions_kept():
            answer = _carry_out(words)
    except StarliftError as error:
        answer = failed(error)
    except KeyboardInterrupt:
        tell("starlift: interrupted; nothing is half written, go on with: starlift run")
        answer = Answer({"error": _INTERRUPTION}, code=INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - reported whole, and the exit code says so
        answer = commands.unforeseen(error)
    print_answer(answer, as_json=as_json)
    return answer.exit_code


_INTERRUPTION = {
    "code": "interrupted",
    "message": "interrupted; nothing is half written",
    "hint": "starlift run",
}


def _carry_out(words: Sequence[str]) -> Answer:
    arguments = parser().parse_args(words)
    command, _ = COMMANDS[arguments.command]
    settings = Settings({}) if arguments.command in WITHOUT_SETTINGS else read(Path())
    return command(commands.Call(Pipeline(settings), arguments))

"""Time starlift beside sling, dlt and the floors, on a PostgreSQL of its own.

    python -m bench.speed [--orders 1000000] [--times 3] [--only starlift,sling] [--cases first,poll]

The first run installs the peers, a minute or two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.postgres import PostgresForTests, server_of_this_process
from tests.versions.choice import chosen

from bench.peers.environments import is_made
from bench.speed import bounded, moto_s3
from bench.speed.chart import svg
from bench.speed.contenders import CONTENDERS, USUAL
from bench.speed.figures import figures
from bench.speed.machine import machine
from bench.speed.metering import STATEMENTS
from bench.speed.results_text import document
from bench.speed.rounds import FIRST, INCREMENT, POLL, Plan, Sample, play
from bench.speed.table import line, table
from starlift.adapters.embedded import EmbeddedServer
from starlift.core.units import size

HERE = Path(__file__).parents[1]
NARROWING = ("orders", "times", "increments", "only", "cases", "statements")
CASES = {"first": FIRST, "increment": INCREMENT, "poll": POLL}
SETTINGS = {"autovacuum": "off", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}
"""Vacuum and checkpoints come between the runs, not in the middle of somebody's. All else is PostgreSQL's
default: commits are durable."""


def main(words: Sequence[str] | None = None) -> int:
    """Run as the command line says. Return the exit code: 1 where a copy was wrong."""
    parser = _parser()
    options = parser.parse_args(words)
    if options.write == HERE and any(
        getattr(options, name) != parser.get_default(name) for name in NARROWING
    ):
        parser.error("bench/RESULTS.md is written of everything; of less: --write FOLDER")
    options.write.mkdir(parents=True, exist_ok=True) if options.write else None
    return _ten_times(options) if options.ten_million else _side_by_side(options)


def _side_by_side(options: argparse.Namespace) -> int:
    names = options.only
    if options.lake == "s3" and "s3" not in names:
        names = [*names[:1], "s3", *names[1:]]
    for peer in {"dlt", "sling"}.intersection(names):
        if not is_made(peer):
            print(f"installing {peer}, once", file=sys.stderr)  # noqa: T201
    plan = Plan(
        names,
        options.orders,
        options.times,
        options.increments,
        options.cases,
        statements=options.statements,
        say=_tell,
    )
    at_start = machine()
    with ExitStack() as stack:
        if "s3" in names:
            plan = replace(plan, endpoint=stack.enter_context(moto_s3.server()))
        outcome = play(stack.enter_context(postgres_of_this_process(options.statements > 0)), plan)
    print(table(outcome, at_start))  # noqa: T201
    if options.write:
        (options.write / "RESULTS.md").write_text(document(outcome, at_start))
        (options.write / "results.svg").write_text(svg(figures(outcome)))
    return 1 if any(sample.wrong for sample in outcome.samples) else 0


def _ten_times(options: argparse.Namespace) -> int:
    at_start = machine()
    with postgres_of_this_process() as postgres:
        loads = bounded.play(postgres, options.orders, options.limit_memory, options.seed)
    told = bounded.table(loads, at_start, options.limit_memory)
    print(told)  # noqa: T201
    if options.write:
        (options.write / "LARGE.md").write_text(told)
    return 1 if any(load.wrong for load in loads) else 0


@contextmanager
def postgres_of_this_process(telling: bool = False) -> Iterator[PostgresForTests]:
    """A server for a block, of the version that STARLIFT_TEST_POSTGRES names. telling: its statements."""
    settings = {**SETTINGS, **STATEMENTS} if telling else SETTINGS
    with server_of_this_process(lambda folder: EmbeddedServer(folder, settings, programs=chosen())) as server:
        postgres = PostgresForTests(server)
        yield postgres
        postgres.close()


def _parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    options.add_argument("--orders", type=int, default=1_000_000, help="sales orders of the source")
    options.add_argument("--times", type=int, default=3, help="rounds")
    options.add_argument("--increments", type=int, default=3, help="increments, and polls, of a round")
    options.add_argument("--only", type=_names, default=list(USUAL), metavar="starlift,sling,...")
    options.add_argument("--cases", type=_cases, default=list(CASES.values()), metavar="first,increment,poll")
    options.add_argument(
        "--statements", type=int, default=0, help="have the server tell as many of its costliest statements"
    )
    options.add_argument("--lake", choices=("folder", "s3"), default="folder", help="s3: that one as well")
    options.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=HERE,
        metavar="FOLDER",
        help="RESULTS.md; without FOLDER bench/",
    )
    options.add_argument(
        "--ten-million", action="store_true", help="ten times --orders, by starlift alone, in bounded memory"
    )
    options.add_argument("--limit-memory", type=size, default=size("512MB"), help="of --ten-million")
    options.add_argument("--seed", type=int, default=1, help="of the moments at which --ten-million kills")
    return options


def _names(text: str) -> list[str]:
    return _known(text, CONTENDERS)


def _cases(text: str) -> list[str]:
    return [CASES[word] for word in _known(text, CASES)]


def _known(text: str, known: Collection[str]) -> list[str]:
    found = text.split(",")
    if unknown := [name for name in found if name not in known]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
    return found


def _tell(sample: Sample) -> None:
    print(line(sample), file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

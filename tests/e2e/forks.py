"""Runs cycles in forked processes: `python -m tests.e2e.forks` reads a command a line and answers each
with a line of JSON. A fork spares a cycle the second that its imports take, so hundreds can be killed.

    run 2 0.1           two `starlift run --json`, 0.1 s after one another: a list of {code, stdout, stderr}
    kill processed 17   a cycle that kills itself at its 17th step there: {code, step}; -9 if it came so far
    kill_hurried ...    the same of a cycle whose time is short
    kill_rebuild ...    the same of a rebuild
    at_once [...]       several commands at once, each of which may be killed: see `Work`
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from starlift.entrypoints import cli, local, rebuilding
from starlift.errors import StarliftError
from starlift.settings import read
from starlift.stages.watch import UNWATCHED, Watch
from tests.e2e.dying import DyingPipeline, Fuse, Recorder
from tests.e2e.judge import Keeper

BEFOREHAND = (
    "duckdb pandas pyarrow.compute pyarrow.json pyarrow.parquet starlift.adapters.duckdb_engine "
    "starlift.stages.approval starlift.stages.load starlift.stages.readiness starlift.stages.rebuild "
    "starlift.stages.star_batch starlift.stages.transform"
)
"""What a cycle imports when it comes to it; here once, so that no fork has to."""


def forked(work: Callable[[], int], out: int, err: int) -> int:
    """Do some work in another process, with its stdout and stderr sent elsewhere. Return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        code = work()
    except BaseException:  # noqa: BLE001 - what a process does that ends by an exception
        sys.excepthook(*sys.exc_info())
    finally:
        leave(code)


def leave(code: int) -> NoReturn:
    """End this process without what the first one has registered for its end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def ended(child: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_together(number: str, apart: str) -> list[dict[str, Any]]:
    """Run some `starlift run` some seconds after one another, or all at the same time."""
    held, start = os.pipe()

    def work(place: int) -> int:
        os.close(start)
        os.read(held, 1)  # returns when the last writer has closed
        time.sleep(place * float(apart))
        return cli.main(["run", "--json"])

    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder, f"out{n}") for n in range(int(number))]
        errs = [Path(folder, f"err{n}") for n in range(int(number))]
        children = []
        for place, (out, err) in enumerate(zip(outs, errs, strict=True)):
            with out.open("wb") as into, err.open("wb") as aside:
                children.append(forked(partial(work, place), into.fileno(), aside.fileno()))
        os.close(held)
        os.close(start)
        codes = [ended(child) for child in children]
        return [
            {"code": code, "stdout": out.read_text(), "stderr": err.read_text()}
            for code, out, err in zip(codes, outs, errs, strict=True)
        ]


def cycle_errors(pipeline: DyingPipeline) -> Sequence[StarliftError]:
    """Run a cycle; return what went wrong."""
    return local.cycle(pipeline).errors


class Hurried(Watch):
    """Has a limit of time that never comes."""

    hurried = True


def hurried_errors(pipeline: DyingPipeline) -> Sequence[StarliftError]:
    """Run a cycle whose time is short; return what went wrong."""
    return local.cycle(pipeline, Hurried()).errors


def rebuild_errors(pipeline: DyingPipeline) -> Sequence[StarliftError]:
    """Rebuild; return what went wrong."""
    try:
        return rebuilding.answer(pipeline, (), UNWATCHED).errors
    except StarliftError as error:
        return (error,)


def kill_at(
    place: str, step: str, run: Callable[[DyingPipeline], Sequence[StarliftError]] = cycle_errors
) -> dict[str, Any]:
    """Run something that kills itself at a step, if it has so many."""
    heard, tell = os.pipe()

    def work() -> int:
        fuse = Fuse(place, int(step), tell)
        fuse.watch_names()
        errors = run(DyingPipeline(read(Path.cwd()), fuse))
        for error in errors:
            sys.stderr.write(f"{error}\n")
        return len(errors)

    child = forked(work, 2, 2)
    os.close(tell)
    code = ended(child)
    with os.fdopen(heard) as name:
        return {"code": code, "step": name.read()}


def at_once(*described: str) -> list[dict[str, Any]]:
    """Run commands at the same time, as `Work` describes them in JSON; say of each how it ended."""
    works = json.loads(" ".join(described))
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        children, heard = [], []
        for number, work in enumerate(works):
            out, err = (Path(scratch, f"{name}{number}") for name in ("out", "err"))
            ear, tell = os.pipe()
            fuse = Recorder(tell) if work["record"] else Fuse(work["place"], work["step"], tell, work["kind"])
            with out.open("wb") as into, err.open("wb") as aside:
                children.append(forked(partial(command, work, fuse), into.fileno(), aside.fileno()))
            os.close(tell)
            heard.append((stack.enter_context(os.fdopen(ear)), out, err))
        began = time.monotonic()
        for child, work in sorted(
            zip(children, works, strict=True), key=lambda pair: float(pair[1]["after"])
        ):
            if work["after"]:
                time.sleep(max(work["after"] - (time.monotonic() - began), 0))
                os.kill(child, signal.SIGKILL)  # one that has ended is there until it is waited for
        codes = [ended(child) for child in children]
        return [
            {"code": code, "step": steps.read(), "stdout": out.read_text(), "stderr": err.read_text()}
            for code, (steps, out, err) in zip(codes, heard, strict=True)
        ]


def command(work: dict[str, Any], fuse: Fuse) -> int:
    """Run a `starlift` command with a fuse in its pipeline."""
    fuse.watch_names()
    keeper = Keeper(Path(work["keep"]), os.environ["STARLIFT_SOURCE_URL"])
    vars(cli)["Pipeline"] = partial(DyingPipeline, fuse=fuse, keeper=keeper)
    return cli.main([*work["words"], "--json"])


COMMANDS: dict[str, Callable[..., Any]] = {
    "run": run_together,
    "at_once": at_once,
    "kill": kill_at,
    "kill_hurried": partial(kill_at, run=hurried_errors),
    "kill_rebuild": partial(kill_at, run=rebuild_errors),
}


def main() -> None:
    """Serve until stdin ends."""
    for module in BEFOREHAND.split():
        importlib.import_module(module)
    for line in sys.stdin:
        command, *words = line.split()
        answer = COMMANDS[command](*words)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

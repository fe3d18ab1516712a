"""What each command does: build the parts, run the stages, say what happened."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from starlift.bootstrap import Pipeline
from starlift.entrypoints import local
from starlift.entrypoints.moved import moved_text
from starlift.errors import ConfigurationError, StarliftError, worst
from starlift.stages.cycle import Cycle


@dataclass(frozen=True)
class Call:
    """One invocation: the pipeline, the arguments, and whom to tell of progress."""

    pipeline: Pipeline
    arguments: Namespace
    progress: Callable[[str, str, int], None]


@dataclass(frozen=True)
class Answer:
    """What a command says: an object for machines, text for people, errors for stderr."""

    document: Mapping[str, Any]
    text: str = ""
    errors: tuple[StarliftError, ...] = ()
    code: int = 0

    @property
    def exit_code(self) -> int:
        """By the contract: of several causes the first of 5, 2, 7, 4, 3."""
        return worst([error.exit_code for error in self.errors] + [self.code])


def failed(error: StarliftError) -> Answer:
    """Return the answer to a command that could not be carried out."""
    return Answer({"error": error_document(error)}, errors=(error,))


def error_document(error: StarliftError) -> dict[str, str]:
    """Return an error as `--json` shows it."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def error_text(error: StarliftError) -> str:
    """Return an error as a person reads it; the command to type comes last."""
    lead = f"starlift: {error.message}"
    return f"{lead}\n  {error.hint}" if error.hint and error.exit_code != 6 else lead


def init(_call: Call) -> Answer:
    """Write `.env` and `sql/` for Totesys into the working folder, overwriting nothing."""
    from starlift.entrypoints.initialise import write_project

    written, kept = write_project(Path.cwd())
    lines = [f"wrote {name}" for name in written] + [f"kept  {name}" for name in kept]
    lines.append("Next: fill in .env, then: starlift migrate && starlift run")
    return Answer({"written": written, "kept": kept}, "\n".join(lines))


def migrate(call: Call) -> Answer:
    """Create or upgrade the star and its ledger."""
    with call.pipeline.warehouse as warehouse:
        applied = warehouse.migrate(call.pipeline.models)
    text = "\n".join(f"applied {name}" for name in applied) or "the warehouse is up to date"
    return Answer({"applied": list(applied)}, text)


def extract(call: Call) -> Answer:
    """Poll the source once."""
    run = local.new_run(call.pipeline, call.progress)
    extracted = local.extract(call.pipeline, run)
    document = Cycle(run.run_id, extracted=extracted).document()
    document["outcome"] = "extracted" if extracted.kind else "nothing"
    return Answer(document, moved_text(document))


def transform(call: Call) -> Answer:
    """Transform every pending batch."""
    run_id = local.new_run(call.pipeline, call.progress).run_id
    return _cycle_answer(Cycle(run_id, transformed=local.transform(call.pipeline)), call)


def load(call: Call) -> Answer:
    """Apply every pending batch."""
    run_id = local.new_run(call.pipeline, call.progress).run_id
    return _cycle_answer(Cycle(run_id, loaded=local.load(call.pipeline)), call)


def run(call: Call) -> Answer:
    """Run one cycle, or one every interval until SIGTERM."""
    if call.arguments.every is None:
        return _cycle_answer(local.cycle(call.pipeline, call.progress), call)
    return _run_every(call)


def _cycle_answer(cycle: Cycle, call: Call) -> Answer:
    document = cycle.document()
    if cycle.errors:
        document["error"] = error_document(cycle.errors[0])
    code = 3 if call.arguments.strict and cycle.quarantined else 0
    return Answer(document, moved_text(document), tuple(cycle.errors), code)


def _run_every(call: Call) -> Answer:
    """Cycle until SIGTERM or SIGINT; a cycle that is under way is finished first.

    A failure is reported and the next cycle tries again, because the manifests are the state: nothing is
    lost by it. Only a configuration that cannot work ends the loop.
    """
    from starlift.entrypoints.cli import print_answer

    stop = threading.Event()

    def finish(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, finish)
    answer = Answer({})
    while not stop.is_set():
        answer = _cycle_answer(local.cycle(call.pipeline, call.progress), call)
        if answer.exit_code == ConfigurationError.exit_code:
            return answer
        print_answer(answer, as_json=call.arguments.json)
        stop.wait(call.arguments.every)
    return Answer(answer.document, "stopped after a whole batch")


def status(call: Call) -> Answer:
    """Say how fresh the warehouse is and what stands in the way."""
    from starlift.entrypoints.status import report

    with call.pipeline.warehouse as warehouse:
        return report(call.pipeline, warehouse)


def demo(call: Call) -> Answer:
    """Play the demo, or take it away."""
    from starlift.demo import clean, play

    folder = call.arguments.folder
    if call.arguments.clean:
        removed = clean(folder)
        text = f"removed {folder}" if removed else f"there is no demo in {folder}"
        return Answer({"removed": removed}, text)
    quiet = call.arguments.json
    return Answer(play(folder, _nothing if quiet else _say))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the demo's answer, while it is made


def _nothing(_text: str) -> None:
    """Say nothing: the answer is one JSON object."""

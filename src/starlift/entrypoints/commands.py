"""What each command does: build the parts, run the stages, say what happened."""

from __future__ import annotations

import logging
import secrets
import signal
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from starlift.bootstrap import Pipeline
from starlift.entrypoints.answers import table
from starlift.errors import ConfigurationError, StarliftError, worst
from starlift.stages.cycle import Cycle, Stages, run_cycle
from starlift.stages.extract import Extracted, Run

if TYPE_CHECKING:
    from starlift.ports import Loaded
    from starlift.stages.transform import Transformed

_logger = logging.getLogger("starlift")


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
    run = _new_run(call)
    extracted = _extract(call, run)
    document = Cycle(run.run_id, extracted=extracted).document()
    document["outcome"] = "extracted" if extracted.kind else "nothing"
    return Answer(document, _moved(document))


def transform(call: Call) -> Answer:
    """Transform every pending batch."""
    cycle = Cycle(_new_run(call).run_id, transformed=_transform(call))
    return _cycle_answer(cycle, call)


def load(call: Call) -> Answer:
    """Apply every pending batch."""
    cycle = Cycle(_new_run(call).run_id, loaded=_load(call))
    return _cycle_answer(cycle, call)


def run(call: Call) -> Answer:
    """Run one cycle, or one every interval until SIGTERM."""
    if call.arguments.every is None:
        return _cycle_answer(_cycle(call), call)
    return _run_every(call)


def _cycle(call: Call) -> Cycle:
    run = _new_run(call)
    stages = Stages(lambda: _extract(call, run), lambda: _transform(call), lambda: _load(call))
    return run_cycle(run.run_id, stages)


def _new_run(call: Call) -> Run:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Run(f"{stamp}-{secrets.token_hex(4)}", call.pipeline.code_version, call.progress)


def _extract(call: Call, run: Run) -> Extracted:
    from starlift.stages.extract import extract as poll

    with call.pipeline.source as source:
        extracted = poll(source, call.pipeline.ingestion, call.pipeline.config, run)
    for name, columns in extracted.unnamed.items():
        _logger.warning(
            "columns %s of table %s are neither taken nor dropped; "
            "name them under [tables.%s], then: starlift run",
            ", ".join(columns),
            name,
            name,
        )
    return extracted


def _transform(call: Call) -> list[Transformed]:
    from starlift.stages.transform import transform as process

    pipeline = call.pipeline
    return list(
        process(
            pipeline.ingestion, pipeline.processed, pipeline.models, pipeline.engine, pipeline.code_version
        )
    )


def _load(call: Call) -> list[Loaded]:
    from starlift.stages.load import load as apply

    with call.pipeline.warehouse as warehouse:
        return list(apply(call.pipeline.processed, warehouse))


def _cycle_answer(cycle: Cycle, call: Call) -> Answer:
    document = cycle.document()
    if cycle.errors:
        document["error"] = error_document(cycle.errors[0])
    code = 3 if call.arguments.strict and cycle.quarantined else 0
    return Answer(document, _moved(document), tuple(cycle.errors), code)


def _moved(document: Mapping[str, Any]) -> str:
    """Say what a cycle moved: one table for the source, one for the star, one sentence."""
    read = [[t, c["mode"], c["read"], c["rejected"]] for t, c in document["tables"].items() if c["read"]]
    star = [[name, *counts.values()] for name, counts in document["star"].items() if any(counts.values())]
    parts = []
    if read:
        parts.append(table(["source table", "mode", "rows read", "rejected"], read))
    if star:
        header = ["star table", "inserted", "updated", "versions", "unchanged", "tombstones"]
        parts.append(table(header, star))
    parts.append(_sentence(document))
    return "\n\n".join(parts)


def _sentence(document: Mapping[str, Any]) -> str:
    seconds = ", ".join(f"{stage} {took:.2f} s" for stage, took in document["seconds"].items())
    timing = f" ({seconds})" if seconds else ""
    outcome = document["outcome"]
    if outcome == "nothing":
        return f"nothing changed since batch {document['seq']}{timing}"
    text = f"batch {document['seq']} {outcome}, complete to {document['complete_to']}{timing}"
    if document["quarantined"]:
        text += f"\n{document['quarantined']} rows in quarantine; see them: starlift status"
    return text


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
        answer = _cycle_answer(_cycle(call), call)
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
    """The whole pipeline on this machine."""
    from starlift.demo import clean, play

    folder = call.arguments.folder
    return Answer({"removed": clean(folder)}) if call.arguments.clean else Answer(play(folder))

"""What each command does: build the parts, run the stages, say what happened."""

from __future__ import annotations

import traceback
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from starlift.bootstrap import Pipeline
from starlift.entrypoints import alone, local
from starlift.entrypoints.answers import Answer, failed, printable, without_passwords
from starlift.entrypoints.moved import moved_text
from starlift.entrypoints.repeat import Interruption, repeat
from starlift.entrypoints.terminal import Progress, print_answer, say, tell
from starlift.entrypoints.working import Working
from starlift.errors import ConfigurationError, StarliftError
from starlift.stages import chain
from starlift.stages.cycle import Cycle
from starlift.stages.extract import Reconciliation


@dataclass(frozen=True)
class Call:
    """One invocation: the pipeline and the arguments."""

    pipeline: Pipeline
    arguments: Namespace


def init(call: Call) -> Answer:
    """Write `.env` and `sql/` into the working folder, for Totesys or `--source`, overwriting nothing."""
    from starlift.entrypoints import initialise

    asked = call.arguments
    if asked.source is None:
        if asked.schema or asked.fact or asked.dimension:
            raise ConfigurationError(
                "--schema, --fact and --dimension name parts of a database, but none is named",
                "starlift init --source URL",
            )
        written, kept = initialise.write_project(Path())
        step = f"{'fill in .env, then: ' if '.env' in written else ''}starlift migrate && starlift run"
    else:
        from starlift.entrypoints.drafting import next_step, source_of

        dsn, url = source_of(asked.source)
        wanted = initialise.Wanted(dsn, url, asked.schema, asked.fact, asked.dimension)
        written, kept = initialise.write_draft(Path(), wanted)
        step = next_step(Path(), url)
    lines = [
        f"{verb} {name}" for verb, names in (("wrote", written), ("kept ", kept)) for name in _tops(names)
    ]
    lines.append(f"Next: {step}")
    return Answer({"written": written, "kept": kept}, "\n".join(lines))


def _tops(names: Sequence[str]) -> list[str]:
    """The files as such, folders with the number of files in them."""
    count = Counter(name.split("/")[0] for name in names)
    folders = {name.split("/")[0] for name in names if "/" in name}
    return [
        f"{name}/ ({number} file{'' if number == 1 else 's'})" if name in folders else name
        for name, number in count.items()
    ]


def migrate(call: Call) -> Answer:
    """Create or upgrade the star and its ledger."""
    with call.pipeline.warehouse as warehouse:
        applied = warehouse.migrate(call.pipeline.models)
    text = "\n".join(f"applied {name}" for name in applied) or "the warehouse is up to date"
    return Answer({"applied": list(applied)}, text)


def extract(call: Call) -> Answer:
    """Poll the source once."""
    cycle = Cycle(local.new_run(call.pipeline).run_id)
    with Working(call.arguments.budget) as progress:
        alone.extract(cycle, call.pipeline, progress)
    return _cycle_answer(cycle)


def transform(call: Call) -> Answer:
    """Transform every pending batch."""
    cycle = Cycle(local.new_run(call.pipeline).run_id)
    with Working(call.arguments.budget) as progress:
        alone.transform(cycle, call.pipeline, progress)
    return _cycle_answer(cycle, strict=call.arguments.strict)


def load(call: Call) -> Answer:
    """Apply every pending batch."""
    cycle = Cycle(local.new_run(call.pipeline).run_id)
    with Working(call.arguments.budget) as progress:
        alone.load(cycle, call.pipeline, progress)
    return _cycle_answer(cycle, strict=call.arguments.strict)


def run(call: Call) -> Answer:
    """Run one cycle, or one every interval until SIGTERM."""
    return _run_once(call) if call.arguments.every is None else _run_every(call)


def _run_once(call: Call, interruption: Interruption | None = None) -> Answer:
    with Working(call.arguments.budget, interruption) as progress:
        return _cycle_answer(local.cycle(call.pipeline, progress), strict=call.arguments.strict)


def _cycle_answer(cycle: Cycle, *, strict: bool = False) -> Answer:
    document = cycle.document()
    code = 3 if strict and cycle.quarantined else 0
    return Answer(document, moved_text(document), tuple(cycle.errors), code)


def reconcile(call: Call) -> Answer:
    """Compare the source's keys with the ledger, and bring the star to what the source has."""
    from starlift.stages.reconcile import reconcile as until_equal

    asked = call.arguments
    known = call.pipeline.config.tables
    if unknown := sorted({*asked.table, *asked.accept} - known.keys()):
        raise ConfigurationError(
            f"{call.pipeline.settings.config} declares no table {', '.join(unknown)}; "
            f"it has {', '.join(known)}",
            "starlift reconcile",
        )
    plain = not (asked.table or asked.accept or asked.confirm or asked.release)
    first = Reconciliation(
        tables=frozenset(known if plain else asked.table),
        accept=frozenset(asked.accept),
        new_server=plain,
    )
    with Working() as progress:

        def cycle(wish: Reconciliation) -> Cycle:
            return local.cycle(call.pipeline, progress, wish, asked.confirm, asked.release)

        cycles = until_equal(cycle, first)
    last = _cycle_answer(cycles[-1])
    document = {**(last.document or {}), "cycles": [cycle.document() for cycle in cycles]}
    text = "\n\n".join(filter(None, (moved_text(cycle.document()) for cycle in cycles)))
    return Answer(document, text, last.errors)


def _run_every(call: Call) -> Answer:
    """Cycle until SIGTERM or SIGINT; a cycle that is under way is finished first, a read in chunks is not.

    Each cycle reads configuration and models anew: somebody may work on them, and rebuild, meanwhile. A
    failure is reported and the next cycle tries again, because the manifests are the state: nothing is
    lost by it. Only a configuration that does not work from the start ends the loop, with its exit code.
    """
    last, worked = Answer(None), False

    def once(interruption: Interruption) -> bool:
        nonlocal last, worked
        last = _reported(replace(call, pipeline=Pipeline(call.pipeline.settings)), interruption)
        print_answer(last, as_json=call.arguments.json)
        wrong = last.exit_code == ConfigurationError.exit_code
        worked = worked or not wrong
        return worked

    if repeat(once, call.arguments.every):
        return Answer(None)
    return Answer(None, code=last.exit_code)


def _reported(call: Call, interruption: Interruption) -> Answer:
    """One cycle of many, whatever it meets: a fault that nobody foresaw is not worth the next cycles."""
    try:
        return _run_once(call, interruption)
    except Exception as error:  # noqa: BLE001 - reported whole
        return unforeseen(error)


def unforeseen(error: Exception) -> Answer:
    """Show the traceback of a fault that no error of starlift stands for, and return the answer to it."""
    trace = without_passwords("".join(traceback.format_exception(error)))
    tell("\n".join(map(printable, trace.split("\n"))))
    return failed(
        StarliftError(
            f"this is a fault of starlift: {type(error).__name__}: {error}",
            "nothing is half written; please report the lines above, and see what there is: starlift status",
        )
    )


def status(call: Call) -> Answer:
    """Say how fresh the warehouse is and what stands in the way."""
    from starlift.entrypoints.status import report

    return report(call.pipeline)


def doctor(call: Call) -> Answer:
    """Look for what a run would meet, and say what mends it."""
    from starlift.entrypoints import doctor as examining

    return examining.report(call.pipeline)


def runs(call: Call) -> Answer:
    """Say what the newest batches moved and how long it took."""
    from starlift.entrypoints import runs as newest

    return newest.report(call.pipeline, call.arguments.last)


def quarantine(call: Call) -> Answer:
    """List quarantined rows, or do with them what a person decides."""
    from starlift.entrypoints import quarantine as waiting

    return waiting.answer(call.pipeline, call.arguments)


def rebuild(call: Call) -> Answer:
    """Make the star again by the models of today."""
    from starlift.entrypoints import rebuilding

    with Progress() as progress:
        asked = call.arguments
        first = asked.from_checkpoint
        return rebuilding.answer(call.pipeline, asked.models, progress, release=asked.release, first=first)


def verify(call: Call) -> Answer:
    """Compare source, ledger and star."""
    from starlift.entrypoints import verifying

    with Progress() as progress:
        return verifying.answer(call.pipeline, progress, deep=call.arguments.deep)


def verify_log(call: Call) -> Answer:
    """Walk the log of both lakes."""
    from starlift.entrypoints import verifying

    with Progress() as progress:
        return verifying.log_answer(call.pipeline, progress)


def replay(call: Call) -> Answer:
    """Make the star once more in a schema of its own."""
    cycle, schema = Cycle(local.new_run(call.pipeline).run_id), call.arguments.into
    with Progress() as progress, cycle.timed("load"):
        cycle.loaded, cycle.applied = local.replay(call.pipeline, schema, progress)
    done = _cycle_answer(cycle)
    first = chain.before_start(call.pipeline.processed, chain.processed) + 1
    begins = f"\nit begins with checkpoint {first}; versions from before are not in it" if first > 1 else ""
    document = {**(done.document or {}), "schema": schema, "first": first}
    return replace(done, document=document, text=done.text + begins)


def checkpoint(call: Call) -> Answer:
    """Run a cycle whose batch has every row of every table."""
    with Progress() as progress:
        wish = Reconciliation(checkpoint=True)
        cycle = local.cycle(call.pipeline, progress, wish)
    done = _cycle_answer(cycle)
    made = cycle.extracted.seq if cycle.extracted and cycle.extracted.kind else None
    told = ""
    if made:
        told = f"\nbatch {made} is a checkpoint: rebuild, replay and verify-log may begin with it"
    return replace(done, document={**(done.document or {}), "checkpoint": made}, text=done.text + told)


def gc(call: Call) -> Answer:
    """Remove from the lakes what no manifest names, and what a person lets go."""
    from starlift.entrypoints import collecting

    asked = call.arguments
    with Progress() as progress:
        return collecting.answer(
            call.pipeline, progress, asked.older_than, asked.before, dry_run=asked.dry_run
        )


def demo(call: Call) -> Answer:
    """Play the demo, or take it away."""
    from starlift.demo import clean, play

    folder = call.arguments.folder
    if call.arguments.clean:
        removed = clean(folder)
        text = f"removed {folder}" if removed else f"there is no demo in {folder}"
        return Answer({"removed": removed}, text)
    quiet = call.arguments.json
    return Answer(play(folder, _nothing if quiet else say))


def _nothing(_text: str) -> None:
    """Say nothing: the answer is one JSON object."""

"""Play simulated histories of the pipeline, or one of them with all that happens in it.

    python -m tests.simulation --seconds 180 --least 2000 --workers 2 [--seed 1]
    python -m tests.simulation --replay SEED [--mutant NAME]
    python -m tests.simulation --mutants 50

Exit code 1 where a history broke a promise, or where none found a mutant.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime

from tests.simulation.mutants import BY_NAME, MUTANTS, Mutant
from tests.simulation.running import Report, hunt, play, run

SHOWN = 5
"""Violations that are told in full."""


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.simulation")
    options.add_argument("--seconds", type=float, default=20, help="play for so long")
    options.add_argument("--least", type=int, default=1, help="but at least so many histories")
    options.add_argument("--most", type=int, help="and no more than so many")
    options.add_argument("--workers", type=int, default=2, help="processes")
    options.add_argument("--seed", type=int, help="of the first history; else of the day")
    options.add_argument("--coverage", action="store_true", help="tell what occurred in how many")
    options.add_argument("--replay", type=int, metavar="SEED", help="play one and print its trace")
    options.add_argument("--mutant", choices=BY_NAME, help="with this breakage")
    options.add_argument("--mutants", type=int, metavar="N", help="play N histories of each mutant")
    asked = options.parse_args()
    if asked.replay is not None:
        return _replay(asked.replay, BY_NAME[asked.mutant] if asked.mutant else None)
    if asked.mutants is not None:
        return _hunt(asked.seed or 0, asked.mutants, asked.workers)
    base = asked.seed if asked.seed is not None else datetime.now(UTC).toordinal() * 1_000_000
    print(f"histories from seed {base} on, {asked.workers} at once", flush=True)
    began = time.monotonic()
    report = run(base, asked.seconds, (asked.least, asked.most), asked.workers)
    if asked.coverage:
        print(*report.lines(), sep="\n")
    _tell(report, time.monotonic() - began)
    return int(bool(report.violations))


def _hunt(base: int, count: int, workers: int) -> int:
    missed = []
    for mutant, found, unsound in hunt(base, count, workers):
        print(f"{mutant.name:18} found by {len(found):3} of {count} histories: {mutant.breaks}", flush=True)
        for seed in unsound:
            print(f"  history {seed} breaks a promise without it")
        if not found or unsound:
            missed.append(mutant.name)
    print(f"{len(MUTANTS)} mutants, not found: {', '.join(missed) or 'none'}")
    return int(bool(missed))


def _replay(seed: int, mutant: Mutant | None) -> int:
    outcome = play(seed, mutant, traced=True)
    print(*outcome.trace, sep="\n")
    print(f"history {seed}: {outcome.violation or 'no violation'}")
    return int(bool(outcome.violation))


def _tell(report: Report, seconds: float) -> None:
    for seed, violation in list(report.violations.items())[:SHOWN]:
        print(f"history {seed}: {violation}\n  replay it: python -m tests.simulation --replay {seed}")
    batches, killed = report.occurred["batches"], report.occurred["killed"]
    print(
        f"{report.seeds:,} simulated histories in {seconds:.0f} s: {batches:,} batches applied and compared, "
        f"{killed:,} runs killed, violations: {len(report.violations)}"
    )


if __name__ == "__main__":
    sys.exit(main())

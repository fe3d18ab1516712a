"""Run the race on an embedded PostgreSQL and print who lost what.

    python -m tests.stress [--seconds 12] [--most 60] [--table]

The exit code is 1 where a law is broken: xid mode has every row, timestamp mode every one that the server
stamped, and each of the other methods, in the same race, has not.
"""

from __future__ import annotations

import argparse
import sys

from tests.postgres import PostgresForTests, server_of_this_process
from tests.stress.race import Outcome, broken_laws, race, raced_table, table


def main() -> int:
    """Race as the command line says. Return the exit code."""
    options = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    options.add_argument("--seconds", type=float, default=12.0, help="of writing")
    options.add_argument(
        "--most", type=float, default=60.0, help="seconds until every control has lost a row"
    )
    options.add_argument("--table", action="store_true", help="print the table alone")
    chosen = options.parse_args()
    with server_of_this_process() as server:
        postgres = PostgresForTests(server)
        with raced_table(postgres) as source:
            outcome = race(source, chosen.seconds, chosen.most)
        postgres.close()
    broken = broken_laws(outcome)
    print(table(outcome) if chosen.table else said(outcome))  # noqa: T201
    print(*broken, sep="\n", end="\n" if broken else "", file=sys.stderr)  # noqa: T201
    return 1 if broken else 0


def said(outcome: Outcome) -> str:
    """Return the table, and beneath it what each method lost by kind of writer."""
    by_kind = "\n".join(
        f"  {kind:10}" + "".join(f"{lost.kinds.get(kind, 0):8,}" for lost in outcome.lost.values())
        for kind in outcome.kinds
    )
    return f"{table(outcome)}\n\n{by_kind}\n\npolls: {outcome.polls}"


if __name__ == "__main__":
    sys.exit(main())

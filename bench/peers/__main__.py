"""Run dlt and sling beside starlift and print what each has wrong.

    python -m bench.peers [--all] [--table]

--all: also the other settings that the peers offer. The first run installs the peers, a minute or two.
"""

from __future__ import annotations

import argparse
import sys

from tests.postgres import PostgresForTests, server_of_this_process

from bench.peers.environments import is_made
from bench.peers.tools import CHOICES, USUAL
from bench.peers.trial import Trial, attempt, table


def main() -> int:
    """Run the trial as the command line says. Return the exit code: 1 where starlift has a row wrong."""
    options = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    options.add_argument("--all", action="store_true", help="also other settings of the peers")
    options.add_argument("--table", action="store_true", help="print the table alone")
    chosen = options.parse_args()
    for peer in ("dlt", "sling"):
        if not is_made(peer):
            print(f"installing {peer}, once; this may take longer than all the rest", file=sys.stderr)  # noqa: T201
    with server_of_this_process() as server:
        postgres = PostgresForTests(server)
        trial = attempt(postgres, tuple(CHOICES) if chosen.all else USUAL)
        postgres.close()
    print(table(trial) if chosen.table else said(trial))  # noqa: T201
    return 1 if any(trial.wrong["starlift"].values()) else 0


def said(trial: Trial) -> str:
    """Return the table, and the settings and commands behind it."""
    lines = [table(trial), ""]
    for name, settings in trial.settings.items():
        lines.append(f"{name}: {settings}\n  $ {trial.commands[name]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""Requests and processor time of each function in AWS, for an idle call, a batch and a hundredfold one.

    STARLIFT_TOTESYS_EXTRACT=... .venv/bin/python -m bench.functions

It moves the real Totesys through the handlers, on moto and a PostgreSQL of this machine, and prints what
`scripts/costs.py` reckons with. Processor time is that of the handler's own thread: moto has others.
"""

from __future__ import annotations

import logging
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from moto.server import ThreadedMotoServer
from tests import totesys_extract
from tests.lambdas.events import SCHEDULE, SWEEP, messages
from tests.lambdas.place import Place, new_place
from tests.lambdas.requests import watched
from tests.postgres import PostgresForTests, server_of_this_process
from tests.s3_door import S3Door

from starlift.entrypoints import lambdas

TABLES = ("sales_order", "payment", "transaction")
SMALL = 10
"""Rows of a small batch, over TABLES."""
TIMES = 5

WRITES = {"PutObject", "ListObjectsV2"}
"""What S3 charges for as for writing; all else is a read, but secrets, which are not S3's."""


@contextmanager
def place() -> Iterator[Place]:
    """A pipeline in AWS over the real Totesys."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with ExitStack() as stack:
        moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        moto.start()
        stack.callback(moto.stop)
        door = S3Door(moto.get_host_and_port())
        stack.callback(door.close)
        server = stack.enter_context(server_of_this_process())
        running = PostgresForTests(server)
        stack.callback(running.close)
        yield stack.enter_context(new_place(running, door, "totesys_extract", totesys_extract.fill))


def invoke(there: Place, stage: str, event: Mapping[str, Any]) -> tuple[int, int, float]:
    """Invoke a function and return its writes, its reads and its seconds of processor time."""
    made: Counter[str] = Counter()
    with watched(lambda operation, _values, _code: made.update([operation])):
        began = time.thread_time()
        there.invoke(stage, event)
        took = time.thread_time() - began
    made.pop("GetSecretValue", None)
    writes = sum(count for operation, count in made.items() if operation in WRITES)
    return writes, sum(made.values()) - writes, took


def change(there: Place, rows: int) -> None:
    """Have the application edit rows, in equal parts of some tables."""
    for table in TABLES:
        there.change(
            f"UPDATE {table} SET last_updated = last_updated WHERE {table}_id IN "
            f"(SELECT {table}_id FROM {table} ORDER BY {table}_id DESC LIMIT {rows // len(TABLES)})"
        )


def cycle(there: Place, rows: int) -> dict[str, tuple[int, int, float]]:
    """Change rows and return what each function needs for them; no rows: for a call that finds nothing."""
    change(there, rows)
    nudge = (lambda lake: messages(there.nudges(lake)[-1])) if rows else lambda _lake: SWEEP
    return {
        "extract": invoke(there, "extract", SCHEDULE),
        "transform": invoke(there, "transform", nudge("ingestion")),
        "load": invoke(there, "load", nudge("processed")),
    }


def main() -> None:
    """Print the medians."""
    if totesys_extract.folder() is None:
        sys.exit("set STARLIFT_TOTESYS_EXTRACT to the folder of the real extract")
    with place() as there:
        cycle(there, 0)  # the first load
        for what, rows in (("idle", 0), ("small", SMALL), ("hundredfold", 100 * SMALL)):
            lambdas._ADDRESSES.forget()
            cycle(there, rows)
            found = [cycle(there, rows) for _ in range(TIMES)]
            for stage in found[0]:
                middle = [statistics.median(one[stage][part] for one in found) for part in range(3)]
                sys.stdout.write(f"{what:12} {stage:10} {middle[0]:4.0f} writes {middle[1]:4.0f} reads")
                sys.stdout.write(f" {middle[2]:6.3f} s\n")


if __name__ == "__main__":
    main()

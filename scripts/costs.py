"""What the pipeline costs a month in AWS, at the default load and at a hundred times that.

    .venv/bin/python scripts/costs.py            # prints the table
    .venv/bin/python scripts/costs.py --write    # and writes it into docs/deploying.md

A reckoning, not a bill: list prices without the free tier, what `bench/functions.py` measured, and guesses,
named below. Costs of the databases are not in it, but for those of the example.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "deploying.md"
BEGIN, END = "<!-- made by python scripts/costs.py -->", "<!-- until here -->"

PRICED = "us-east-1 (N. Virginia), June 2026, aws.amazon.com/<service>/pricing"
"""Other regions are up to a quarter dearer."""
GB_SECOND = 0.0000133334  # Lambda on arm64; on x86_64 0.0000166667
INVOCATION = 0.20e-6
S3_WRITE, S3_READ, S3_GB = 0.005e-3, 0.0004e-3, 0.023
SQS_REQUEST = 0.50e-6  # FIFO
SCHEDULE = 1.00e-6
ALARM, METRIC, DASHBOARD = 0.10, 0.30, 3.00
LOG_GB = 0.50
SECRET, SECRET_CALL = 0.40, 0.05e-4
KEY, KEY_CALL = 1.00, 0.03e-4
ENDPOINT_HOUR, HOURS = 0.01, 730
RDS_HOUR, RDS_GB = 0.032, 0.115  # db.t4g.small in one zone, gp3

# What terraform/ makes; a test holds these numbers to the applied configuration
MEMORY = {"extract": 1024, "transform": 1769, "load": 1024}
ALARMS, SECRETS, POLL_MINUTES, SWEEP_MINUTES = 24, 2, 5, 10
METRICS = 23
"""Of their own, as docs/lambdas.md lists them: 5 of extract, 5 of reconcile, 5 of transform, 8 of load."""

# What bench/functions.py printed on 2026-11-22: writes, reads, seconds of processor
MEASURED = {
    "idle": {"extract": (1, 3, 0.051), "transform": (0, 11, 0.066), "load": (0, 5, 0.060)},
    "small": {"extract": (6, 3, 0.070), "transform": (8, 15, 0.216), "load": (0, 12, 0.130)},
    "hundredfold": {"extract": (6, 3, 0.091), "transform": (8, 15, 0.230), "load": (0, 12, 0.141)},
}
# Guesses, on the high side
S3_SECONDS = 0.03
"""An answer of S3."""
DATABASE_SECONDS = 0.3
"""Connecting and asking."""
SLOWER = 2.0
"""How much slower Lambda's processor is than that of the measuring."""
LOG_BYTES = 4000
"""Of an invocation: its lines, metrics and Lambda's own."""
QUEUE_POLLS = 15 * 60 * 24 * 30
"""Requests of a month by which Lambda looks into an empty queue: five pollers, each for twenty seconds."""

DAYS = 30
MINUTES = DAYS * 24 * 60
WHOLE_CPU = 1769  # MB of memory that come with one processor


@dataclass(frozen=True)
class Load:
    """A month. batches: with rows; heartbeats: without; row_batch: which measurement is of one with rows.
    gigabytes: what both lakes hold, after a year."""

    name: str
    row_batch: str
    batches: int
    heartbeats: int
    gigabytes: float

    @property
    def invocations(self) -> dict[str, dict[str, int]]:
        """How often each function is called, by what it then does."""
        polls, sweeps = MINUTES // POLL_MINUTES, MINUTES // SWEEP_MINUTES
        nudged = {self.row_batch: self.batches, "idle": self.heartbeats + sweeps}
        return {
            "extract": {self.row_batch: self.batches, "idle": polls - self.batches},
            "transform": nudged,
            "load": nudged,
        }


_WORKING, _HOURS = 22 * 9, DAYS * 24
_BATCHES, _HEARTBEATS = _WORKING * 60 // POLL_MINUTES, (_HOURS - _WORKING) * 6
LOADS = (
    Load("10 rows a batch", "small", _BATCHES, _HEARTBEATS, 0.2),
    Load("1,000 rows a batch", "hundredfold", _BATCHES, _HEARTBEATS, 20),
)


def seconds(stage: str, what: str) -> float:
    """Return what an invocation is billed for."""
    writes, reads, processor = MEASURED[what][stage]
    share = min(MEMORY[stage] / WHOLE_CPU, 1)
    database = 0 if stage == "transform" else DATABASE_SECONDS
    return processor * SLOWER / share + (writes + reads) * S3_SECONDS + database


def costs(load: Load) -> dict[str, float]:
    """Return dollars a month, by what they are for."""
    calls = [(stage, what, n) for stage, found in load.invocations.items() for what, n in found.items()]
    number = sum(n for _, _, n in calls)
    compute = sum(n * seconds(stage, what) * MEMORY[stage] / 1024 for stage, what, n in calls)
    writes = sum(n * MEASURED[what][stage][0] for stage, what, n in calls)
    reads = sum(n * MEASURED[what][stage][1] for stage, what, n in calls)
    messages = 2 * (load.batches + load.heartbeats + MINUTES // SWEEP_MINUTES)
    schedules = MINUTES // POLL_MINUTES + 2 * (MINUTES // SWEEP_MINUTES) + DAYS
    secrets_asked = number / 2  # a warm function keeps them
    return {
        "Lambda": number * INVOCATION + compute * GB_SECOND,
        "S3": writes * S3_WRITE + reads * S3_READ + load.gigabytes * S3_GB,
        "SQS": (3 * messages + 2 * QUEUE_POLLS) * SQS_REQUEST,
        "EventBridge Scheduler": schedules * SCHEDULE,
        "CloudWatch: metrics": METRICS * METRIC,
        "CloudWatch: dashboard": DASHBOARD,
        "CloudWatch: alarms": ALARMS * ALARM,
        "CloudWatch: logs": number * LOG_BYTES / 1e9 * LOG_GB,
        "Secrets Manager and their key": SECRETS * SECRET + KEY + secrets_asked * (SECRET_CALL + KEY_CALL),
    }


def table() -> str:
    """Return the table, in Markdown."""
    columns = [costs(load) for load in LOADS]
    example = 2 * ENDPOINT_HOUR * HOURS + RDS_HOUR * HOURS + 20 * RDS_GB
    often = sum(columns[1].values()) / sum(columns[0].values())
    lines = [
        f"A month in US dollars, at list prices of {PRICED}, without the free tier; reckoned by "
        "`scripts/costs.py` of what `bench/functions.py` measured, with guesses that are named there. "
        f"{_BATCHES:,} batches with rows, one in five minutes of working hours; a year's rows in the lakes.",
        "",
        f"| | {' | '.join(load.name for load in LOADS)} |",
        "|---|---:|---:|",
        *(f"| {what} | {' | '.join(f'{column[what]:.2f}' for column in columns)} |" for what in columns[0]),
        f"| **all** | {' | '.join(f'**{sum(column.values()):.2f}**' for column in columns)} |",
        "",
        f"A hundred times the rows cost {often - 1:.0%} more: what is paid for is looking, not moving. The "
        f"example's network and warehouse come to {example:.2f} on top, {2 * ENDPOINT_HOUR * HOURS:.2f} "
        "of it for an endpoint in two zones.",
    ]
    return "\n".join(lines)


def written(text: str) -> str:
    """Return the document with today's table in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    print(table())
    if "--write" in sys.argv:
        DOCUMENT.write_text(written(DOCUMENT.read_text()))

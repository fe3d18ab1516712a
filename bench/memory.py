"""What a stage's process needs beside its batch, and for each byte of the batch.

    .venv/bin/python bench/memory.py [--times 3]

Batches of several shapes are transformed, each in a process of its own, as `starlift transform` would.
Peak memory is the largest resident set of that process. The last column is what an added byte of lines
costs; from it and from the first come BASE and FACTOR of `starlift.core.chunking`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import zstandard

SQL = Path(__file__).parents[1] / "sql"
PART = 8 << 20


@dataclass(frozen=True)
class Shape:
    """A table: its columns with their types, what row n is, and the SELECT of its model."""

    columns: dict[str, str]
    row: Callable[[int], dict[str, str | None]]
    select: str


def _sale(number: int) -> dict[str, str | None]:
    stamp = f"2024-{1 + number % 12:02d}-{1 + number % 28:02d} 09:{number % 60:02d}:10.123"
    return {
        "id": str(number),
        "created_at": stamp,
        "last_updated": stamp,
        "design_id": str(number % 473),
        "staff_id": str(number % 20),
        "counterparty_id": str(number % 19),
        "units_sold": str(1001 + number * 7919 % 98973),
        "unit_price": f"{200 + number % 200}.00",
        "currency_id": str(number % 3),
        "agreed_delivery_date": stamp[:10],
        "agreed_payment_date": stamp[:10],
        "agreed_delivery_location_id": str(number % 30),
    }


def _text(number: int) -> str:
    """A hundred characters that do not compress."""
    return (hashlib.sha256(b"%d" % number).hexdigest() * 2)[:100]


INTS = {f"measure_{number}": "integer" for number in range(40)}
TEXTS = {f"note_{number}": "text" for number in range(10)}
SHAPES = {
    "orders": Shape(
        {
            "id": "integer",
            "created_at": "timestamp(3) without time zone",
            "last_updated": "timestamp(3) without time zone",
            "design_id": "integer",
            "staff_id": "integer",
            "counterparty_id": "integer",
            "units_sold": "integer",
            "unit_price": "numeric(10,2)",
            "currency_id": "integer",
            "agreed_delivery_date": "text",
            "agreed_payment_date": "text",
            "agreed_delivery_location_id": "integer",
        },
        _sale,
        "SELECT id, date_of(created_at) AS day, time_of(created_at) AS time, * EXCLUDE (id, created_at, "
        "agreed_payment_date), strict_date(agreed_payment_date) AS paid FROM thing",
    ),
    "narrow": Shape(
        {"id": "bigint", "n": "integer"},
        lambda number: {"id": str(number), "n": str(number % 7)},
        "SELECT id, n FROM thing",
    ),
    "numbers": Shape(
        {"id": "bigint", **INTS},
        lambda number: {"id": str(number), **{name: str(number % 1000) for name in INTS}},
        "SELECT * FROM thing",
    ),
    "text": Shape(
        {"id": "bigint", **TEXTS},
        lambda number: {"id": str(number), **{name: _text(number * 10 + n) for n, name in enumerate(TEXTS)}},
        "SELECT * FROM thing",
    ),
    "text key": Shape(
        {"id": "text", "n": "integer"},
        lambda number: {"id": _text(number), "n": str(number % 7)},
        "SELECT id, n FROM thing",
    ),
    "refused": Shape(
        {"id": "bigint", "day": "date", "note": "text"},
        lambda number: {"id": str(number), "day": "infinity", "note": _text(number)},
        "SELECT id, day, note FROM thing",
    ),
}


def land(folder: Path, shape: Shape, rows: int) -> int:
    """Write a batch of so many rows as extract does. Return the bytes of its lines."""
    from starlift.adapters.folder import FolderLake
    from starlift.core import paths
    from starlift.core.manifest import Column, File, Identity, Manifest
    from starlift.stages import log

    for name in ("ingestion", "processed"):
        (folder / name).mkdir()
    lake = FolderLake(folder / "ingestion")
    files: list[File] = []
    lines, total = bytearray(), 0
    for number in range(rows):
        row = {**shape.row(number), "_hash": str(number * 7919)}
        lines += json.dumps(row, separators=(",", ":")).encode() + b"\n"
        if len(lines) >= PART or number == rows - 1:
            key = paths.data("thing", 1, "run", len(files))
            files.append(log.store(lake, "thing", key, zstandard.compress(lines), lines.count(b"\n")))
            total += len(lines)
            lines.clear()
    columns = tuple(Column(name, kind) for name, kind in shape.columns.items())
    manifest = Manifest(
        source="bench",
        seq=1,
        kind="bootstrap",
        run_id="run",
        code_version="1",
        previous_sha256=None,
        clock="2024-06-01T00:00:00+00:00",
        complete_to=None,
        identity=Identity("1", 1, "0/0"),
        snapshot="1:1:",
        tables={},
        schema={"thing": columns},
        fingerprints={"thing": "f"},
        keys={"thing": ("id",)},
        files=tuple(files),
    )
    log.commit(lake, 1, manifest.encode())
    return total


def configure(folder: Path, shape: Shape) -> None:
    """Write the configuration of a pipeline with the one table and its model."""
    columns = ", ".join(f'"{name}"' for name in shape.columns)
    (folder / "models").mkdir(parents=True)
    (folder / "pipeline.toml").write_text(
        f'[source]\nname = "bench"\n[tables.thing]\nkey = ["id"]\ncolumns = [{columns}]\n'
    )
    header = "-- One row per thing.\n-- kind: dimension\n-- key: id\n-- from: thing\n"
    (folder / "models" / "dim_thing.sql").write_text(header + shape.select + "\n")


def peak(folder: Path) -> float:
    """Transform the batch in a process of its own; return its largest resident set in MB."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'starlift', 'transform'], check=True, "
        "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    values = {
        "STARLIFT_INGESTION": (folder / "ingestion").as_uri(),
        "STARLIFT_PROCESSED": (folder / "processed").as_uri(),
        "STARLIFT_CONFIG": str(folder / "sql" / "pipeline.toml"),
    }
    # kilobytes on Linux, bytes on macOS
    unit = 1e6 if sys.platform == "darwin" else 1e3
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **values},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(answer.stdout) / unit


def measure(shape: Shape, rows: int) -> tuple[int, float]:
    """Return the bytes of a batch of so many rows, and the peak in MB of its transform."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        size = land(folder, shape, rows)
        configure(folder / "sql", shape)
        return size, peak(folder)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=20)
    options = parser.parse_args()
    sys.stdout.write(f"{'shape':9} {'rows':>9} {'MB':>6} {'peak MB':>8} {'MB for each':>12}\n")
    for name, shape in SHAPES.items():
        empty = statistics.median(measure(shape, 1)[1] for _ in range(options.times))
        sys.stdout.write(f"{name:9} {1:9,} {0:6.1f} {empty:8.0f}\n")
        sample = measure(shape, 1000)[0] / 1000
        for share in (0.5, 1, 2):
            rows = int(options.megabytes * share * 1e6 / sample)
            runs = [measure(shape, rows) for _ in range(options.times)]
            size, found = runs[0][0] / 1e6, statistics.median(run[1] for run in runs)
            sys.stdout.write(f"{name:9} {rows:9,} {size:6.1f} {found:8.0f} {(found - empty) / size:12.1f}\n")


if __name__ == "__main__":
    main()

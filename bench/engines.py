"""A million rows of sales_order to fact_sales_order: DuckDB as starlift uses it, against pandas.

    .venv/bin/python bench/engines.py [--rows 1000000] [--times 3]

Both read the same compressed JSON lines, type every column, make the star's rows, and write Parquet. Each
run is a process of its own; peak memory is the largest resident set of that process.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

SQL = Path(__file__).parents[1] / "sql"
COLUMNS = {
    "sales_order_id": "integer",
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
}


def make_lines(rows: int) -> bytes:
    """Return lines as extract writes them."""
    rng = random.Random(1)  # noqa: S311 - rows, not secrets
    start = datetime(2022, 11, 3, 14, 20)
    lines = []
    for number in range(1, rows + 1):
        moment = start + timedelta(seconds=number * 60)
        stamp = f"{moment:%Y-%m-%d %H:%M:%S}.{rng.randint(101, 999)}"
        day = f"{moment + timedelta(days=rng.randint(1, 9)):%Y-%m-%d}"
        row = {
            "sales_order_id": number,
            "created_at": stamp,
            "last_updated": stamp,
            "design_id": rng.randint(1, 500),
            "staff_id": rng.randint(1, 20),
            "counterparty_id": rng.randint(1, 20),
            "units_sold": rng.randint(1001, 99973),
            "unit_price": f"{rng.randint(200, 400) / 100:.2f}",
            "currency_id": rng.randint(1, 3),
            "agreed_delivery_date": day,
            "agreed_payment_date": day,
            "agreed_delivery_location_id": rng.randint(1, 30),
            "_hash": rng.getrandbits(63),
        }
        lines.append(json.dumps({name: str(value) for name, value in row.items()}))
    return "\n".join(lines).encode() + b"\n"


def with_starlift(compressed: bytes, rows: int) -> None:
    """The transform stage itself, on a batch of that one table."""
    from starlift.adapters.duckdb_engine import DuckDBEngine
    from starlift.adapters.memory import MemoryLake
    from starlift.adapters.sql_files import load_models, load_references
    from starlift.core.manifest import Column, Counts, Identity, Manifest, TableState
    from starlift.stages import log
    from starlift.stages.transform import transform

    lake, table = MemoryLake(), "sales_order"
    file = log.store(lake, table, f"data/{table}/lines.jsonl.zst", compressed, rows)
    now = "2024-11-22 12:00:00.000000+00:00"
    manifest = Manifest(
        source="bench",
        seq=1,
        kind="bootstrap",
        run_id="bench",
        code_version="bench",
        previous_sha256=None,
        clock=now,
        complete_to=now,
        identity=Identity("1", 1, "0/1"),
        snapshot="",
        tables={table: TableState("xid", tuple(COLUMNS), ())},
        schema={table: tuple(Column(name, kind) for name, kind in COLUMNS.items())},
        fingerprints={table: ""},
        keys={table: ("sales_order_id",)},
        files=(file,),
        counts={table: Counts(rows, rows, 0)},
    )
    log.commit(lake, 1, manifest.encode())
    models = [model for model in load_models(SQL) if model.name == "fact_sales_order"]
    transform(lake, MemoryLake(), models, DuckDBEngine(load_references(SQL)), "bench")


def with_pandas(compressed: bytes, _rows: int) -> None:
    """The same rows, as a careful pandas user would make them: text first, then typed columns."""
    from decimal import Decimal

    import pandas as pd
    import zstandard

    lines = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
    frame = pd.read_json(io.BytesIO(lines), lines=True, dtype=False, convert_dates=False)
    integers = [name for name, kind in COLUMNS.items() if kind == "integer"]
    frame[integers] = frame[integers].astype("int64")
    frame["unit_price"] = frame["unit_price"].map(Decimal)
    for name, prefix in (("created_at", "created"), ("last_updated", "last_updated")):
        moment = pd.to_datetime(frame[name])
        frame[f"{prefix}_date"], frame[f"{prefix}_time"] = moment.dt.date, moment.dt.time
    for name in ("agreed_delivery_date", "agreed_payment_date"):
        frame[name] = pd.to_datetime(frame[name], format="%Y-%m-%d").dt.date
    frame = frame.rename(columns={"staff_id": "sales_staff_id"})
    buffer = io.BytesIO()
    frame.drop(columns=["created_at", "last_updated", "_hash"]).to_parquet(buffer, compression="zstd")


CONTENDERS: dict[str, Callable[[bytes, int], None]] = {"starlift": with_starlift, "pandas": with_pandas}


def one_run(name: str, file: str, rows: int) -> None:
    """Run a contender in this process and print seconds and peak bytes."""
    compressed, started = Path(file).read_bytes(), time.monotonic()
    CONTENDERS[name](compressed, rows)
    print(json.dumps({"seconds": time.monotonic() - started, "bytes": _peak()}))  # noqa: T201


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Compare, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--one", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        name, file = chosen.one
        one_run(name, file, chosen.rows)
        return
    import zstandard

    with TemporaryDirectory() as folder:
        file = Path(folder, "lines.zst")
        file.write_bytes(zstandard.ZstdCompressor(level=1).compress(make_lines(chosen.rows)))
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
        for _ in range(chosen.times):
            for name, results in runs.items():
                command = [sys.executable, __file__, "--one", name, str(file), "--rows", str(chosen.rows)]
                ended = subprocess.run(command, check=True, capture_output=True, text=True)
                results.append(json.loads(ended.stdout))
    print(f"{chosen.rows:,} rows, medians of {chosen.times}; peak memory of the process")  # noqa: T201
    for name, results in runs.items():
        seconds, size = (statistics.median(run[key] for run in results) for key in ("seconds", "bytes"))
        print(f"{name:9} {seconds:6.1f} s {size / 1e6:8.0f} MB")  # noqa: T201


if __name__ == "__main__":
    main()

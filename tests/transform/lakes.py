"""A pipeline between two lakes in memory: rows go in as text, processed batches are read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.adapters.memory import MemoryLake
from starlift.adapters.sql_files import load_models, load_references
from starlift.core import paths
from starlift.core.manifest import Column, File, Identity, Inventory, Kind, Manifest, Processed, sha256
from starlift.core.models import Model, parse_model
from starlift.stages import log
from starlift.stages.transform import Transformed, transform

Row = Mapping[str, str | None]

SQL = Path(__file__).parents[2] / "sql"
STAMP = "timestamp(3) without time zone"


def table(key: str, **types: str) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Return a source table: its columns with their PostgreSQL types, and its key columns."""
    return tuple(Column(name, type_) for name, type_ in types.items()), tuple(key.split(","))


SMALL = {
    "staff": table("staff_id", staff_id="integer", name="text", department_id="integer"),
    "department": table("department_id", department_id="integer", title="text", since="date"),
    "sale": table("sale_id", sale_id="integer", day="text", amount="numeric(10,2)"),
}
"""Three tables, enough for each law."""


def model(name: str, sql: str, **header: str) -> Model:
    """Return a model from its SELECT and the entries of its header."""
    driving = header.pop("driving")
    entries = {"kind": name.partition("_")[0].replace("dim", "dimension"), "from": driving, **header}
    lines = ["-- One row.", *(f"-- {entry}: {value}" for entry, value in entries.items())]
    return parse_model(name, "\n".join([*lines, sql]), f"{name}.sql")


DIM_STAFF = model(
    "dim_staff",
    "SELECT staff_id, name, title FROM staff LEFT JOIN department USING (department_id)",
    driving="staff",
    joins="department",
    key="staff_id",
)
FACT_SALE = model(
    "fact_sale",
    "SELECT sale_id, strict_date(day) AS day, amount FROM sale",
    driving="sale",
    key="sale_id",
)


def staff(number: int, department: int | None, name: str = "Ann") -> Row:
    return {
        "staff_id": str(number),
        "name": name,
        "department_id": None if department is None else str(department),
    }


def department(number: int, title: str, since: str = "2020-01-01") -> Row:
    return {"department_id": str(number), "title": title, "since": since}


def sale(number: int, day: str = "2024-01-31", amount: str = "1.50") -> Row:
    return {"sale_id": str(number), "day": day, "amount": amount}


def lines(rows: Iterable[Mapping[str, str | None]]) -> bytes:
    """Return rows as extract writes them; a row without `_hash` gets one of its content."""
    texts = []
    for row in rows:
        digest = sha256(json.dumps(dict(row)).encode())
        hashed = {**row, "_hash": row.get("_hash", str(int(digest[:15], 16)))}
        texts.append(json.dumps(hashed, ensure_ascii=False) + "\n")
    return "".join(texts).encode()


class Pipeline:
    """An ingestion and a processed lake, with the models between them."""

    def __init__(
        self,
        tables: Mapping[str, tuple[tuple[Column, ...], tuple[str, ...]]] | None = None,
        models: Sequence[Model] = (DIM_STAFF, FACT_SALE),
        engine: DuckDBEngine | None = None,
    ) -> None:
        self.tables = dict(tables or SMALL)
        self.models = tuple(models)
        self.engine = engine or DuckDBEngine()
        self.ingestion = MemoryLake("ingestion")
        self.processed = MemoryLake("processed")

    def land(
        self,
        rows: Mapping[str, Sequence[Row]] | None = None,
        kind: Kind = "incremental",
        whole: Sequence[str] = (),
        **parts: Any,
    ) -> int:
        """Commit an ingestion batch with these rows and return its number. parts: others of its manifest."""
        head, stored = log.head(self.ingestion)
        files = tuple(self._file(name, head + 1, lines(given)) for name, given in (rows or {}).items())
        return self.commit(files, kind=kind, whole=whole, stored=stored, **parts)

    def listed(self, table: str, keys: Mapping[str, int], scope: Any = "all", **parts: Any) -> Inventory:
        """Return an inventory that lists keys, with their hashes, in two files."""
        seq = log.head(self.ingestion)[0] + 1
        texts = [json.dumps({"_key": key, "_hash": str(number)}) + "\n" for key, number in keys.items()]
        files = [
            log.store(
                self.ingestion,
                table,
                paths.inventory(table, seq, "run", number),
                zstandard.compress("".join(part).encode()),
                len(part),
            )
            for number, part in enumerate((texts[:1], texts[1:]))
            if part
        ]
        return Inventory(scope, files=tuple(files), **parts)

    def _file(self, name: str, seq: int, data: bytes) -> File:
        key = paths.data(name, seq, "run", 0)
        return log.store(self.ingestion, name, key, zstandard.compress(data), data.count(b"\n"))

    def commit(
        self,
        files: tuple[File, ...],
        kind: Kind,
        whole: Sequence[str],
        stored: bytes | None,
        **parts: Any,
    ) -> int:
        """Commit an ingestion manifest that names these files."""
        seq = Manifest.decode(stored).seq + 1 if stored else 1
        manifest = Manifest(
            source="small",
            seq=seq,
            kind=kind,
            run_id="run",
            code_version="1",
            previous_sha256=sha256(stored) if stored else None,
            clock="2024-06-01T00:00:00+00:00",
            complete_to="2024-06-01T00:00:00+00:00",
            identity=Identity("1", 1, "0/0"),
            snapshot="1:1:",
            tables={},
            schema={name: columns for name, (columns, _) in self.tables.items()},
            fingerprints=dict.fromkeys(self.tables, "f"),
            keys={name: key for name, (_, key) in self.tables.items()},
            files=files,
            passes={name: "whole" if name in whole else "xid" for name in self.tables},
            inventory={name: Inventory("whole") for name in whole},
        )
        manifest = replace(manifest, **parts)
        log.commit(self.ingestion, seq, manifest.encode())
        return seq

    def transform(self) -> list[Transformed]:
        return transform(self.ingestion, self.processed, self.models, self.engine, "1")

    def run(
        self,
        rows: Mapping[str, Sequence[Row]] | None = None,
        whole: Sequence[str] = (),
        **parts: Any,
    ) -> Transformed:
        """Land a batch, transform it and return what became of it."""
        self.land(rows, whole=whole, **parts)
        (done,) = self.transform()
        return done

    def manifest(self, seq: int | None = None) -> Processed:
        """The processed manifest of a batch, by default the newest."""
        return Processed.decode(log.read(self.processed, seq or log.head(self.processed)[0]))

    def star(self, name: str, seq: int | None = None) -> list[dict[str, Any]]:
        """The rows of a star table that a batch made."""
        return self._rows(self.manifest(seq).star, name)

    def filled(self, name: str, seq: int | None = None) -> list[dict[str, Any]]:
        """The rows of a fact as they would be without the columns that a batch added."""
        return self._rows(self.manifest(seq).filled, name)

    def ledger(self, name: str, seq: int | None = None) -> dict[str, str]:
        """State by key of a source table's ledger entries of a batch."""
        return {row["key"]: row["state"] for row in self._rows(self.manifest(seq).ledger, name)}

    def quarantine(self, seq: int | None = None) -> list[dict[str, Any]]:
        """All rows that a batch quarantined."""
        texts = [
            zstandard.ZstdDecompressor().decompressobj().decompress(log.fetch(self.processed, file))
            for file in self.manifest(seq).quarantine
        ]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def objects(self) -> dict[str, bytes | None]:
        """Everything in the processed lake."""
        return {key: self.processed.get(key) for key in self.processed.keys("")}

    def _rows(self, files: Iterable[File], name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for file in files:
            if file.table == name:
                rows += pq.read_table(pa.BufferReader(log.fetch(self.processed, file))).to_pylist()
        return rows


def totesys_models() -> tuple[Model, ...]:
    """The models of sql/models."""
    return load_models(SQL)


def totesys_engine() -> DuckDBEngine:
    """An engine with the reference data of sql/reference."""
    return DuckDBEngine(load_references(SQL))

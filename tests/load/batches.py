"""Batches of Totesys made by hand: rows with sensible values, of which a test names those that matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from starlift.core.identity import key_text
from starlift.core.manifest import Kind, ModelRef, Processed, sha256
from starlift.ports import Batch

Row = dict[str, Any]

_MODELS = (
    ("dim_staff", "dimension", "staff_id", "staff"),
    ("dim_location", "dimension", "location_id", "address"),
    ("dim_currency", "dimension", "currency_id", "currency"),
    ("dim_design", "dimension", "design_id", "design"),
    ("dim_counterparty", "dimension", "counterparty_id", "counterparty"),
    ("dim_payment_type", "dimension", "payment_type_id", "payment_type"),
    ("dim_transaction", "dimension", "transaction_id", "transaction"),
    ("fact_sales_order", "fact", "sales_order_id", "sales_order"),
    ("fact_purchase_order", "fact", "purchase_order_id", "purchase_order"),
    ("fact_payment", "fact", "payment_id", "payment"),
)
MODELS = tuple(ModelRef(name, kind, (key,), table, "0" * 64) for name, kind, key, table in _MODELS)  # type: ignore[arg-type]

_MONEY = pa.decimal128(10, 2)
SCHEMAS: dict[str, pa.Schema] = {
    "dim_staff": pa.schema(
        [("staff_id", pa.int32())]
        + [
            (name, pa.string())
            for name in ("first_name", "last_name", "department_name", "location", "email_address")
        ]
    ),
    "dim_currency": pa.schema(
        [("currency_id", pa.int32()), ("currency_code", pa.string()), ("currency_name", pa.string())]
    ),
    "dim_design": pa.schema(
        [("design_id", pa.int32())]
        + [(name, pa.string()) for name in ("design_name", "file_location", "file_name")]
    ),
    "fact_sales_order": pa.schema(
        [
            ("sales_order_id", pa.int32()),
            ("created_date", pa.date32()),
            ("created_time", pa.time64("us")),
            ("last_updated_date", pa.date32()),
            ("last_updated_time", pa.time64("us")),
            ("sales_staff_id", pa.int32()),
            ("counterparty_id", pa.int32()),
            ("units_sold", pa.int32()),
            ("unit_price", _MONEY),
            ("currency_id", pa.int32()),
            ("design_id", pa.int32()),
            ("agreed_payment_date", pa.date32()),
            ("agreed_delivery_date", pa.date32()),
            ("agreed_delivery_location_id", pa.int32()),
        ]
    ),
}


def staff(staff_id: int, **values: Any) -> Row:
    """A row of dim_staff."""
    row = {
        "staff_id": staff_id,
        "first_name": "Jeremie",
        "last_name": "Franey",
        "department_name": "Purchasing",
        "location": "Manchester",
        "email_address": f"staff.{staff_id}@terrifictotes.com",
    }
    return row | values


def design(design_id: int, **values: Any) -> Row:
    """A row of dim_design."""
    row = {
        "design_id": design_id,
        "design_name": "Wooden",
        "file_location": "/usr",
        "file_name": "wooden-20220717-npgz.json",
    }
    return row | values


def currency(currency_id: int, **values: Any) -> Row:
    """A row of dim_currency."""
    return {
        "currency_id": currency_id,
        "currency_code": "GBP",
        "currency_name": "Pound Sterling",
    } | values


def sale(sales_order_id: int, **values: Any) -> Row:
    """A row of fact_sales_order."""
    row = {
        "sales_order_id": sales_order_id,
        "created_date": date(2022, 11, 3),
        "created_time": time(14, 20, 52, 186000),
        "last_updated_date": date(2022, 11, 3),
        "last_updated_time": time(14, 20, 52, 186000),
        "sales_staff_id": 1,
        "counterparty_id": 1,
        "units_sold": 84754,
        "unit_price": Decimal("2.43"),
        "currency_id": 1,
        "design_id": 1,
        "agreed_payment_date": date(2022, 11, 10),
        "agreed_delivery_date": date(2022, 11, 8),
        "agreed_delivery_location_id": 1,
    }
    return row | values


def table(name: str, rows: Iterable[Row]) -> pa.Table:
    """Return star rows as transform writes them: typed, `_key` last."""
    key = next(model.key for model in MODELS if model.name == name)
    rows = list(rows)
    typed = pa.Table.from_pylist(rows, schema=SCHEMAS[name])
    keys = [key_text(str(row[column]) for column in key) for row in rows]
    return typed.append_column("_key", pa.array(keys, pa.string()))


def entries(keys: Mapping[str, str], content: str = "") -> pa.Table:
    """Return ledger entries: state by key text. The hash stands for the content."""
    digests = [int(sha256(f"{key}{content}".encode())[:15], 16) for key in keys]
    return pa.table(
        {
            "key": pa.array(list(keys), pa.string()),
            "source_hash": pa.array(digests, pa.int64()),
            "state": pa.array(list(keys.values()), pa.string()),
        }
    )


class History:
    """A processed lake's manifests, one after the other, each naming the one before."""

    def __init__(self, source: str = "totesys") -> None:
        self.source = source
        self.seq = 0
        self.previous: str | None = None

    def batch(
        self,
        star: Mapping[str, list[Row] | pa.Table] | None = None,
        ledger: Mapping[str, pa.Table] | None = None,
        quarantine: Iterable[Row] = (),
        kind: Kind = "incremental",
        models: tuple[ModelRef, ...] = MODELS,
        filled: Mapping[str, pa.Table] | None = None,
        **parts: Any,
    ) -> Batch:
        """Return the next batch. Where `ledger` does not name a driving table, its star rows are live.

        parts: others of its manifest, and `lists`: the keys that its inventories list, as `entries` has them.
        """
        lists: Mapping[str, pa.Table] = parts.pop("lists", {})
        self.seq += 1
        tables = {
            name: rows if isinstance(rows, pa.Table) else table(name, rows)
            for name, rows in (star or {}).items()
        }
        driving = {model.name: model.driving for model in models}
        live = {
            driving[name]: entries(dict.fromkeys(rows["_key"].to_pylist(), "live"), str(self.seq))
            for name, rows in tables.items()
            if "_key" in rows.column_names
        }
        held = [{"seq": self.seq, "stage": "transform", **row} for row in quarantine]
        manifest = replace(self.manifest(kind, models), **parts)
        digest = sha256(manifest.encode())
        self.previous = digest
        ledger_files = {name: [rows] for name, rows in (live | dict(ledger or {})).items()}
        listed = {name: [rows.select(["key", "source_hash"])] for name, rows in lists.items()}
        files = {name: [rows] for name, rows in tables.items()}
        before = {name: [rows] for name, rows in (filled or {}).items()}
        return Batch(manifest, digest, files, ledger_files, held, before, listed)

    def manifest(self, kind: Kind, models: tuple[ModelRef, ...]) -> Processed:
        """Return the manifest of the batch whose number was just taken."""
        return Processed(
            source=self.source,
            seq=self.seq,
            kind=kind,
            code_version="test",
            previous_sha256=self.previous,
            ingestion_sha256="0" * 64,
            clock=f"2024-11-22 10:{self.seq:02d}:30.000000+00:00",
            complete_to=f"2024-11-22 10:{self.seq:02d}:00.000000+00:00",
            models=models,
            snapshots={},
            fingerprints={model.driving: "f" * 16 for model in models},
        )

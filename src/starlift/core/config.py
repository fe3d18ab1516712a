"""What `sql/pipeline.toml` declares, as values. `starlift.core.config_file` reads the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

DeclaredMode = Literal["auto", "xid", "timestamp"]
NewColumns = Literal["ignore", "add"]

RESERVED_COLUMNS = ("_hash", "_key", "_stale")
"""Names of columns that the pipeline adds to a table's own."""


@dataclass(frozen=True)
class Limits:
    """Bounds and rhythms of the pipeline.

    margin: W stays this far behind the oldest open transaction. heartbeat: a poll that finds nothing
    writes a manifest only when the last is older (zero: always). xid_every: how often a table in timestamp
    mode is also read by xid. scan_budget: bytes up to which `auto` chooses xid mode. max_rows: rows of one
    batch. memory: bytes. stale_after: age of the applied data that makes `status` exit 4. lock_wait: how
    long load waits for another load. list_rows: rows up to which an inventory lists every key at once.
    quarantine_hold, sweep_hold: shares above which a batch is held.
    """

    margin: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(minutes=10)
    xid_every: timedelta = timedelta(hours=1)
    scan_budget: int = 1_000_000_000
    max_rows: int = 1_000_000
    memory: int = 256_000_000
    list_rows: int = 100_000
    stale_after: timedelta = timedelta(minutes=30)
    lock_wait: timedelta = timedelta(seconds=30)
    quarantine_hold: float = 0.5
    sweep_hold: float = 0.5


@dataclass(frozen=True)
class TableSpec:
    """One source table as declared.

    name: what the pipeline calls it, in lake, models and ledger. columns: those taken, in the order in
    which they are hashed. hmac: columns taken as a keyed hash only. schema, relation: where it is in the
    source, if that is not the source's schema and `name`. new_columns: what becomes of columns that nothing
    here names; ignored ones are reported.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    cursor: str | None = None
    cursor_zone: str = "UTC"
    mode: DeclaredMode = "auto"
    drop: tuple[str, ...] = ()
    hmac: tuple[str, ...] = ()
    schema: str = "public"
    relation: str = ""
    new_columns: NewColumns = "ignore"

    @property
    def address(self) -> tuple[str, str]:
        """Schema and relation in the source."""
        return self.schema, self.relation or self.name

    @property
    def taken(self) -> tuple[str, ...]:
        """The taken columns in hash order; those under `hmac` that are not in `columns` come last."""
        return (*self.columns, *(name for name in self.hmac if name not in self.columns))


@dataclass(frozen=True)
class PipelineConfig:
    """The whole declaration. calendar: first and last year a date in the star may have."""

    source_name: str
    source_schema: str
    warehouse_schema: str
    tables: dict[str, TableSpec]
    limits: Limits = field(default_factory=Limits)
    calendar: tuple[int, int] = (1900, 2100)

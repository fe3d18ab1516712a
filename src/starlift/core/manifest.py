"""The two manifests: the small JSON objects that commit a batch and are the pipeline's only state.

An ingestion manifest commits what extract read; a processed manifest commits what transform made of it.
Both are numbered without gaps, and each names the SHA-256 of the one before (a hash chain). Writing one
is the commit: data that no manifest names is never read.

The JSON is canonical (sorted keys, no spaces), so equal content has equal bytes and an equal SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FORMAT = 1

Kind = Literal["bootstrap", "incremental", "heartbeat", "repair"]
Mode = Literal["xid", "timestamp"]
Digest = tuple[int, str]
"""Row count and decimal sum of the source hashes of some rows of one snapshot."""


def canonical(document: dict[str, Any]) -> bytes:
    """Return the bytes under which a JSON document is stored and hashed."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class File:
    """One data object a manifest names."""

    table: str
    key: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class Column:
    """A taken source column. `type` is PostgreSQL's `format_type`, such as `numeric(10,2)`."""

    name: str
    type: str


@dataclass(frozen=True)
class Chunk:
    """How far a read in key-range chunks has come.

    after: the key of the last row read, as text in the key's order; None before the first. whole: every row
    is read, else those of the predicate that W and px of the table's state still give. rows: read so far;
    about: of how many, as counted before the first.
    W, px, px_at: where the first poll after the last chunk starts, from the barrier before the first.
    """

    after: tuple[str, ...] | None
    whole: bool
    rows: int
    about: int = 0
    W: str | None = None
    px: str | None = None
    px_at: str | None = None


@dataclass(frozen=True)
class Inventory:
    """What a batch knows of one source table's keys at its snapshot.

    scope: of which keys the batch can tell that they are gone. `whole`: it has every row of the table;
    `all`: `files` list every key; `buckets`: every key of `buckets`; `keys`: of `asked`, whose rows are among
    the batch's where they exist; `none`: of none, it has only sums. sums: bucket, rows, and decimal sum of
    their source hashes. asked: keys whose rows were read because a repair asked for them.
    files: lists of key and source hash (JSON lines in the ingestion lake, `_key` and `_hash`; Parquet in the
    processed lake, `key` and `source_hash`).
    """

    scope: Literal["whole", "all", "buckets", "keys", "none"]
    sums: tuple[tuple[int, int, str], ...] = ()
    buckets: tuple[int, ...] = ()
    asked: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class TableState:
    """Where the next poll of one source table starts.

    W: lower bound for the cursor, ISO 8601 in UTC, or None if never established.
    px: xid horizon, an xid8 in decimal; px_at: source clock when it was set.
    mode: how the table was last read. columns: taken columns in hash order.
    relations: oids of the table and its leaves. overlap: per kind of pass ("time", "xid") the digest of
    this snapshot's rows that the next such pass reads again. count: rows in the snapshot where the whole
    table was scanned anyway, else None. complete_to: source time up to which the table is complete.
    shape: digest of what the columns' content depends on beside the rows. chunk: how far a read in chunks
    has come, None where none is under way. cursor: the column that W bounds. unswept: it was read whole in
    chunks, which cannot tell what is gone; the next poll that can lists its keys.
    """

    mode: Mode
    columns: tuple[str, ...]
    relations: tuple[int, ...]
    W: str | None = None
    px: str | None = None
    px_at: str | None = None
    complete_to: str | None = None
    count: int | None = None
    shape: str = ""
    overlap: dict[str, Digest] = field(default_factory=dict)
    chunk: Chunk | None = None
    cursor: str | None = None
    unswept: bool = False


@dataclass(frozen=True)
class Counts:
    """Conservation per source table: read = shipped + rejected."""

    read: int = 0
    shipped: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Identity:
    """Which source server was read, and how far its write-ahead log had come."""

    system_identifier: str
    timeline: int
    wal_lsn: str


@dataclass(frozen=True)
class Manifest:
    """Ingestion manifest of one batch.

    clock: source time before the snapshot, ISO 8601 in UTC. complete_to: least of the tables'.
    schema: taken columns and their types per table. fingerprints: per table, of the taken column set.
    watermark_holder: the oldest open transaction {pid, user, since} where it holds a watermark back.
    inventory: per table, what is known of its keys. served: names of the requests it answers, and of those
    answered before that were still in the lake. dropped: per table, quarantined keys that a person gave up,
    with the reason. held: tables that were not read because their shape changed, with the reason; they keep
    their state. partial: a chunk; the star is whole again with the next batch that is not. unnamed: per
    table, columns of the source that no list of the configuration has, so that they are not taken. added:
    per table, columns that it was not taken with before. rekeyed: tables whose rows may have other key texts
    than in the batches before. seconds: from the begin of the extract to its commit.
    """

    source: str
    seq: int
    kind: Kind
    run_id: str
    code_version: str
    previous_sha256: str | None
    clock: str
    complete_to: str | None
    identity: Identity
    snapshot: str
    tables: dict[str, TableState]
    schema: dict[str, tuple[Column, ...]]
    fingerprints: dict[str, str]
    keys: dict[str, tuple[str, ...]]
    files: tuple[File, ...] = ()
    counts: dict[str, Counts] = field(default_factory=dict)
    passes: dict[str, str] = field(default_factory=dict)
    watermark_holder: dict[str, Any] | None = None
    inventory: dict[str, Inventory] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    dropped: dict[str, dict[str, str]] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    partial: bool = False
    unnamed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    added: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rekeyed: tuple[str, ...] = ()
    seconds: float | None = None
    format: int = FORMAT

    @property
    def source_rows(self) -> dict[str, int]:
        """Rows by table of those that this batch's own reads counted: an older count says nothing of it."""
        return {
            name: state.count
            for name, state in self.tables.items()
            if state.count is not None and {"whole", "xid"} & set(self.passes.get(name, "").split("+"))
        }

    @property
    def is_start(self) -> bool:
        """Whether the log may begin with this batch: it is the first, or a checkpoint."""
        return self.seq == 1 or _has_everything(self, self.tables)

    @property
    def named(self) -> tuple[File, ...]:
        """All objects that the batch consists of, beside the manifest."""
        return (*self.files, *(file for found in self.inventory.values() for file in found.files))

    def encode(self) -> bytes:
        """Return the stored bytes."""
        return canonical(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read stored bytes back. Raises ValueError for another format version."""
        raw = _load(data)
        raw["identity"] = Identity(**raw["identity"])
        raw["tables"] = {name: _table_state(state) for name, state in raw["tables"].items()}
        raw["schema"] = {
            name: tuple(Column(**column) for column in columns) for name, columns in raw["schema"].items()
        }
        raw["keys"] = {name: tuple(key) for name, key in raw["keys"].items()}
        raw["files"] = _files(raw["files"])
        raw["counts"] = {name: Counts(**counts) for name, counts in raw["counts"].items()}
        raw["served"] = tuple(raw["served"])
        raw["unnamed"] = {name: tuple(columns) for name, columns in raw.get("unnamed", {}).items()}
        raw["inventory"] = _inventories(raw.get("inventory"))
        raw["rekeyed"] = tuple(raw.get("rekeyed", ()))
        raw["added"] = {name: tuple(columns) for name, columns in raw.get("added", {}).items()}
        return cls(**raw)


@dataclass(frozen=True)
class ModelRef:
    """What load must know of a model: see `starlift.core.models.Model`. sha256 is of all it depends on."""

    name: str
    kind: Literal["dimension", "fact"]
    key: tuple[str, ...]
    driving: str
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """Current rows of one source table that models join, as of batch `seq`."""

    seq: int
    files: tuple[File, ...]


@dataclass(frozen=True)
class Processed:
    """Processed manifest of one batch: a pure function of (manifest, previous one, code).

    clock, complete_to: as in the ingestion manifest.
    star, ledger, quarantine: files of star rows (table = star table), of ledger entries and of rejected
    rows (table = source table). fingerprints, keys, inventory, dropped, partial: as in the ingestion
    manifest. filled: files of rows of facts as they would be without the columns that the batch adds: where
    such a row is what the star has, the version is filled in place, and no new one is made.
    source_rows: rows of each source table at the batch's snapshot, where it counted them. rekeyed: as in the
    ingestion manifest.
    """

    source: str
    seq: int
    kind: Kind
    code_version: str
    previous_sha256: str | None
    ingestion_sha256: str
    clock: str
    complete_to: str | None
    models: tuple[ModelRef, ...]
    snapshots: dict[str, Snapshot]
    fingerprints: dict[str, str]
    star: tuple[File, ...] = ()
    ledger: tuple[File, ...] = ()
    quarantine: tuple[File, ...] = ()
    filled: tuple[File, ...] = ()
    counts: dict[str, Counts] = field(default_factory=dict)
    inventory: dict[str, Inventory] = field(default_factory=dict)
    source_rows: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, dict[str, str]] = field(default_factory=dict)
    partial: bool = False
    rekeyed: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def is_start(self) -> bool:
        """Whether the log may begin with this batch: it is the first, or made of a checkpoint."""
        own = all(snapshot.seq == self.seq for snapshot in self.snapshots.values())
        return self.seq == 1 or (own and _has_everything(self, self.fingerprints))

    @property
    def named(self) -> tuple[File, ...]:
        """All objects that the batch consists of, beside the manifest; not the snapshots of earlier ones."""
        own = (snapshot.files for snapshot in self.snapshots.values() if snapshot.seq == self.seq)
        lists = (found.files for found in self.inventory.values())
        parts = (self.star, self.ledger, self.quarantine, self.filled, *own, *lists)
        return tuple(file for files in parts for file in files)

    def encode(self) -> bytes:
        """Return the stored bytes."""
        return canonical(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Processed:
        """Read stored bytes back. Raises ValueError for another format version."""
        raw = _load(data)
        raw["models"] = tuple(ModelRef(**{**model, "key": tuple(model["key"])}) for model in raw["models"])
        raw["snapshots"] = {
            name: Snapshot(snapshot["seq"], _files(snapshot["files"]))
            for name, snapshot in raw["snapshots"].items()
        }
        for part in ("star", "ledger", "quarantine", "filled"):
            raw[part] = _files(raw.get(part, []))
        raw["inventory"] = _inventories(raw.get("inventory"))
        raw["rekeyed"] = tuple(raw.get("rekeyed", ()))
        raw["counts"] = {name: Counts(**counts) for name, counts in raw["counts"].items()}
        return cls(**raw)


def _has_everything(batch: Manifest | Processed, tables: Collection[str]) -> bool:
    """Whether a batch has every row of every table, so that it needs none before it."""
    whole = {table for table, found in batch.inventory.items() if found.scope == "whole"}
    return batch.kind == "bootstrap" and not batch.partial and whole >= set(tables)


def _load(data: bytes) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(data)
    if raw.get("format") != FORMAT:
        raise ValueError(f"manifest format {raw.get('format')!r}, this version reads {FORMAT}")
    return raw


def _files(raw: list[dict[str, Any]]) -> tuple[File, ...]:
    return tuple(File(**item) for item in raw)


def _inventories(raw: dict[str, dict[str, Any]] | None) -> dict[str, Inventory]:
    """Earlier batches have none."""
    return {name: _inventory(inventory) for name, inventory in (raw or {}).items()}


def _inventory(raw: dict[str, Any]) -> Inventory:
    sums = tuple((int(bucket), int(rows), str(total)) for bucket, rows, total in raw["sums"])
    files, buckets, asked = _files(raw["files"]), tuple(raw["buckets"]), tuple(raw["asked"])
    return Inventory(raw["scope"], sums, buckets, asked, files)


def _chunk(raw: dict[str, Any] | None) -> Chunk | None:
    if raw is None:
        return None
    after = raw["after"]
    return Chunk(**{**raw, "after": None if after is None else tuple(after)})


def _table_state(raw: dict[str, Any]) -> TableState:
    overlap: dict[str, Digest] = {
        kind: (int(digest[0]), str(digest[1])) for kind, digest in raw["overlap"].items()
    }
    columns, relations, chunk = tuple(raw["columns"]), tuple(raw["relations"]), _chunk(raw.get("chunk"))
    parsed = {"columns": columns, "relations": relations, "overlap": overlap, "chunk": chunk}
    return TableState(**{**raw, **parsed})

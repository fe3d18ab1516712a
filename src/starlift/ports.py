"""The three outside parts as promises: Source, Lake, Warehouse (and the Engine that runs a model).

A stage knows only these. Each adapter, and each fake, keeps every promise written here; one contract
suite a port holds them to it. Methods raise the errors of `starlift.errors` and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from starlift.core.config import TableSpec
    from starlift.core.inventory import Sums
    from starlift.core.manifest import Digest, Identity, ModelRef, Processed
    from starlift.core.models import Model
    from starlift.core.polling import Measure, Pass, Read
    from starlift.core.requests import Request
    from starlift.core.source_check import SourceTable


class Lake(Protocol):
    """A flat store of immutable objects under relative keys such as `manifests/000….json`.

    Accepted is durable: when a put returns, the object survives a crash of this process and machine.
    An object is either wholly there or not; a reader never sees a part of one. All methods raise
    UnavailableError when the store cannot be reached or refuses.
    """

    @property
    def root(self) -> str:
        """The address as configured, for messages (`s3://bucket/prefix`, `file:///folder`)."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store an object under a key that must be free. True: stored by this call. False: the key was
        taken, and what it holds is unchanged (it may be this caller's own earlier try, whose answer was
        lost: compare the bytes). Of concurrent callers exactly one gets True, or none if it crashed."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Store or replace an object. Only for the head hint, which may be lost or wrong."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix`, in ascending order."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; to remove one that is not there is no error. Only for what no reader needs any
        more, such as a request that is answered: batches are never changed."""
        ...


@dataclass(frozen=True)
class Stored:
    """An object of a lake, as it is listed. modified: when it was stored, in seconds since 1970."""

    key: str
    bytes: int
    modified: float


class ListedLake(Lake, Protocol):
    """A lake that also tells how large and how old its objects are."""

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects whose keys start with `prefix`, in the order of `keys`."""
        ...


@dataclass(frozen=True)
class Preflight:
    """Facts read before the snapshot. clock: ISO 8601 in UTC. tables: those of the configured names that
    exist, by the pipeline's name. sees_all: this role sees every session's state (pg_read_all_stats).
    hmac_key: a name for the key under which columns are hashed, None where there is none."""

    identity: Identity
    clock: str
    sees_all: bool
    tables: Mapping[str, SourceTable]
    hmac_key: str | None = None


@dataclass(frozen=True)
class Barrier:
    """The source's clock and its oldest open transaction, read before the snapshot and apart from it.

    clock: c. oldest: m, or None where no other session is in a transaction. blind: sessions whose state
    is hidden. prepared: prepared transactions of this database. holder: {pid, user, since} of m.
    """

    clock: str
    oldest: str | None
    blind: int
    prepared: int
    holder: Mapping[str, Any] | None


@dataclass(frozen=True)
class Bound:
    """How much of a read may come at once: so many rows (None: all), and those that begin before so many
    bytes of lines; the first row always comes."""

    rows: int | None
    bytes: int


class SourceSnapshot(Protocol):
    """One REPEATABLE READ snapshot over all tables."""

    @property
    def xmin(self) -> str:
        """px': the snapshot's xid horizon, an xid8 in decimal. Every version it shows that was created by
        an xid before px' had committed, and every later snapshot shows it or its successor."""
        ...

    @property
    def text(self) -> str:
        """pg_current_snapshot() as text."""
        ...

    @property
    def position(self) -> str:
        """How far the write-ahead log had come when the snapshot was taken, unflushed records included."""
        ...

    def measure(
        self, read: Read, following: Mapping[Pass, Read], foretold: Mapping[str, Digest] | None = None
    ) -> Measure:
        """Return what `read` would return now and what each of `following` would read of this snapshot,
        as digests.

        foretold: what the passes of `read` were to return if nothing had changed. Of one that returns another
        number of rows the sum may be left out (''): it tells no more."""
        ...

    def copy(self, read: Read, sink: Callable[[bytes], None], bound: Bound | None = None) -> int:
        """Stream the rows of `read` to `sink` as JSON lines (section "Line format" of docs/formats.md),
        whole lines in each call, in bounded memory. Return the number of rows.

        bound: only the first of them, in an order of the key that is the same in every snapshot, behind
        `read.after`; what has come is then all of that range that the snapshot shows."""
        ...

    def sums(self, read: Read) -> Sums:
        """Return the bucket sums of the whole table that `read` is of, in the order of the buckets."""
        ...

    def keys(
        self,
        read: Read,
        buckets: Collection[int] | None,
        sink: Callable[[bytes], None],
        *,
        selected: bool = False,
    ) -> int:
        """Stream key text, not shortened, and source hash of every row of the table that `read` is of, or of
        those in some buckets, to `sink` as JSON lines, as `copy` does. Return the number of rows.
        selected: of those rows alone that `read` selects."""
        ...


class Source(Protocol):
    """A PostgreSQL database that is only read. Values never enter SQL text."""

    def preflight(self, tables: Sequence[TableSpec]) -> Preflight:
        """Read identity, privileges and the catalogue of the named tables. Refuses a standby."""
        ...

    def barrier(self) -> Barrier:
        """Read clock and open transactions, then the prepared ones, each in a transaction of its own."""
        ...

    def snapshot(self) -> AbstractContextManager[SourceSnapshot]:
        """Open the snapshot; it must be opened after `barrier` returned."""
        ...

    def settle(self, position: str) -> None:
        """Return when everything a snapshot at that position showed would survive a crash of the source.

        A transaction that commits asynchronously is visible before it is durable. If its row were
        committed to the lake and the source then crashed, the row would be gone and its xid given to
        another transaction, which no poll from there on would see."""
        ...


@dataclass(frozen=True)
class Applied:
    """The last batch in the warehouse. complete_to, applied_at: ISO 8601 in UTC."""

    seq: int
    kind: str
    manifest_sha256: str
    complete_to: str | None
    applied_at: str


@dataclass(frozen=True)
class Load:
    """How one batch came into the star. applied_at: ISO 8601 in UTC. counts: as the load recorded them."""

    seq: int
    kind: str
    clock: str
    applied_at: str
    seconds: float
    counts: Mapping[str, Any]


@dataclass(frozen=True)
class StarCounts:
    """What a batch did to one star table. Facts: versions = new versions of known keys, updated = versions
    that were filled in place."""

    inserted: int = 0
    updated: int = 0
    versions: int = 0
    unchanged: int = 0
    tombstones: int = 0


@dataclass(frozen=True)
class Batch:
    """A processed batch, ready to apply. star: per star table its rows, `_key` (driving key text) last.
    ledger: per source table (key, source_hash, state). quarantine: rejected rows as
    {table, key, seq, stage, reason, row}. filled: per fact, its rows as they would be without the columns
    that the batch adds: where that is what the star has, the version is filled in place. inventory: per
    source table the keys it was found to have (key, source_hash). Star, ledger, filled and inventory are
    iterables of Arrow tables, one a file, that can be gone through more than once."""

    manifest: Processed
    manifest_sha256: str
    star: Mapping[str, Iterable[pa.Table]]
    ledger: Mapping[str, Iterable[pa.Table]]
    quarantine: Sequence[Mapping[str, Any]]
    filled: Mapping[str, Iterable[pa.Table]] = field(default_factory=dict)
    inventory: Mapping[str, Iterable[pa.Table]] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """Result of applying a batch; quarantined counts the rows this batch's load rejected itself.

    differing: rows by source table that an inventory found to be other than the ledger has them, though
    not deleted, and of which no poll told; always none, if polling keeps its promise. requests: what was
    asked of the next extract because of what this batch showed."""

    seq: int
    star: Mapping[str, StarCounts]
    quarantined: int = 0
    inferred: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    differing: Mapping[str, int] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()


Ask = Callable[[tuple["Request", ...]], None]
"""Takes the requests that a batch gives rise to; when it returns they are durable."""


class Warehouse(Protocol):
    """A star schema with its ledger. Readers only ever see whole batches."""

    def applied(self) -> Applied | None:
        """Return the last applied batch, None before the first. ConfigurationError if not migrated."""
        ...

    def apply(
        self,
        batch: Batch,
        ask: Ask = lambda _: None,
        *,
        confirmed: bool = False,
        released: bool = False,
    ) -> Loaded:
        """Apply batch `applied + 1` in one transaction: wholly, or not at all.

        What the source no longer has, as far as the batch can tell, is deleted: marked in the ledger, a
        fact's row with a version that ends it. confirmed: however much that is; otherwise HeldError above
        sweep_hold. released: however many of its rows the star refuses; otherwise HeldError above
        quarantine_hold. ask: is told, before the commit, what has to be asked of the source next. So a
        request may be there whose batch is not applied, which costs a question, but never the other way
        round. The laws are asked of a partial batch when the one is applied that makes the star whole.

        Raises LostRace if another load holds the lock or applied it first; HeldError if the batch is not
        the successor of what is applied (other lake) or breaks a law of sql/checks, by name;
        ConfigurationError if a model's columns do not fit the star's. After an unknown commit outcome
        (connection lost in COMMIT) call `applied` again."""
        ...

    def apply_together(
        self,
        batches: Iterable[Batch],
        ask: Ask = lambda _: None,
        confirmed: Container[int] = (),
        released: Container[int] = (),
    ) -> list[Loaded]:
        """Apply the next batches, in order, in one transaction: readers see all of them or none.

        A batch is asked for when the one before it is in. confirmed, released: numbers of batches; where some
        are held, the error has all of them. Else as `apply`."""
        ...


class BuildTarget(Warehouse, Protocol):
    """The star once more, beside the live one, where no reader looks."""

    def __enter__(self) -> BuildTarget: ...

    def __exit__(self, *_: object) -> None: ...

    def prepare(self, models: Sequence[ModelRef]) -> None:
        """Make it, empty; one that is there and was made by today's DDL stays as it is.

        Raises ConfigurationError where something else is in its place, or the DDL does not fit the models."""
        ...

    def check(self, models: Sequence[ModelRef]) -> None:
        """Raise HeldError, naming it, where a row refers to one that is not there."""
        ...

    def discard(self) -> None:
        """Take it away, if it is there."""
        ...


class LiveWarehouse(Warehouse, Protocol):
    """The warehouse that readers see."""

    @property
    def build(self) -> BuildTarget:
        """Its build target, which has a connection of its own."""
        ...

    def loads(self, seq: int) -> Sequence[Load]:
        """Return how the batches after `seq` came into the star, in order."""
        ...

    def rehearse(self, models: Sequence[ModelRef]) -> None:
        """Raise ConfigurationError where the DDL that publishing would apply cannot be applied, or what
        others built on the star is in its way, by name. Nothing is changed."""
        ...

    def publish(
        self, models: Sequence[ModelRef], gone: Sequence[str] = (), *, last: str | None = None
    ) -> list[str] | None:
        """Make the star what its build target is, in one transaction, and take the target away.

        gone: star tables that no model makes any more; they are emptied where they are still there. last:
        SHA-256 of the manifest of the last batch that the target is to have, where there is one: another run
        may have made it anew, then LostRace.
        Return the names of the tables that changed; None, with nothing done, where the star has come
        further than the target. Raises HeldError or ConfigurationError where the rows or the DDL break a
        key or do not fit, by name; LostRace where another load holds the lock."""
        ...


class Replica(Warehouse, Protocol):
    """A star of its own beside the live one, to be filled from the start."""

    def begin(self, models: Sequence[ModelRef]) -> None:
        """Make it, empty, or find it as it was left.

        Raises ConfigurationError where something else is in its place, or its DDL does not fit the models."""
        ...


class Engine(Protocol):
    """Runs models over Arrow tables: deterministic, no clock, no randomness, no outside access."""

    def run(self, model: Model, inputs: Mapping[str, pa.Table]) -> pa.Table:
        """Return the model's rows over the given source tables, ordered by the model's key.

        Raises RowError where a row makes an expression fail (a strict macro, a division by zero)."""
        ...


class RowError(Exception):
    """Some row of a model's input cannot be used; the text is the reason."""

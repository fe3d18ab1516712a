"""Verify: the source against the ledger, at one snapshot of the source, and the ledger against the star.

Bucket sums say where source and ledger differ; of those buckets every key and hash is compared. A row that
the next poll reads is pending, and no difference: the pipeline has not promised it yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from starlift.core import continuity, polling
from starlift.core.config import PipelineConfig
from starlift.core.difference import SHOWN, Difference
from starlift.core.identity import shortened
from starlift.core.inventory import Sums
from starlift.core.manifest import Manifest, ModelRef, TableState
from starlift.errors import DriftError
from starlift.ports import Applied, Preflight, Source, SourceSnapshot
from starlift.stages.polling import TablePoll, plan
from starlift.stages.shapes import find_shapes
from starlift.stages.watch import UNWATCHED, Watch

ROWS_AT_ONCE = 50_000
"""Rows whose keys are compared at once: what of the source is in memory."""


class Inspection(Protocol):
    """A warehouse as of one moment, to be held against its source and against what the load wrote."""

    @property
    def applied(self) -> Applied | None:
        """The last batch applied, None before the first."""
        ...

    def sums(self, table: str) -> Sums:
        """Return the bucket sums of what the ledger says that a source table has."""
        ...

    def keys(self, table: str, buckets: Sequence[int]) -> dict[str, int]:
        """Return source hash by key text of the same, in some buckets."""
        ...

    def held_back(self) -> dict[str, int]:
        """Return the number of rows in quarantine by source table."""
        ...

    def differences(self, models: Sequence[ModelRef]) -> list[Difference]:
        """Return in what the star of some models, and the pipeline's own tables, are not as they were
        written."""
        ...


@dataclass
class Compared:
    """What became of one source table. rows: at the source. pending: rows that differ and that the next poll
    reads. quarantined: rows held back, whose newest version is not in the star."""

    rows: int = 0
    pending: int = 0
    quarantined: int = 0


@dataclass
class Verified:
    """What a comparison found. seq: the batch that the warehouse has. tables: by source table, those that
    were compared. source: in what the ledger is not what the source has. star: in what the star and the
    pipeline's tables are not what was written. held: why a table was not compared. replay: in what they are
    not what a replay makes; None where none was made."""

    seq: int
    tables: dict[str, Compared] = field(default_factory=dict)
    source: list[Difference] = field(default_factory=list)
    star: list[Difference] = field(default_factory=list)
    held: dict[str, DriftError] = field(default_factory=dict)
    replay: list[Difference] | None = None

    @property
    def differences(self) -> list[Difference]:
        """All that was found."""
        return [*self.source, *self.star, *(self.replay or ())]


@dataclass(frozen=True)
class Subject:
    """What is verified. manifest: of the batch that the warehouse has, in the ingestion lake. models: that
    made it."""

    config: PipelineConfig
    manifest: Manifest
    models: Sequence[ModelRef]


def verify(
    subject: Subject,
    source: Source,
    inspection: Inspection,
    watch: Watch = UNWATCHED,
) -> Verified:
    """Compare source, ledger and star and return every difference.

    inspection: of the warehouse, taken before; what the source has had since is pending. The watch
    is told of each table. Raises InventoryNeeded where another server answers, and
    ConfigurationError or UnavailableError.
    """
    verified = Verified(subject.manifest.seq)
    held_back = inspection.held_back()
    preflight = source.preflight(list(subject.config.tables.values()))
    shapes = find_shapes(subject.config, subject.manifest, preflight, lambda *_: None)
    verified.held = dict(shapes.held)
    polls = plan(shapes.taken, _left(subject.manifest, preflight), preflight, subject.config.limits, {})
    with source.snapshot() as snapshot:
        states = {poll.spec.name: poll.state for poll in polls if poll.state}
        lost = polling.beyond_horizon(states, snapshot.xmin)
        for poll in polls:
            name = poll.spec.name
            if name in lost:
                poll.restart()
            table = _Table(poll, snapshot, inspection)
            verified.tables[name] = replace(table.compare(), quarantined=held_back.get(name, 0))
            verified.source += table.differences()
            watch("verify", name, verified.tables[name].rows)
    verified.star = inspection.differences(subject.models)
    return verified


def _left(manifest: Manifest, preflight: Preflight) -> Manifest | None:
    """Return the batch from which the next poll goes on, None where it reads all tables whole.

    A table that is under way is one of several here, of which all rows are still to be read that its chunks
    or the poll that closes them read."""
    continuity.check_server(manifest.identity, preflight.identity)
    back = continuity.went_back(manifest.identity, manifest.clock, preflight.identity, preflight.clock)
    tables = {name: _not_under_way(state) for name, state in manifest.tables.items()}
    return None if back else replace(manifest, tables=tables)


def _not_under_way(state: TableState) -> TableState:
    if state.chunk is None:
        return state
    # of rows that are read whole no horizon tells which are still to come
    left = replace(state, W=None, px=None, px_at=None) if state.chunk.whole else state
    return replace(left, chunk=None)


_GONE = "not at the source: deleted since, or never there"
_MISSING = "at the source alone"
_OTHER = "other than at the source"


@dataclass
class _Table:
    """One table's comparison. found: keys by what is wrong with them."""

    poll: TablePoll
    snapshot: SourceSnapshot
    inspection: Inspection
    found: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def compare(self) -> Compared:
        there = self.snapshot.sums(self.poll.read)
        here = self.inspection.sums(self.poll.spec.name)
        compared = Compared(rows=sum(rows for _, rows, _ in there))
        for buckets in _in_groups(there, here):
            compared.pending += self._compare_keys(buckets)
        return compared

    def differences(self) -> Iterator[Difference]:
        """Yield what was found, each with its first keys."""
        for what, keys in sorted(self.found.items()):
            yield Difference(self.poll.spec.name, what, self.counts[what], tuple(keys))

    def _compare_keys(self, buckets: Sequence[int]) -> int:
        """Compare the keys of some buckets; return how many of them are pending."""
        there = self._listed(self.poll.read, buckets, selected=False)
        here = self.inspection.keys(self.poll.spec.name, buckets)
        self._note(_GONE, here.keys() - there.keys())
        differing = {key for key, digest in there.items() if here.get(key) != digest}
        if not differing:
            return 0
        unread = self._listed(_next_read(self.poll), buckets, selected=True).keys() & differing
        self._note(_MISSING, differing - unread - here.keys())
        self._note(_OTHER, (differing - unread) & here.keys())
        return len(unread)

    def _note(self, what: str, keys: set[str]) -> None:
        if keys:
            self.counts[what] = self.counts.get(what, 0) + len(keys)
            named = [*self.found.get(what, ()), *keys]
            self.found[what] = sorted(named, key=lambda key: (len(key), key))[:SHOWN]

    def _listed(self, read: polling.Read, buckets: Sequence[int], *, selected: bool) -> dict[str, int]:
        lines: list[bytes] = []
        self.snapshot.keys(read, buckets, lines.append, selected=selected)
        rows = (json.loads(line) for line in b"".join(lines).splitlines())
        return {shortened(row["_key"]): int(row["_hash"]) for row in rows}


def _next_read(poll: TablePoll) -> polling.Read:
    """Return what polls to come read of rows that are there now: in timestamp mode by the cursor, and within
    the hour by xid."""
    if "time" in poll.read.passes and poll.read.px is not None:
        return replace(poll.read, passes=poll.read.passes | {"xid"})
    return poll.read


def _in_groups(there: Sums, here: Sums) -> Iterator[list[int]]:
    """Yield the buckets whose sums differ, in groups of as many rows as are compared at once."""
    source, ledger = _by_bucket(there), _by_bucket(here)
    group: list[int] = []
    rows = 0
    for bucket in sorted(source.keys() | ledger.keys()):
        if source.get(bucket) != ledger.get(bucket):
            group.append(bucket)
            rows += source.get(bucket, (0, ""))[0]
            if rows >= ROWS_AT_ONCE:
                yield group
                group, rows = [], 0
    if group:
        yield group


def _by_bucket(sums: Sums) -> Mapping[int, tuple[int, str]]:
    return {bucket: (rows, total) for bucket, rows, total in sums}

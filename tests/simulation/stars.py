"""A star and its ledger in memory, as the tables of `sql/warehouse` are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlift.core.identity import bucket
from starlift.core.inventory import Sums
from tests.simulation.star import DIMENSIONS

AT_SOURCE = ("live", "quarantined", "dropped")

Values = tuple[Any, ...]


class Entry(NamedTuple):
    """A row of the ledger."""

    hash: int | None
    fingerprint: str | None
    state: str
    seq: int


@dataclass
class FactVersion:
    """A row of fact_version."""

    record_id: int
    key: str
    seq: int
    op: str
    ended: int | None = None


@dataclass
class AppliedBatch:
    """A row of applied."""

    seq: int
    kind: str
    partial: bool
    digest: str
    clock: str
    complete_to: str | None
    counts: Mapping[str, Any]


@dataclass
class Star:
    """Star, ledger and all. dimensions: rows by key text. facts: rows by record id."""

    dimensions: dict[str, dict[str, Values]] = field(default_factory=lambda: {n: {} for n in DIMENSIONS})
    facts: dict[int, Values] = field(default_factory=dict)
    versions: list[FactVersion] = field(default_factory=list)
    current: dict[str, FactVersion] = field(default_factory=dict)
    ledger: dict[tuple[str, str], Entry] = field(default_factory=dict)
    quarantine: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    applied: list[AppliedBatch] = field(default_factory=list)

    def copy(self) -> Star:
        """A copy of which a change is none of this one."""
        versions = [FactVersion(v.record_id, v.key, v.seq, v.op, v.ended) for v in self.versions]
        return Star(
            {name: dict(rows) for name, rows in self.dimensions.items()},
            dict(self.facts),
            versions,
            {v.key: v for v in versions if v.ended is None},
            dict(self.ledger),
            dict(self.quarantine),
            list(self.applied),
        )

    @property
    def seq(self) -> int:
        """The last batch."""
        return self.applied[-1].seq if self.applied else 0

    def at_source(self, table: str) -> dict[str, Entry]:
        """What the source has of a table, as far as the ledger knows."""
        return {
            key: entry
            for (name, key), entry in self.ledger.items()
            if name == table and entry.state in AT_SOURCE
        }


def sums(star: Star, table: str) -> Sums:
    """The bucket sums of a table, as the ledger has it."""
    found: dict[int, list[int]] = {}
    for key, entry in star.at_source(table).items():
        found.setdefault(bucket(key), []).append(entry.hash or 0)
    return [(number, len(hashes), str(sum(hashes))) for number, hashes in sorted(found.items())]

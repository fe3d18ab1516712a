"""One batch on its way into a star in memory: as `starlift.adapters.postgres.loading` does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from starlift.core.identity import bucket
from starlift.core.inventory import MOST_KEYS, differing
from starlift.core.manifest import Inventory, Processed
from starlift.core.requests import Request
from starlift.errors import HeldError
from starlift.ports import Batch, Loaded, StarCounts
from tests.simulation.star import DIMENSIONS, FACT, LONGEST_NAME, NOT_LOADED, PARENTS
from tests.simulation.stars import Entry, FactVersion, Star, Values, sums


@dataclass
class WarehouseQuirks:
    """Breakages of the warehouse's adapter."""

    no_lock: bool = False
    any_order: bool = False
    always_append: bool = False
    no_tombstones: bool = False
    sweep_first: bool = False
    no_inferred: bool = False


@dataclass(frozen=True)
class Rows:
    """A batch, its files read."""

    manifest: Processed
    digest: str
    star: Mapping[str, list[tuple[str, Values]]]
    ledger: Mapping[str, list[tuple[str, int | None, str]]]
    quarantine: Sequence[Mapping[str, Any]]
    listed: Mapping[str, dict[str, int]]


def read(batch: Batch) -> Rows:
    """Read a batch's files."""
    assert not batch.filled, "the simulation adds no columns"
    return Rows(
        batch.manifest,
        batch.manifest_sha256,
        {
            name: [(row[-1], row[:-1]) for file in files for row in _rows(file)]
            for name, files in batch.star.items()
        },
        {name: [row for file in files for row in _rows(file)] for name, files in batch.ledger.items()},
        batch.quarantine,
        {name: dict(row for file in files for row in _rows(file)) for name, files in batch.inventory.items()},
    )


def _rows(table: pa.Table) -> Iterator[Values]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


class Writing:
    """One batch on its way into a star, as `adapters.postgres.loading`."""

    def __init__(self, star: Star, rows: Rows, quirks: WarehouseQuirks) -> None:
        self.star, self.rows, self.quirks = star, rows, quirks
        self.manifest = rows.manifest
        self.seq = rows.manifest.seq
        self.counts: dict[str, StarCounts] = {}
        self.inferred = 0
        self.gone: list[tuple[str, str]] = []
        self.differing: dict[str, int] = {}
        self.requests: list[Request] = []

    def run(self, least_held: int, share: float) -> tuple[Loaded, HeldError | None]:
        """Write the batch. Return what it did, and why to hold it, if a person has to look."""
        rejected = self._rejected()
        if self.quirks.sweep_first:
            self._compare()
        for name in sorted(self.rows.star, key=lambda name: (name == FACT, name)):
            table = next(model.driving for model in self.manifest.models if model.name == name)
            rows = [row for row in self.rows.star[name] if (table, row[0]) not in rejected]
            self.counts[name] = self._facts(rows) if name == FACT else self._dimension(name, rows)
        for table in sorted(self.rows.ledger.keys() | self.manifest.inventory.keys()):
            refused = {key for name, key in rejected if name == table}
            self._enter(table, self.rows.ledger.get(table, ()), refused)
            self._find_missing(table)
        for table, key in rejected:
            self.star.quarantine[table, key] = self.seq, "load"
        for row in self.rows.quarantine:
            self.star.quarantine[row["table"], row["key"]] = self.seq, row["stage"]
        if not self.manifest.partial and not self.quirks.sweep_first:
            self._compare()
        held = self._held(least_held, share)
        for table in sorted({table for table, _ in self.gone}):
            keys = {key for name, key in self.gone if name == table}
            entries = [(key, self.star.ledger[table, key].hash, "deleted") for key in sorted(keys)]
            self._enter(table, entries, set())
        by_table = dict(Counter(table for table, _ in rejected))
        loaded = Loaded(
            self.seq,
            self.counts,
            sum(by_table.values()),
            self.inferred,
            by_table,
            self.differing,
            tuple(self.requests),
        )
        return loaded, held

    def _rejected(self) -> set[tuple[str, str]]:
        return {
            ("product", key)
            for key, row in self.rows.star.get("dim_product", ())
            if row[1] is None or len(row[1]) > LONGEST_NAME
        }

    def _dimension(self, name: str, rows: Iterable[tuple[str, Values]]) -> StarCounts:
        there, counts = self.star.dimensions[name], Counter[str]()
        for key, row in rows:
            old = there.get(key)
            counts["inserted" if old is None else "unchanged" if old == row else "updated"] += 1
            there[key] = row
        return StarCounts(**counts)

    def _facts(self, rows: Sequence[tuple[str, Values]]) -> StarCounts:
        star, counts = self.star, Counter[str]()
        for place, parent in PARENTS:
            for number in sorted({row[place] for _, row in rows if row[place] is not None}):
                self._infer(parent, number)
        inventory = self.manifest.inventory.get("sale", Inventory("none"))
        asked = set(inventory.asked)
        whole = self.manifest.kind == "repair" and inventory.scope == "whole"
        last = max(star.facts, default=0)
        for key, row in sorted(rows, key=lambda item: item[1][0]):
            old = star.current.get(key)
            known = old is not None and old.op != "delete"
            same = old is not None and known and star.facts[old.record_id] == row
            if same and not self.quirks.always_append:
                counts["unchanged"] += 1
                continue
            op = "insert" if not known else "repair" if key in asked or whole else "update"
            counts["inserted" if old is None else "versions"] += 1
            last += 1
            star.facts[last] = row
            self._version(FactVersion(last, key, self.seq, op))
        return StarCounts(**counts)

    def _version(self, version: FactVersion) -> None:
        old = self.star.current.get(version.key)
        if old is not None:
            old.ended = self.seq
        self.star.versions.append(version)
        self.star.current[version.key] = version

    def _infer(self, parent: str, number: int) -> None:
        key = f"({number})"
        if key in self.star.dimensions[parent] or self.quirks.no_inferred:
            return
        self.star.dimensions[parent][key] = (number, NOT_LOADED, None)
        self.inferred += 1
        self.star.ledger.setdefault((DIMENSIONS[parent], key), Entry(None, None, "inferred", self.seq))

    def _enter(self, table: str, entries: Iterable[tuple[str, int | None, str]], refused: set[str]) -> None:
        star, fingerprint, buried = self.star, self.manifest.fingerprints.get(table), 0
        for key, digest, given in entries:
            old = star.ledger.get((table, key))
            state = "quarantined" if given == "live" and key in refused else given
            if state == "deleted" and (old is None or old.state != "deleted"):
                buried += 1
                if table == "sale":
                    self._tombstone(key)
            if old is None or (old.hash, old.fingerprint, old.state) != (digest, fingerprint, state):
                star.ledger[table, key] = Entry(digest, fingerprint, state, self.seq)
            if state not in ("quarantined", "dropped"):
                star.quarantine.pop((table, key), None)
        if buried:
            self._count_buried(table, buried)

    def _tombstone(self, key: str) -> None:
        old = self.star.current.get(key)
        if old is not None and old.op != "delete" and not self.quirks.no_tombstones:
            self._version(FactVersion(old.record_id, key, self.seq, "delete"))
            self._tombstones = getattr(self, "_tombstones", 0) + 1

    def _count_buried(self, table: str, buried: int) -> None:
        for model in (model for model in self.manifest.models if model.driving == table):
            count = buried
            if model.kind == "fact":
                count, self._tombstones = getattr(self, "_tombstones", 0), 0
            before = self.counts.get(model.name, StarCounts())
            self.counts[model.name] = replace(before, tombstones=before.tombstones + count)

    def _find_missing(self, table: str) -> None:
        inventory = self.manifest.inventory.get(table, Inventory("none"))
        if inventory.scope not in ("whole", "keys"):
            return
        brought = {key for key, _, _ in self.rows.ledger.get(table, ())}
        within = None if inventory.scope == "whole" else set(inventory.asked)
        self._find_gone(table, brought, within)

    def _find_gone(self, table: str, there: Container[str], within: set[str] | None) -> None:
        self.gone += [
            (table, key)
            for key, entry in self.star.at_source(table).items()
            if entry.seq < self.seq and key not in there and (within is None or key in within)
        ]

    def _compare(self) -> None:
        for table, inventory in self.manifest.inventory.items():
            if inventory.scope in ("all", "buckets"):
                self._compare_list(table, inventory)
            if inventory.sums and (found := differing(inventory, sums(self.star, table))):
                reason = f"buckets of keys that are not as the source has them: {len(found):,}"
                self.requests.append(Request("inventory", table, reason, buckets=found))
        self._compare_counts()

    def _compare_list(self, table: str, inventory: Inventory) -> None:
        listed, known = self.rows.listed.get(table, {}), self.star.at_source(table)
        within = None
        if inventory.scope == "buckets":
            within = {key for key in known if bucket(key) in inventory.buckets}
        self._find_gone(table, listed, within)
        found = sorted(key for key, digest in listed.items() if key not in known or known[key].hash != digest)
        if found:
            self.differing[table] = len(found)
            reason = f"rows that are not as the source has them, though no poll told of it: {len(found):,}"
            self.requests.append(Request("repair", table, reason, tuple(found[:MOST_KEYS])))

    def _compare_counts(self) -> None:
        covered = {
            table
            for table, inventory in self.manifest.inventory.items()
            if inventory.scope in ("whole", "all") or inventory.sums
        }
        gone = Counter(table for table, _ in set(self.gone))
        for table, rows in self.manifest.source_rows.items():
            if table in covered:
                continue
            there = len(self.star.at_source(table)) - gone[table]
            if there != rows:
                reason = f"rows in the source: {rows:,}, in the ledger: {there:,}"
                self.requests.append(Request("inventory", table, reason))

    def _held(self, least: int, share: float) -> HeldError | None:
        gone = Counter(table for table, _ in self.gone)
        for table, count in sorted(gone.items()):
            known = len(self.star.at_source(table))
            if count >= least and count > share * known and table not in self.manifest.rekeyed:
                return HeldError(
                    f"batch {self.seq} takes away {count} of {known} rows of {table}",
                    f"starlift reconcile --confirm {self.seq}",
                )
        return None

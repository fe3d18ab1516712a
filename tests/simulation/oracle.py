"""What the star has to be after each batch, from what the source showed: a fold of its snapshots.

It knows nothing of cursors, horizons and digests. Of a batch it takes the snapshot's name, which keys its
inventories cover, and, of a chunk, which rows it brought.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import zstandard

from starlift.core import paths
from starlift.core.identity import bucket
from starlift.core.manifest import Inventory, Manifest
from starlift.ports import Loaded
from tests.simulation.scheduler import Violation
from tests.simulation.star import DIMENSIONS, FACT, NOT_LOADED, PARENTS, TABLES, Row, usable
from tests.simulation.stars import AT_SOURCE, Star, Values
from tests.simulation.warehouse import SimulatedWarehouse
from tests.simulation.world import Version, Visible
from tests.simulation.writing import Rows

NONE = Inventory("none")


@dataclass(frozen=True)
class Known:
    """A source row as the pipeline is to have it."""

    row: Row
    hash: int


@dataclass
class Expected:
    """The star as it is to be. known: rows by table and key; marks: state of every key that was ever known.
    versions: (record id, op) -> (key, batch, row, batch that ended it)."""

    known: dict[str, dict[int, Known]] = field(default_factory=lambda: {name: {} for name in TABLES})
    marks: dict[tuple[str, int], str] = field(default_factory=dict)
    dimensions: dict[str, dict[str, Values]] = field(default_factory=lambda: {n: {} for n in DIMENSIONS})
    versions: dict[tuple[int, str], list[object]] = field(default_factory=dict)
    current: dict[str, tuple[int, str]] = field(default_factory=dict)
    rows: dict[int, Values] = field(default_factory=dict)
    seq: int = 0


class Oracle:
    """Checks what readers see, whenever that changes. odd: tables in which stamps may be false, so that only
    a pass by xid is sure to see every change."""

    def __init__(
        self, ingestion: Mapping[str, bytes], shown: Mapping[str, Visible], odd: frozenset[str]
    ) -> None:
        self.ingestion, self.shown, self.odd = ingestion, shown, odd
        self.expected = Expected()
        self.covered: dict[str, dict[int, Version]] = {}
        self.manifests: dict[int, Manifest] = {}
        self.happened: Counter[str] = Counter()
        self.inferred = 0

    def committed(
        self, warehouse: SimulatedWarehouse, rows: Sequence[Rows], loaded: Sequence[Loaded]
    ) -> None:
        """Check the live star after a load's commit."""
        for each in rows:
            if each.manifest.seq != self.expected.seq + 1:
                raise Violation(f"batch {each.manifest.seq} was applied after {self.expected.seq}")
            self._fold(self._manifest(each.manifest.seq))
        for done in loaded:
            if unseen := {table: n for table, n in done.differing.items() if table not in self.odd}:
                raise Violation(f"batch {done.seq}: changes of which no poll told: {unseen}")
            if done.inferred:
                self.happened["inferred"] += 1
        self._check(warehouse.star)

    def published(self, warehouse: SimulatedWarehouse) -> None:
        """Check the live star after it was built aside and published."""
        self.happened["published"] += 1
        self.expected, self.covered = Expected(), {}
        for batch in warehouse.star.applied:
            if batch.seq != self.expected.seq + 1:
                raise Violation(f"batch {batch.seq} was built after {self.expected.seq}")
            self._fold(self._manifest(batch.seq))
        self._check(warehouse.star)

    def _manifest(self, seq: int) -> Manifest:
        if seq not in self.manifests:
            self.manifests[seq] = Manifest.decode(self.ingestion[paths.manifest(seq)])
        return self.manifests[seq]

    # what is to be

    def _fold(self, manifest: Manifest) -> None:
        expected, shown = self.expected, self.shown[manifest.snapshot]
        seq = expected.seq = manifest.seq
        self._note(manifest)
        self.inferred = 0
        for table in TABLES:
            if table not in manifest.held:
                self._take(table, manifest, shown[table])
        for key, known in expected.known["product"].items():
            if usable("product", known.row):
                name, since = known.row[1:3]
                day = None if since is None else date.fromisoformat(since)
                expected.dimensions["dim_product"][f"({key})"] = key, name, day
        regions = expected.known["region"]
        for key, known in expected.known["client"].items():
            region = regions.get(int(known.row[1])) if known.row[1] else None
            expected.dimensions["dim_client"][f"({key})"] = key, known.row[2], region and region.row[1]
        self._version_facts(manifest, seq)

    def _note(self, manifest: Manifest) -> None:
        happened = self.happened
        happened["batches"] += 1
        happened[manifest.kind] += 1
        happened["chunk"] += manifest.partial
        happened["held table"] += bool(manifest.held)
        for inventory in manifest.inventory.values():
            happened[f"inventory: {inventory.scope}"] += 1
            happened["repair asked"] += bool(inventory.asked)
        for passes in manifest.passes.values():
            happened[f"read: {passes}"] += 1

    def _take(self, table: str, manifest: Manifest, shown: Mapping[int, Version]) -> None:
        known = self.expected.known[table]
        inventory = manifest.inventory.get(table, NONE)
        passes = set(manifest.passes.get(table, "").split("+"))
        complete = not manifest.partial or inventory.scope == "whole"
        covers = complete and bool(passes & {"whole", "xid"})
        shipped: set[int] | None = None
        if not complete or (table in self.odd and not covers):
            shipped = self._shipped(table, manifest)
        for key, version in shown.items():
            if shipped is None or key in shipped or (complete and not self._unsure(table, key, version)):
                known[key] = Known(version.row, version.hash)
                self.expected.marks[table, key] = "known"
        for key in [key for key in known if key not in shown and _tells(inventory, key, manifest)]:
            del known[key]
            self.expected.marks[table, key] = "deleted"
            self.happened["swept"] += 1
        if covers:
            self.covered[table] = dict(shown)

    def _unsure(self, table: str, key: int, version: Version) -> bool:
        """Whether nothing but a pass by xid would tell of a version, and none has."""
        return version.odd and table in self.odd and self.covered.get(table, {}).get(key) is not version

    def _shipped(self, table: str, manifest: Manifest) -> set[int]:
        found: set[int] = set()
        for file in manifest.files:
            if file.table == table:
                text = zstandard.ZstdDecompressor().decompressobj().decompress(self.ingestion[file.key])
                found |= {int(json.loads(line)["id"]) for line in text.splitlines()}
        return found

    def _version_facts(self, manifest: Manifest, seq: int) -> None:
        expected = self.expected
        inventory = manifest.inventory.get("sale", NONE)
        asked, whole = set(inventory.asked), manifest.kind == "repair" and inventory.scope == "whole"
        sales = expected.known["sale"]
        for key in sorted(sales):
            if not usable("sale", sales[key].row):
                continue
            number, client, product, units, day, _ = sales[key].row
            row: Values = (
                int(number or 0),
                int(client or 0),
                int(product or 0),
                int(units or 0),
                None if day is None else date.fromisoformat(day),
            )
            for place, parent in PARENTS:
                if f"({row[place]})" not in expected.dimensions[parent]:
                    expected.dimensions[parent][f"({row[place]})"] = row[place], NOT_LOADED, None
                    expected.marks.setdefault((DIMENSIONS[parent], int(row[place] or 0)), "inferred")
            last = expected.current.get(f"({key})")
            ended = last is None or last[1] == "delete"
            if last is not None and not ended and expected.rows[last[0]] == row:
                continue
            op = "insert" if ended else "repair" if f"({key})" in asked or whole else "update"
            expected.rows[len(expected.rows) + 1] = row
            self._version(f"({key})", len(expected.rows), op, seq)
        for key_text, (record, op) in list(expected.current.items()):
            if op != "delete" and int(key_text[1:-1]) not in sales:
                self._version(key_text, record, "delete", seq)

    def _version(self, key: str, record: int, op: str, seq: int) -> None:
        expected = self.expected
        if (last := expected.current.get(key)) is not None:
            expected.versions[last][2] = seq
        expected.versions[record, op] = [key, seq, None]
        expected.current[key] = record, op

    # what is

    def _check(self, star: Star) -> None:
        expected = self.expected
        if [batch.seq for batch in star.applied] != list(range(1, expected.seq + 1)):
            raise Violation(f"applied are {[batch.seq for batch in star.applied]}, not 1 to {expected.seq}")
        if star.applied[-1].partial:
            raise Violation(f"readers see chunk {star.applied[-1].seq} before the batch that closes it")
        self._check_latest(star)
        for name, rows in expected.dimensions.items():
            _same(expected.seq, name, star.dimensions[name], rows)
        versions: dict[tuple[int, str], list[object]] = {}
        for v in star.versions:
            if (v.record_id, v.op) in versions:
                raise Violation(f"batch {expected.seq}: {FACT} has a version twice: {v}")
            versions[v.record_id, v.op] = [v.key, v.seq, v.ended]
        _same(expected.seq, f"history of {FACT}", versions, expected.versions)
        _same(expected.seq, FACT, star.facts, expected.rows)
        self._check_ledger(star)
        _check_own_laws(star)

    def _check_latest(self, star: Star) -> None:
        """The claim itself, apart from the fold: the star has the source's rows, as of the batch."""
        manifest = self._manifest(self.expected.seq)
        shown = self.shown[manifest.snapshot]
        for key, version in shown["sale"].items():
            unsure = self._unsure("sale", key, version) or "sale" in manifest.held
            if unsure or not usable("sale", version.row):
                continue
            current = star.current.get(f"({key})")
            row = star.facts.get(current.record_id) if current and current.op != "delete" else None
            if row is None or tuple(map(_text, row)) != version.row[:5]:
                raise Violation(
                    f"batch {manifest.seq}: {FACT} has {row} where the source had {version.row}, "
                    f"stamp {version.stamp}, xid {version.xid}"
                )
        for key, version in shown["product"].items():
            unsure = self._unsure("product", key, version) or "product" in manifest.held
            if unsure or not usable("product", version.row):
                continue
            row = star.dimensions["dim_product"].get(f"({key})")
            if row is None or tuple(map(_text, row)) != version.row:
                raise Violation(f"batch {manifest.seq}: dim_product has {row}, the source {version.row}")

    def _check_ledger(self, star: Star) -> None:
        expected = self.expected
        states = {}
        for (table, key), mark in expected.marks.items():
            known = expected.known[table].get(key)
            if known is not None:
                mark = "live" if usable(table, known.row) else "quarantined"  # noqa: PLW2901
            states[table, f"({key})"] = mark, known.hash if known and mark in AT_SOURCE else None
        there = {
            name: (entry.state, entry.hash if entry.state in AT_SOURCE else None)
            for name, entry in star.ledger.items()
        }
        _same(expected.seq, "ledger", there, states)
        held_back = {name for name, (state, _) in states.items() if state == "quarantined"}
        self.happened["quarantined"] += bool(held_back)
        if held_back != star.quarantine.keys():
            raise Violation(f"batch {expected.seq}: in quarantine {set(star.quarantine)}, not {held_back}")

    def check_equal(self, star: Star, now: Visible) -> None:
        """Check that the star is exactly what the source has."""
        for table, rows in now.items():
            source = {f"({key})": version.hash for key, version in rows.items()}
            ledger = {key: entry.hash for key, entry in star.at_source(table).items()}
            _same(star.seq, f"at rest: ledger of {table}", ledger, source)
        facts = {
            key: tuple(map(_text, star.facts[version.record_id]))
            for key, version in star.current.items()
            if version.op != "delete" and star.ledger["sale", key].state == "live"
        }
        source_facts = {
            f"({key})": version.row[:5] for key, version in now["sale"].items() if usable("sale", version.row)
        }
        _same(star.seq, f"at rest: {FACT}", facts, source_facts)
        titles = {key: version.row[1] for key, version in now["region"].items()}
        for key, version in now["client"].items():
            # a writer may have taken the region away while another, who saw it, added the client
            number, region, name = version.row
            row = star.dimensions["dim_client"].get(f"({key})")
            wanted = int(number or 0), name, titles.get(int(region)) if region else None
            if row != wanted:
                raise Violation(f"at rest: dim_client has {row}, not {wanted}")


def _tells(inventory: Inventory, key: int, manifest: Manifest) -> bool:
    """Whether an inventory tells of a key that is not there that it is gone."""
    if inventory.scope == "whole":
        return True
    if manifest.partial:
        return False
    text = f"({key})"
    return (
        inventory.scope == "all"
        or (inventory.scope == "buckets" and bucket(text) in inventory.buckets)
        or (inventory.scope == "keys" and text in inventory.asked)
    )


def _same(seq: int, what: str, there: Mapping[Any, object], wanted: Mapping[Any, object]) -> None:
    if there == wanted:
        return
    lines = [
        f"{name}: is {there.get(name)}, should be {wanted.get(name)}"
        for name in sorted({*there, *wanted}, key=str)
        if there.get(name) != wanted.get(name)
    ]
    raise Violation(f"batch {seq}: {what}: " + "; ".join(lines))


def _check_own_laws(star: Star) -> None:
    """The laws of sql/checks, asked of the star alone."""
    if sorted(star.facts) != list(range(1, len(star.facts) + 1)):
        raise Violation(f"record ids are {sorted(star.facts)}")
    current = Counter(v.key for v in star.versions if v.ended is None)
    if double := [key for key, count in current.items() if count > 1]:
        raise Violation(f"keys with several current versions: {double}")
    for record, row in star.facts.items():
        for place, parent in PARENTS:
            if f"({row[place]})" not in star.dimensions[parent]:
                raise Violation(f"record {record} refers to {parent} ({row[place]}), which is not there")
    order = [v.record_id for v in star.versions if v.op != "delete"]
    if order != sorted(order):
        raise Violation(f"record ids are not in the order of the batches: {order}")


def _text(value: object) -> str | None:
    return None if value is None else str(value)

"""What the star must be after each batch: the fold of what the extractor's own snapshots have shown.

An extract has its snapshot kept before it reads from it: another session, which imports the snapshot, reads
every table and writes them to a file. A batch's manifest names its snapshot, so it is known which file it is.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.e2e import oracle
from tests.e2e.history import content, versions
from tests.e2e.oracle import COLUMNS, DRIVEN_BY, SURROGATES, Star, Tables
from tests.e2e.project import Project


@dataclass(frozen=True)
class Keeper:
    """Keeps what snapshots of a source show, in a folder."""

    folder: Path
    url: str = ""

    def keep(self, exported: str, text: str) -> None:
        """Keep what a snapshot shows, under its text (pg_snapshot). exported: its name for others."""
        half = self.folder / uuid4().hex
        half.write_bytes(pickle.dumps(oracle.read_source(self.url, exported)))
        half.rename(self._file(text))

    def kept(self, text: str) -> Tables:
        """Return what a snapshot showed."""
        tables: Tables = pickle.loads(self._file(text).read_bytes())  # noqa: S301 - written by `keep`
        return tables

    def _file(self, text: str) -> Path:
        return self.folder / hashlib.sha256(text.encode()).hexdigest()


Version = tuple[str, int, tuple[Any, ...]]
"""What befell a row of a fact: insert, update or delete, the batch, and the row."""


@dataclass
class Judge:
    """Holds a star to the fold of the snapshots of its batches, as far as they are applied.

    star: what it must be; versions: of the facts, by key. gone: rows of facts that the last snapshot had no
    more and of which no batch has told yet, by name.
    """

    project: Project
    keeper: Keeper
    seq: int = 0
    star: Star = field(default_factory=lambda: {name: {} for name in COLUMNS})
    versions: dict[str, dict[Any, list[Version]]] = field(
        default_factory=lambda: {fact: {} for fact in SURROGATES}
    )
    gone: set[tuple[str, Any]] = field(default_factory=set)

    def differences(self) -> dict[str, Any]:
        """Return in what the star is not what the snapshot of its last batch showed."""
        applied, found = oracle.read_batch(self.project.warehouse.owner)
        assert applied >= self.seq, "what was applied is gone"
        while self.seq < applied:
            self._apply(self.seq + 1)
        return oracle.differences(self.star, found) if applied else {}

    def faults(self) -> list[str]:
        """Return what is wrong with the history of the facts."""
        wrong = []
        for fact, surrogate in SURROGATES.items():
            found = versions(self.project.warehouse.owner, fact)
            # a version that ends a row has the number of the one it ends
            numbers = sorted(each[surrogate] for each in found if each["op"] != "delete")
            if numbers != list(range(1, len(numbers) + 1)):
                wrong.append(f"{fact}: the surrogates are not 1 to {len(numbers)}")
            seen: dict[Any, list[Version]] = {}
            for each in sorted(found, key=itemgetter("seq")):
                row = content(fact, each)
                seen.setdefault(row[0], []).append((each["op"], each["seq"], row))
            must_be = self.versions[fact]
            wrong += [
                f"{fact} {key}: must be {must_be.get(key)}, is {seen.get(key)}"
                for key in sorted({*must_be, *seen})
                if must_be.get(key) != seen.get(key)
            ]
        return wrong

    def _apply(self, seq: int) -> None:
        """Fold in one batch."""
        file = self.project.lakes["ingestion"] / f"manifests/{seq:020d}.json"
        manifest = json.loads(file.read_text())
        assert not manifest["partial"], "no snapshot is behind the rows of a chunk alone"
        self.seq, self.gone = seq, set()
        shown = oracle.expected_star(self.keeper.kept(manifest["snapshot"]))
        for name in DRIVEN_BY:
            if name in SURROGATES:
                self._apply_fact(name, shown[name], listed=DRIVEN_BY[name] in manifest["inventory"])
            else:
                # a member that is gone stays as it was: facts refer to it
                self.star[name] |= shown[name]
        days = {day.year for day in (*self.star["dim_date"], *shown["dim_date"])}
        self.star["dim_date"] = oracle.calendar_of(
            day.replace(year=year, month=1, day=1) for day in shown["dim_date"] for year in days
        )

    def _apply_fact(self, fact: str, shown: dict[Any, tuple[Any, ...]], *, listed: bool) -> None:
        current, past = self.star[fact], self.versions[fact]
        for key in current.keys() - shown.keys():
            if listed:
                past[key].append(("delete", self.seq, current.pop(key)))
            else:
                self.gone.add((fact, key))
        for key, row in shown.items():
            if current.get(key) != row:
                op = "update" if key in current else "insert"
                past.setdefault(key, []).append((op, self.seq, row))
                current[key] = row

"""What happens to a batch inside the transaction: the rows of one batch become part of the star."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

import pg8000.native
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres import facts, ledger, sweeping, unseen
from starlift.adapters.postgres.bare import Bare
from starlift.adapters.postgres.build import with_references
from starlift.adapters.postgres.calendar import extend_calendar
from starlift.adapters.postgres.dimensions import Parent, infer_members, merge_dimension
from starlift.adapters.postgres.filling import stage_before
from starlift.adapters.postgres.refusals import is_of_rows
from starlift.adapters.postgres.rejection import REJECTED, find_rejected, first_rejected, remove_rejected
from starlift.adapters.postgres.schemas import Schemas
from starlift.adapters.postgres.staging import Staged, bind, put_all, stage
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, StarTable, read_star
from starlift.adapters.postgres.sweeping import Findings
from starlift.adapters.postgres.trial import put_readable, try_rows
from starlift.core import holding
from starlift.core.manifest import Inventory, ModelRef
from starlift.errors import HeldError
from starlift.ports import Batch, Loaded, StarCounts

NO_INVENTORY = Inventory("none")
"""What a batch that nobody asked can tell of a table's keys."""


class Way(Enum):
    """How rows are written. USUAL: together, beside what is there. UNSEEN: together, as if nothing were.
    CAREFUL: each is tried first."""

    UNSEEN = auto()
    USUAL = auto()
    CAREFUL = auto()


@dataclass
class Loading:
    """One batch on its way into the star; the caller begins and ends the transaction.

    calendar: first and last year a date may have. sweep_hold: share of a table's rows that the batch may
    find deleted. quarantine_hold: share of its own rows of a table that the star may refuse. held: why the
    batch is not to be committed, but for a person's word; it is written all the same, so that whoever is
    asked is asked everything at once. bare: the star, where it is filled for the first time.
    """

    connection: pg8000.native.Connection
    schemas: Schemas
    calendar: tuple[int, int]
    batch: Batch
    sweep_hold: float
    quarantine_hold: float
    bare: Bare | None = None
    counts: dict[str, StarCounts] = field(default_factory=dict)
    inferred: int = 0
    held: list[HeldError] = field(default_factory=list)

    def run(self) -> Loaded:
        """Write star, ledger and quarantine. Raises the errors of `ports.Warehouse.apply`.

        A chunk of what is built is taken for rows that were never seen, until one of them was.
        Where the star refuses the rows together, each is tried, and those at fault are quarantined."""
        ways = self._ways()
        self.connection.run("SAVEPOINT whole")
        for way in ways:
            try:
                done = self._write(way)
                break
            except (DatabaseError, unseen.Seen) as error:
                of_rows = isinstance(error, unseen.Seen) or is_of_rows(error)
                if way is ways[-1] or not of_rows:
                    raise
                self.connection.run("ROLLBACK TO SAVEPOINT whole")
                self.counts, self.inferred, self.held = {}, 0, []
                if self.bare:
                    self.bare.dress()
                    self.connection.run("SAVEPOINT whole")
        self.connection.run("RELEASE SAVEPOINT whole")
        return done

    def _ways(self) -> list[Way]:
        """Return how the batch is to be tried, with the indexes there that the first of them needs."""
        building, is_bare = self.schemas.building, self.bare is not None and self.bare.is_bare
        unseen_ones = (building or is_bare) and self.batch.manifest.partial
        if building and unseen_ones:
            unseen.defer_indexes(self.connection, self.schemas)
        elif building:
            unseen.make_deferred(self.connection, self.schemas)
        if unseen_ones and not self.batch.filled:
            return [Way.UNSEEN, Way.USUAL, Way.CAREFUL]
        if self.bare:
            self.bare.dress()
        return [Way.USUAL, Way.CAREFUL]

    def _write(self, way: Way) -> Loaded:
        manifest, connection = self.batch.manifest, self.connection
        models = {model.name: model for model in manifest.models}
        names = [*models, DATE_DIMENSION]
        tables = read_star(connection, self.schemas.star, names) if self.batch.star else {}
        if self.schemas.building:
            tables = with_references(connection, self.schemas, tables)
        elif self.bare:
            tables = self.bare.with_references(tables)
        parents = {
            name: Parent(tables[name], model)
            for name, model in models.items()
            if model.kind == "dimension" and name in tables
        }
        connection.run(REJECTED)
        staged = in_order(self._stage(models, tables, way))
        find_rejected(connection, staged, self.calendar, models)
        rejected = remove_rejected(connection, staged)
        if way is Way.CAREFUL:
            for rows in staged:
                try_rows(connection, rows, parents)
            rejected = remove_rejected(connection, staged)
        self._check_share(rejected)
        for rows in staged:
            bind(connection, rows)
        self._extend_calendar(tables.get(DATE_DIMENSION), staged)
        connection.run(facts.CHANGES)
        sweeping.note_asked(connection, manifest.inventory)
        for rows in staged:
            self._merge(rows, parents, way)
        self._write_ledger(way, [rows for rows in staged if rows.model.kind == "fact"])
        if rejected:
            ledger.quarantine_rejected(connection, manifest.seq)
        ledger.quarantine_reported(connection, self.batch.quarantine, manifest.seq)
        found = self._sweep()
        ledger.drop_given_up(connection, manifest.dropped, manifest.seq)
        return Loaded(
            manifest.seq,
            self.counts,
            sum(rejected.values()),
            self.inferred,
            rejected,
            found.differing,
            tuple(found.requests),
        )

    def _check_share(self, rejected: Mapping[str, int]) -> None:
        """Hold the batch where the star refuses more of its rows of a table than it may."""
        of_batch = {
            table: (count, sum(rows.num_rows for rows in self.batch.ledger.get(table, ())))
            for table, count in rejected.items()
            if count >= holding.LEAST_HELD
        }
        if tables := holding.too_many(of_batch, self.quarantine_hold):
            examples = first_rejected(self.connection, tables, holding.EXAMPLES)
            seq = self.batch.manifest.seq
            self.held.append(holding.held(seq, of_batch, self.quarantine_hold, examples))

    def _stage(
        self, models: Mapping[str, ModelRef], tables: Mapping[str, StarTable], way: Way
    ) -> list[Staged]:
        put, analyze = put_readable if way is Way.CAREFUL else put_all, way is not Way.UNSEEN
        if unknown := sorted(set(self.batch.star) - set(models)):
            raise HeldError(
                f"batch {self.batch.manifest.seq} has rows of {', '.join(unknown)} but no such model",
                "restore the processed lake's manifest, then: starlift load",
            )
        return [
            stage(
                self.connection,
                self.schemas.star,
                tables.get(name),
                models[name],
                files,
                put,
                analyze=analyze,
            )
            for name, files in self.batch.star.items()
        ]

    def _extend_calendar(self, table: StarTable | None, staged: Sequence[Staged]) -> None:
        seq = self.batch.manifest.seq
        added = extend_calendar(self.connection, self.schemas.star, table, staged, seq)
        if added:
            self.counts[DATE_DIMENSION] = StarCounts(inserted=added)

    def _merge(self, rows: Staged, parents: Mapping[str, Parent], way: Way) -> None:
        manifest = self.batch.manifest
        for reference in rows.table.references:
            if reference.parent in parents:
                parent = parents[reference.parent]
                self.inferred += infer_members(self.connection, rows, reference, parent, manifest.seq)
        if rows.model.kind == "dimension":
            merged = merge_dimension(self.connection, rows, manifest.seq)
        else:
            read_whole = manifest.inventory.get(rows.model.driving, NO_INVENTORY).scope == "whole"
            op = "repair" if manifest.kind == "repair" and read_whole else "update"
            how = facts.Versioning(self.schemas.pipeline, manifest.seq, op)
            if way is Way.UNSEEN:
                if rows.model.driving not in self.batch.ledger:
                    raise unseen.Seen(rows.table.name)
                self.counts[rows.table.name] = unseen.append_unseen(self.connection, rows, how)
                return
            with stage_before(self.connection, rows, self.batch.filled.get(rows.table.name)) as before:
                merged = facts.append_versions(self.connection, rows, how, before)
        self.counts[rows.table.name] = merged

    def _write_ledger(self, way: Way, facts: Sequence[Staged]) -> None:
        manifest, connection = self.batch.manifest, self.connection
        connection.run(ledger.ENTRIES)
        connection.run(sweeping.GONE)
        for source_table in sorted(self.batch.ledger.keys() | manifest.inventory.keys()):
            ledger.copy_entries(
                connection, self.batch.ledger.get(source_table, ()), analyze=way is not Way.UNSEEN
            )
            self._enter(source_table, way, [rows for rows in facts if rows.model.driving == source_table])
            inventory = manifest.inventory.get(source_table, NO_INVENTORY)
            sweeping.find_missing(connection, source_table, inventory, manifest.seq)

    def _sweep(self) -> Findings:
        """Delete what the batch's inventories tell to be gone; return what else they tell.

        While other chunks are still to come, that is what a table read whole has not; nothing is compared."""
        manifest, connection = self.batch.manifest, self.connection
        findings = Findings()
        if not manifest.partial:
            findings = sweeping.compare(connection, manifest, self.batch.inventory)
        if held := sweeping.check_share(connection, self.sweep_hold, manifest):
            self.held.append(held)
        for source_table in sweeping.gone_tables(connection):
            ledger.enter_gone(connection, source_table)
            self._enter(source_table)
        return findings

    def _enter(self, source_table: str, way: Way = Way.USUAL, facts: Sequence[Staged] = ()) -> None:
        """Bring star and ledger up to `pg_temp._entry`."""
        manifest = self.batch.manifest
        self._bury(source_table)
        fingerprint = manifest.fingerprints.get(source_table)
        if way is Way.UNSEEN:
            ledger.refuse(self.connection, source_table)
            unseen.enter_unseen(self.connection, source_table, fingerprint, manifest.seq, facts)
            return
        ledger.write_entries(self.connection, self.schemas.pipeline, source_table, fingerprint, manifest.seq)

    def _bury(self, source_table: str) -> None:
        """Tombstones: a fact's version ends; a dimension's row stays, the ledger marks it."""
        deleted = ledger.newly_deleted(self.connection, source_table)
        if not deleted:
            return
        for model in (model for model in self.batch.manifest.models if model.driving == source_table):
            before = self.counts.get(model.name, StarCounts())
            if model.kind == "fact":
                deleted = facts.append_tombstones(self.connection, model.name, self.batch.manifest.seq)
            self.counts[model.name] = replace(before, tombstones=before.tombstones + deleted)


def in_order(staged: Sequence[Staged]) -> list[Staged]:
    """Return dimensions before facts, and a dimension after those it refers to, so that a member which
    comes in the same batch is not taken for missing."""
    by_name = {rows.table.name: rows for rows in staged}

    def depth(name: str, path: frozenset[str]) -> int:
        parents = {r.parent for r in by_name[name].table.references} & by_name.keys() - path
        return 1 + max((depth(parent, path | {parent}) for parent in parents), default=0)

    def place(rows: Staged) -> tuple[bool, int, str]:
        name = rows.table.name
        return rows.model.kind == "fact", depth(name, frozenset({name})), name

    return sorted(staged, key=place)

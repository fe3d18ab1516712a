"""Extract: poll the source once and commit what changed as one numbered batch of JSON lines.

The order of the steps is what makes it lose no row: preflight, barrier, snapshot, rows, manifest. The
manifest is the commit and the state at once, so a crash anywhere leaves the state of the batch before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlift.core import chunking, continuity
from starlift.core.config import PipelineConfig
from starlift.core.inventory import wanted
from starlift.core.manifest import Counts, Kind, Manifest, Mode, sha256
from starlift.errors import ConfigurationError, DriftError
from starlift.ports import Lake, Preflight, Source
from starlift.stages import chain, checkpoint, inventory, log, requests
from starlift.stages.landing import Landing
from starlift.stages.polling import TablePoll, measure, plan
from starlift.stages.shapes import Approve, find_shapes, require_same
from starlift.stages.shipping import ship
from starlift.stages.watch import UNWATCHED, Watch


@dataclass(frozen=True)
class Run:
    """One run of the pipeline. ranks: how soon each table is to be read where not all fit into one batch; see
    `starlift.core.chunking.rank`. widths, weights: bytes of a line by table, and what each of them counts for
    (`starlift.core.chunking.weight`), as far as the run has seen lines."""

    run_id: str
    code_version: str
    watch: Watch = UNWATCHED
    ranks: Mapping[str, int] = field(default_factory=dict)
    widths: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Extracted:
    """What was found. kind is None, and seq the head, where it was nothing and nothing was written.

    seq, kind: of the last batch; counts: of all. batches: counts of each, by number. partial: the last is not
    the one that closes, because the work was wished to end; left: rows still to be read, about.
    unnamed: columns of the source that the configuration neither takes nor drops, by table. held: why a
    table was not read, by table. went_back: why every table was read whole, where the source was not where
    the last batch had left it.
    """

    seq: int
    kind: Kind | None
    complete_to: str | None
    modes: dict[str, Mode]
    counts: dict[str, Counts]
    unnamed: dict[str, tuple[str, ...]]
    held: dict[str, DriftError] = field(default_factory=dict)
    went_back: str | None = None
    batches: dict[int, dict[str, Counts]] = field(default_factory=dict)
    partial: bool = False
    left: int = 0

    def then(self, later: Extracted) -> Extracted:
        """Return both together."""
        batches = {**self.batches, **later.batches}
        return replace(
            later,
            modes={**self.modes, **later.modes},
            counts=added_up(batches.values()),
            batches=batches,
            went_back=self.went_back or later.went_back,
        )


def added_up(batches: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Return the counts of several batches together, by table."""
    total: dict[str, Counts] = {}
    for name, counts in (item for batch in batches for item in batch.items()):
        before = vars(total.get(name, Counts()))
        total[name] = Counts(**{part: before[part] + rows for part, rows in vars(counts).items()})
    return total


@dataclass(frozen=True)
class Reconciliation:
    """What a person asks of one poll. tables: those of which to take an inventory. accept: tables whose
    changed shape is taken as it is; others whose shape changed are held. new_server: whether another server
    than the last batch read may answer. checkpoint: whether all tables are to be read whole, as a batch with
    which the log may begin."""

    tables: frozenset[str] = frozenset()
    accept: frozenset[str] = frozenset()
    new_server: bool = False
    checkpoint: bool = False


NOT_ASKED = Reconciliation()


def extract(
    source: Source,
    lake: Lake,
    config: PipelineConfig,
    run: Run,
    approve: Approve = lambda *_: None,
    reconciled: Reconciliation = NOT_ASKED,
) -> Extracted:
    """Poll every table once, from one snapshot, and answer what is asked of it; commit a batch, or write
    nothing where nothing changed and nothing was asked.

    What is more than one batch may bring is landed in chunks, each a batch with a snapshot of its own, and
    then what has changed since they began; between two of them the watch may wish to end.

    approve: a batch is for ever, so columns and keys that no model can use must be refused before it.
    Raises LostRace where another run committed the sequence number first, InventoryNeeded where another
    server answers, HeldError where the last batch's manifest or a request is damaged, DriftError where a
    table changes while it is read or is held and a checkpoint is asked for, ConfigurationError,
    UnavailableError.
    """
    done = _poll(source, lake, config, run, approve, reconciled)
    while done.partial and not run.watch.ends():
        done = done.then(_poll(source, lake, config, run, approve, reconciled))
    return done


def _poll(
    source: Source,
    lake: Lake,
    config: PipelineConfig,
    run: Run,
    approve: Approve,
    reconciled: Reconciliation,
) -> Extracted:
    began = time.monotonic()
    head, stored = log.head(lake)
    previous = chain.landed(lake, head, stored) if stored else None
    preflight = source.preflight(list(config.tables.values()))
    went_back = _check_source(config, previous, preflight, reconciled)
    shapes = find_shapes(config, previous, preflight, approve, reconciled.accept)
    asked = requests.read(lake, previous).but_of(shapes.held)
    wants = {name: wanted(name, asked.pending.values(), reconciled.tables) for name in shapes.taken}
    wants = checkpoint.of_everything(wants, lake, previous, shapes) if reconciled.checkpoint else wants
    tables = plan(shapes.taken, None if went_back else previous, preflight, config.limits, wants)
    _note_known(tables, previous)
    goes_on = any(table.going_on for table in tables)
    landing = Landing(
        config, stored, previous, preflight, source.barrier(), shapes, tables, asked, went_back, goes_on
    )
    with source.snapshot() as snapshot:
        measure(tables, snapshot, landing.barrier, preflight, config.limits)
        kind = "bootstrap" if reconciled.checkpoint else landing.kind()
        if kind is None and previous is not None:
            return _result(landing, head, None, previous.complete_to)
        run.watch.found()
        landing.decide_chunks()
        shipped = checkpoint.ship_at_once if reconciled.checkpoint else ship
        batches = shipped(tables, snapshot, lake, head + 1, run, chunking.budget(config.limits))
        if landing.partial:
            landing, kind = landing.unanswered(), "incremental" if previous else "bootstrap"
        else:
            for table in tables:
                table.list_keys()
        last = head + len(batches)
        inventories = inventory.take(landing.tables, snapshot, lake, last, run, config.limits.list_rows)
    source.settle(snapshot.position)
    polled = {table.spec.name: shapes.taken[table.spec.name] for table in tables}
    require_same(polled, preflight, source.preflight([table.spec for table in tables]))
    manifest = replace(
        landing.manifest(run.run_id, run.code_version, batches[-1].files),
        kind=kind or "bootstrap",
        snapshot=snapshot.text,
        inventory=inventories,
        seconds=round(time.monotonic() - began, 3),
    )
    landed = _commit(lake, run, landing.pieces(manifest, batches), stored)
    manifest = landed[-1]
    requests.clear(lake, manifest.served)
    counts = {each.seq: each.counts for each in landed}
    return replace(
        _result(landing, manifest.seq, manifest.kind, manifest.complete_to),
        counts=added_up(counts.values()),
        batches=counts,
        left=chunking.left(manifest.tables),
        partial=manifest.partial,
    )


def _commit(lake: Lake, run: Run, pieces: Sequence[Manifest], stored: bytes | None) -> list[Manifest]:
    """Commit batches one after another. stored: the manifest before them. Return them as they are stored."""
    landed = []
    for piece in pieces:
        manifest = replace(piece, previous_sha256=sha256(stored) if stored else None)
        stored = manifest.encode()
        log.commit(lake, manifest.seq, stored)
        landed.append(manifest)
        if len(pieces) > 1 or manifest.partial:
            rows = sum(file.rows for file in manifest.files)
            run.watch.done("extract", f"batch {manifest.seq}", rows, chunking.left(manifest.tables))
    return landed


def _note_known(tables: Sequence[TablePoll], previous: Manifest | None) -> None:
    for table in tables:
        table.known = previous is not None and (previous.partial or table.spec.name in previous.tables)


def _check_source(
    config: PipelineConfig, previous: Manifest | None, preflight: Preflight, reconciled: Reconciliation
) -> str | None:
    """Return in what the source is not where the last batch left it, None where it only moved forward."""
    if previous is None:
        return None
    if previous.source != config.source_name:
        raise ConfigurationError(
            f"the ingestion lake holds batches of {previous.source!r}, the configuration names the source "
            f"{config.source_name!r}: a lake belongs to one source",
            "set STARLIFT_INGESTION to another place, then: starlift run",
        )
    if not reconciled.new_server:
        continuity.check_server(previous.identity, preflight.identity)
    return continuity.went_back(previous.identity, previous.clock, preflight.identity, preflight.clock)


def _result(landing: Landing, seq: int, kind: Kind | None, complete_to: str | None) -> Extracted:
    return Extracted(
        seq=seq,
        kind=kind,
        complete_to=complete_to,
        modes={table.spec.name: table.mode for table in landing.tables},
        counts={table.spec.name: Counts() for table in landing.tables},
        unnamed=landing.unnamed,
        held=landing.shapes.held,
        went_back=landing.went_back if kind else None,
    )

"""Extract: poll the source once and commit what changed as one numbered batch of JSON lines.

The order of the steps is what makes it lose no row: preflight, barrier, snapshot, rows, manifest. The
manifest is the commit and the state at once, so a crash anywhere leaves the state of the batch before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from starlift.core import continuity
from starlift.core.config import PipelineConfig
from starlift.core.inventory import wanted
from starlift.core.manifest import Counts, Kind, Manifest, Mode
from starlift.errors import ConfigurationError, DriftError
from starlift.ports import Lake, Preflight, Source
from starlift.stages import chain, inventory, log, requests
from starlift.stages.landing import Landing
from starlift.stages.parts import write_parts
from starlift.stages.polling import measure, plan
from starlift.stages.shapes import Approve, find_shapes, require_same


@dataclass(frozen=True)
class Run:
    """One run of the pipeline. progress(stage, table, rows) is told of long work as it goes on."""

    run_id: str
    code_version: str
    progress: Callable[[str, str, int], None] = lambda *_: None


@dataclass(frozen=True)
class Extracted:
    """What one poll found. kind is None, and seq the head, where it found nothing and wrote nothing.

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


@dataclass(frozen=True)
class Reconciliation:
    """What a person asks of one poll. tables: those of which to take an inventory. accept: tables whose
    changed shape is taken as it is; others whose shape changed are held. new_server: whether another server
    than the last batch read may answer."""

    tables: frozenset[str] = frozenset()
    accept: frozenset[str] = frozenset()
    new_server: bool = False


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

    approve: a batch is for ever, so columns and keys that no model can use must be refused before it.
    Raises LostRace where another run committed the sequence number first, InventoryNeeded where another
    server answers, HeldError where the last batch's manifest or a request is damaged, DriftError where a
    table changes while it is read, ConfigurationError, UnavailableError.
    """
    began = time.monotonic()
    head, stored = log.head(lake)
    previous = chain.landed(lake, head, stored) if stored else None
    preflight = source.preflight(list(config.tables.values()))
    went_back = _check_source(config, previous, preflight, reconciled)
    shapes = find_shapes(config, previous, preflight, approve, reconciled.accept)
    asked = requests.read(lake, previous).but_of(shapes.held)
    wants = {name: wanted(name, asked.pending.values(), reconciled.tables) for name in shapes.taken}
    left = None if went_back else previous
    tables = plan(shapes.taken, left, preflight, config.limits, wants)
    landing = Landing(config, stored, previous, preflight, source.barrier(), shapes, tables, asked, went_back)
    with source.snapshot() as snapshot:
        measure(tables, snapshot, landing.barrier, preflight, config.limits)
        kind = landing.kind()
        if kind is None and previous is not None:
            return _result(landing, head, None, previous.complete_to)
        files = {
            table.spec.name: write_parts(lake, table.read, snapshot, head + 1, run) if table.changed else ()
            for table in tables
        }
        inventories = inventory.take(tables, snapshot, lake, head + 1, run, config.limits.list_rows)
        text, position = snapshot.text, snapshot.position
    source.settle(position)
    require_same(shapes.taken, preflight, source.preflight([table.spec for table in tables]))
    manifest = replace(
        landing.manifest(run.run_id, run.code_version, files),
        kind=kind or "bootstrap",
        snapshot=text,
        inventory=inventories,
        seconds=round(time.monotonic() - began, 3),
    )
    log.commit(lake, manifest.seq, manifest.encode())
    requests.clear(lake, manifest.served)
    return replace(
        _result(landing, manifest.seq, manifest.kind, manifest.complete_to), counts=manifest.counts
    )


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

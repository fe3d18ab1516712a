"""Transform: make star rows of every batch that extract committed, in order, exactly once each.

The processed manifest is the commit and the state. What is pending is whatever the ingestion lake has
after the processed lake's head; events only say that it is time to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlift.core import holding
from starlift.core.holding import NEVER, Hold
from starlift.core.manifest import Counts, Kind, Manifest, Processed, sha256
from starlift.core.models import Model, check_unchanged
from starlift.ports import Engine, Lake
from starlift.stages import chain, log
from starlift.stages.watch import UNWATCHED, Watch


@dataclass(frozen=True)
class Transformed:
    """One batch that transform committed.

    counts: source rows by table, read = shipped + rejected. quarantined: rows put into quarantine, with
    those that were made again because a joined row changed. star: rows made by star table.
    """

    seq: int
    kind: Kind
    counts: dict[str, Counts]
    quarantined: int
    star: dict[str, int]


def transform(  # noqa: PLR0913, PLR0917 - each is a part of its own of the pipeline
    ingestion: Lake,
    processed: Lake,
    models: Sequence[Model],
    engine: Engine,
    code_version: str,
    watch: Watch = UNWATCHED,
    hold: Hold = NEVER,
    adapt: Callable[[Manifest], Manifest] = lambda manifest: manifest,
    first: int = 0,
) -> list[Transformed]:
    """Transform the pending batches and return them, oldest first; an empty list where there is none.

    The watch is told of each batch before its work begins, and may wish to end between two. hold: how
    many rows of a batch may go into quarantine. adapt: how the models are to see a batch's manifest, where
    that is not as it was landed. first: the batch with which an empty processed lake begins; without one, the
    earliest with which it can.

    Safe to run twice at once: both write the same bytes. Raises ConfigurationError where the models are
    not those of the batches before (nothing is written) or break the star's law (that batch is not
    committed); HeldError where the lakes do not belong together or a manifest or file is damaged, or where a
    batch has more rows for the quarantine than it may, which is then not committed; LostRace
    where another version of the code committed a batch first.
    """
    ordered = sorted(models, key=lambda model: model.name)
    seq, stored = log.head(processed)
    before = chain.processed(processed, seq, stored) if stored else None
    if before is not None:
        check_unchanged(ordered, before.models)
        chain.check_origin((ingestion, processed), before, log.read(ingestion, seq))
    digest = before.ingestion_sha256 if before else None
    done: list[Transformed] = []
    last = 0
    start = seq or (first - 1 if first else chain.before_start(ingestion, chain.landed))
    for number, landed in log.following(ingestion, start):
        if done and watch.ends():
            break
        manifest = chain.landed(ingestion, number, landed, digest)
        digest = sha256(landed)
        if manifest.partial:
            last = last or log.head(ingestion)[0]
            watch.begin()
        rows = sum(file.rows for file in manifest.files)
        told = f"batch {number}", rows, rows * max(last - number, 0)
        watch("transform", *told)
        made, batch, rejected = _process(
            (ingestion, processed), (landed, adapt), stored, ordered, engine, code_version
        )
        _check_share(processed, made, rejected, hold)
        stored = made.encode()
        log.commit(processed, number, stored)
        done.append(batch)
        if last:
            watch.done("transform", *told)
    return done


def _check_share(processed: Lake, made: Processed, rejected: holding.Rejected, hold: Hold) -> None:
    tables = holding.too_many(rejected, hold.share)
    if tables and made.seq not in hold.released:
        from starlift.stages.processed_files import json_lines  # loads Arrow

        first = next(file for file in made.quarantine if file.table == tables[0])
        entries = json_lines(processed, first)[: holding.EXAMPLES]
        examples = [(entry["table"], entry["key"], entry["reason"]) for entry in entries]
        raise holding.held(made.seq, rejected, hold.share, examples)


def _process(
    lakes: tuple[Lake, Lake],
    landed: tuple[bytes, Callable[[Manifest], Manifest]],
    stored: bytes | None,
    models: Sequence[Model],
    engine: Engine,
    code_version: str,
) -> tuple[Processed, Transformed, holding.Rejected]:
    # they load Arrow: half a second when nothing is pending
    from starlift.stages.key_lists import pass_on
    from starlift.stages.star_batch import make_batch

    data, adapt = landed
    manifest = adapt(Manifest.decode(data))
    previous = Processed.decode(stored) if stored else None
    parts = make_batch(lakes, manifest, previous, models, engine)
    made = Processed(
        source=manifest.source,
        seq=manifest.seq,
        kind=manifest.kind,
        code_version=code_version,
        previous_sha256=sha256(stored) if stored else None,
        ingestion_sha256=sha256(data),
        clock=manifest.clock,
        complete_to=manifest.complete_to,
        models=tuple(model.ref for model in models),
        snapshots=parts.snapshots,
        fingerprints=manifest.fingerprints,
        star=parts.star,
        ledger=parts.ledger,
        quarantine=parts.quarantine,
        filled=parts.filled,
        counts=parts.counts,
        inventory=pass_on(lakes, manifest),
        source_rows=manifest.source_rows,
        dropped=manifest.dropped,
        rekeyed=manifest.rekeyed,
        partial=manifest.partial,
    )
    star: dict[str, int] = {}
    for file in parts.star:
        star[file.table] = star.get(file.table, 0) + file.rows
    done = Transformed(manifest.seq, manifest.kind, parts.counts, parts.quarantined, star)
    return made, done, parts.rejected

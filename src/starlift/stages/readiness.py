"""Whether a cycle that begins now could be finished: asked before it writes anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from starlift.core import paths
from starlift.core.manifest import sha256
from starlift.core.models import REBUILD, Model, check_unchanged
from starlift.errors import ConfigurationError, HeldError, UnavailableError
from starlift.ports import Applied, Lake, Warehouse
from starlift.stages import chain, log
from starlift.stages.generations import Current, Generations, refs_document


def check_ready(
    lakes: tuple[Lake, Current], warehouse: Warehouse, models: Sequence[Model], tables: Collection[str]
) -> None:
    """Raise where lakes, models and warehouse do not answer or do not belong together.

    lakes: ingestion and processed. tables: those that the configuration takes.
    Until there is a first batch everything must answer, so that a wrong address leaves nothing behind.
    After it, an outage of the processed lake or the warehouse is let through: rows are landed all the
    same, because a state that passes unseen is never seen again. The stage that meets the outage tells.

    Raises UnavailableError, ConfigurationError where the models changed or read other tables or the
    warehouse is not migrated, and HeldError where the warehouse was loaded from another lake.
    """
    check_tables(models, tables)
    ingestion, processed = lakes
    # In the order opposite to that of the stages: another run may be committing, and what it has applied
    # by the time the warehouse answers is in the lakes when they do.
    try:
        applied = warehouse.applied()
        made, stored = log.head(processed)
    except UnavailableError:
        if log.head(ingestion)[0] == 0:
            raise
        return
    head, landed = log.head(ingestion)
    if stored is not None:
        newest = chain.processed(processed, made, stored)
        check_unchanged(models, newest.models, _rebuilding(processed.generations, models, head))
        if landed is not None and head == made:
            chain.check_origin(lakes, newest, landed)
    if applied is not None:
        _check_lakes(applied, processed, ingestion, head)


def check_tables(models: Sequence[Model], tables: Collection[str]) -> None:
    """Raise ConfigurationError where a model reads a table that the configuration does not take."""
    for model in models:
        for name in model.tables:
            if name not in tables:
                raise ConfigurationError(
                    f"model {model.name} reads table {name}, which the configuration does not take",
                    f"add [tables.{name}] to sql/pipeline.toml or edit sql/models/{model.name}.sql, "
                    "then: starlift run",
                )


def check_keys(
    models: Sequence[Model], keys: Mapping[str, tuple[str, ...]], rekeyed: Collection[str]
) -> None:
    """Raise ConfigurationError where a model still has the key that a table had before.

    keys: of tables, as they are declared. rekeyed: tables of which they are not those of the last batch."""
    for model in (model for model in models if model.driving in rekeyed):
        raise ConfigurationError(
            f"the key of table {model.driving} is now declared as ({', '.join(keys[model.driving])}), and "
            f"model {model.name} has still the one before",
            f"write columns and `-- key:` for the new one in sql/models/{model.name}.sql; rebuild: {REBUILD}",
        )


def _rebuilding(generations: Generations, models: Sequence[Model], head: int) -> str:
    """Say how far a rebuild with these models has come, if one was begun."""
    if generations.begun == generations.current:
        return ""
    making = generations.making(generations.begun)
    if making is None or making.get("models") != refs_document(models):
        return ""
    made, _ = log.head(generations.of(generations.begun))
    return f"; a rebuild was begun and has made {made} of {head} batches, the same command finishes it"


def _check_lakes(applied: Applied, processed: Current, ingestion: Lake, head: int) -> None:
    """The processed lake may be empty, it can be made again; but what it has is what was loaded."""
    stored = processed.get(paths.manifest(applied.seq))
    made_here = stored is None or sha256(stored) == applied.manifest_sha256
    if not (stored and made_here):
        check_published(applied, processed)
    if head >= applied.seq and made_here:
        return
    other = ingestion if head < applied.seq else processed
    raise HeldError(
        f"batch {applied.seq} of the warehouse did not come from the lake {other.root}",
        "correct STARLIFT_INGESTION, STARLIFT_PROCESSED or STARLIFT_WAREHOUSE_URL, then: starlift run",
    )


def check_published(applied: Applied, processed: Current) -> None:
    """Raise ConfigurationError where a rebuild broke off after the last batch of the warehouse had become
    that of an older generation."""
    generations = processed.generations
    maker = generations.maker(applied) if generations.current else None
    if maker is not None and maker != generations.current:
        raise ConfigurationError(
            f"the star was rebuilt as generation {generations.current}, but the warehouse still has "
            f"generation {maker}: the rebuild broke off before it was published",
            f"finish it: {REBUILD}",
        )

"""`starlift gc`: removes what no manifest names, and what a person lets go."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from starlift.bootstrap import Pipeline
from starlift.entrypoints.answers import Answer, Cell, table
from starlift.stages.collect import Found, Wish, find, remove
from starlift.stages.watch import Watch

SHOWN = 5
"""Objects that stay and are named; a dry run names all that would go."""

_STAYS = {
    "waiting": "of a batch that is not committed",
    "young": "not old enough",
    "unpublished": "of an old generation, and the new one is not published: starlift rebuild",
    "unexplained": "of a batch whose manifest is missing: starlift verify-log",
    "unknown": "not starlift's",
}


def answer(
    pipeline: Pipeline, watch: Watch, older_than: float, before: int | None = None, *, dry_run: bool = False
) -> Answer:
    """Remove what may be removed, or name it. older_than: seconds. before: a checkpoint."""
    with pipeline.warehouse as warehouse:
        applied = warehouse.applied()
    wish = Wish(time.time() - older_than, before)
    found = find(pipeline.ingestion, pipeline.processed_root, applied, wish)
    if not dry_run:
        remove(found, watch)
    return Answer(_document(found, dry_run), _text(found, dry_run))


def _named(found: Found) -> list[str]:
    return [doomed.address for doomed in found.doomed]


def _sums(found: Found) -> dict[str, tuple[int, int]]:
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for doomed in found.doomed:
        count[doomed.why] += 1
        size[doomed.why] += doomed.stored.bytes
    return {why: (count[why], size[why]) for why in sorted(count)}


def _document(found: Found, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "removed": {why: {"objects": n, "bytes": size} for why, (n, size) in _sums(found).items()},
        "stays": {why: len(keys) for why, keys in found.stays.items()},
        **({"objects": _named(found)} if dry_run else {}),
    }


def _text(found: Found, dry_run: bool) -> str:
    lines = _named(found) if dry_run else []
    done = "would go" if dry_run else "removed"
    rows: list[list[Cell]] = [[why, number, size] for why, (number, size) in _sums(found).items()]
    lines.append(table([done, "objects", "bytes"], rows) if rows else "nothing may go")
    for why, keys in found.stays.items():
        more = ", …" if len(keys) > SHOWN else ""
        lines.append(f"{len(keys):,} stay, {_STAYS[why]}: {', '.join(keys[:SHOWN])}{more}")
    return "\n".join(lines)

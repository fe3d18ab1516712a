"""`starlift quarantine`: the rows that wait, and what a person decides about them.

A decision that changes rows travels through the ingestion lake, as a request that the next extract answers:
so a replay comes to the same. Each command runs that cycle at once and says what became of it.
"""

from __future__ import annotations

import json
import secrets
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlift.bootstrap import Pipeline
from starlift.core.requests import Request, RequestKind
from starlift.core.units import instant_text
from starlift.entrypoints import local
from starlift.entrypoints.answers import Answer, Cell, printable, rows, table
from starlift.entrypoints.moved import moved_text
from starlift.entrypoints.working import Working
from starlift.errors import ConfigurationError
from starlift.stages import log, requests
from starlift.stages.cycle import Cycle

if TYPE_CHECKING:
    from starlift.adapters.postgres.standing import Quarantined

LIST = "starlift quarantine list"


def answer(pipeline: Pipeline, asked: Namespace) -> Answer:
    """Carry out what the words after `quarantine` ask."""
    return _ACTIONS[asked.action](pipeline, asked)


def _list(pipeline: Pipeline, asked: Namespace) -> Answer:
    if asked.table:
        _check_table(pipeline, asked.table)
    found = [entry for entry in _entries(pipeline) if asked.table in (None, entry.table)]
    waiting = [entry for entry in found if entry.dropped is None]
    given_up = [entry for entry in found if entry.dropped is not None]
    cells: list[list[Cell]] = [[e.table, e.key, e.stage, e.seq, e.reason] for e in waiting]
    dropped: list[list[Cell]] = [[e.table, e.key, e.seq, e.dropped, e.reason] for e in given_up]
    parts = [f"quarantine: {rows(len(cells))}{f', {len(dropped):,} more dropped' if dropped else ''}"]
    if cells:
        parts.append(table(["table", "key", "stage", "batch", "reason"], cells))
    if dropped:
        parts.append(table(["dropped", "key", "batch", "dropped because", "reason"], dropped))
    if cells:
        first = f"{cells[0][0]} '{cells[0][1]}'"
        parts.append(f"A whole row: starlift quarantine show {first}\nRead again: starlift quarantine retry")
    return Answer({"quarantine": [vars(entry) for entry in found]}, "\n\n".join(parts))


def _show(pipeline: Pipeline, asked: Namespace) -> Answer:
    (entry,) = _named(pipeline, asked.table, [asked.key])
    with pipeline.warehouse as warehouse:
        found = warehouse.rejected(pipeline.models, entry.table, entry.key)
    if found is None:  # another run has brought a good version since
        raise _not_there(entry.table, entry.key)
    row = {
        name: value if isinstance(value, str | None) else json.dumps(value)
        for name, value in found.row.items()
    }
    older = (
        f"an older version is in {', '.join(found.older)}" if found.older else "nothing of it is in the star"
    )
    lines = [
        f"{entry.table} {entry.key}, read in batch {entry.seq} at {found.read_at}",
        f"refused by {entry.stage}: {entry.reason}",
        *([f"dropped: {entry.dropped}"] if entry.dropped is not None else []),
        older,
        "",
        table(["column", "value"], row.items()),
    ]
    document = {
        **vars(entry),
        "read_at": found.read_at,
        "row": dict(found.row),
        "older_version_in": found.older,
    }
    return Answer(document, "\n".join([*map(printable, lines[:-1]), lines[-1]]))


def _retry(pipeline: Pipeline, asked: Namespace) -> Answer:
    if asked.key:
        chosen = _named(pipeline, asked.table, asked.key)
    else:
        if asked.table:
            _check_table(pipeline, asked.table)
        found = _entries(pipeline)
        chosen = [e for e in found if e.dropped is None and asked.table in (None, e.table)]
    if not chosen:
        return Answer({"retried": [], "still": []}, "quarantine: 0 rows; nothing to read again")
    cycle = _ask(pipeline, "repair", chosen, "a person asked to read it again")
    still = _still(pipeline, chosen, cycle)
    document = {**cycle.document(), "retried": list(map(_name, chosen)), "still": list(map(_name, still))}
    sentence = f"{rows(len(chosen))} read again, {len(still):,} still in quarantine" + (
        f"; see: {LIST}" if still else ""
    )
    return _answer(cycle, document, sentence)


def _drop(pipeline: Pipeline, asked: Namespace) -> Answer:
    if not asked.reason.strip():
        raise ConfigurationError(
            "to drop rows needs a reason, which is kept with them", f"see what there is: {LIST}"
        )
    chosen = _named(pipeline, asked.table, asked.key)
    cycle = _ask(pipeline, "drop", chosen, asked.reason.strip())
    still = [entry for entry in _still(pipeline, chosen, cycle) if entry.dropped is None]
    document = {**cycle.document(), "dropped": list(map(_name, chosen)), "still": list(map(_name, still))}
    sentence = f"{rows(len(chosen) - len(still))} dropped"
    if still:
        sentence += f"; still open, in another version that came meanwhile: {rows(len(still))}; see: {LIST}"
    return _answer(cycle, document, sentence)


def _release(pipeline: Pipeline, asked: Namespace) -> Answer:
    head, _ = log.head(pipeline.ingestion)
    with pipeline.warehouse as warehouse:
        applied = warehouse.applied()
    for seq in asked.seq:
        if not (applied.seq if applied else 0) < seq <= head:
            all_up_to = f"is in the warehouse already, as are all up to {applied.seq}" if applied else ""
            fault = all_up_to or "is not there"
            fault = fault if seq <= head else f"is not there: the newest is {head}"
            raise ConfigurationError(f"batch {seq} {fault}", "see which waits: starlift status")
    with Working() as progress:
        cycle = local.release(pipeline, asked.seq, progress)
    return Answer(cycle.document(), moved_text(cycle.document()), tuple(cycle.errors))


_ACTIONS: dict[str, Callable[[Pipeline, Namespace], Answer]] = {
    "list": _list,
    "show": _show,
    "retry": _retry,
    "drop": _drop,
    "release": _release,
}


def _answer(cycle: Cycle, document: dict[str, Any], sentence: str) -> Answer:
    """What a cycle that failed was asked waits in the lake for the next one."""
    if cycle.errors:
        sentence = (
            "the request is in the lake, and the next cycle answers what this one did not: starlift run"
        )
    return Answer(document, "\n\n".join(filter(None, [moved_text(document), sentence])), tuple(cycle.errors))


def _ask(pipeline: Pipeline, kind: RequestKind, chosen: Sequence[Quarantined], reason: str) -> Cycle:
    now, origin = instant_text(datetime.now(UTC)), secrets.token_hex(8)
    for name in sorted({entry.table for entry in chosen}):
        keys = tuple(entry.key for entry in chosen if entry.table == name)
        requests.ask(pipeline.ingestion, Request(kind, name, reason, keys), now, origin)
    with Working() as progress:
        return local.cycle(pipeline, progress)


def _entries(pipeline: Pipeline) -> list[Quarantined]:
    with pipeline.warehouse as warehouse:
        return warehouse.quarantine()


def _still(pipeline: Pipeline, chosen: Iterable[Quarantined], cycle: Cycle) -> list[Quarantined]:
    """Those that are in quarantine after a cycle; where it failed, that is not asked."""
    if cycle.errors:
        return list(chosen)
    names = {(entry.table, entry.key) for entry in chosen}
    return [entry for entry in _entries(pipeline) if (entry.table, entry.key) in names]


def _named(pipeline: Pipeline, name: str, keys: Sequence[str]) -> list[Quarantined]:
    """Return the quarantined rows of some keys; `7` may be written for `(7)`."""
    _check_table(pipeline, name)
    found = {entry.key: entry for entry in _entries(pipeline) if entry.table == name}
    chosen = {}
    for key in keys:
        full = key if key in found else f"({key})"
        if full not in found:
            raise _not_there(name, key)
        chosen[full] = found[full]
    return list(chosen.values())


def _check_table(pipeline: Pipeline, name: str) -> None:
    if name not in pipeline.config.tables:
        raise ConfigurationError(
            f"{pipeline.settings.config} declares no table {name}; "
            f"it has {', '.join(pipeline.config.tables)}",
            f"see what is in quarantine: {LIST}",
        )


def _not_there(name: str, key: str) -> ConfigurationError:
    return ConfigurationError(
        f"no row of {name} with the key {key} is in quarantine", f"see those that are: {LIST}"
    )


def _name(entry: Quarantined) -> dict[str, str]:
    return {"table": entry.table, "key": entry.key}

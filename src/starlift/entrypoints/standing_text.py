"""What `starlift status` found, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlift.entrypoints.answers import age, printable, rows, table

SHOWN = 20
"""Rows of a list that are shown; `--json` has them all."""

KEY_WIDTH = 60
"""Characters of a key that are shown; `--json` has it whole."""


def standing_text(document: Mapping[str, Any]) -> str:
    """Say how the pipeline stands: tables, batches, and what is not as it should be."""
    parts = [_tables(document["tables"])] if document["tables"] else []
    parts.append("\n".join(_batches(document)))
    if held := document["held"]:
        parts.append(table(["held", "reason"], [[row["table"], row["reason"]] for row in held]))
    if quarantine := document["quarantine"]:
        cells = [[q["table"], _cut(q["key"]), q["stage"], q["seq"], q["reason"]] for q in quarantine]
        parts.append(_list(["quarantined", "key", "stage", "batch", "reason"], cells))
    if inferred := document["inferred"]:
        cells = [[row["table"], _cut(row["key"]), row["seq"]] for row in inferred]
        parts.append(_list(["not loaded yet, but referenced", "key", "batch"], cells))
    return "\n\n".join(parts)


def _tables(tables: Mapping[str, Mapping[str, Any]]) -> str:
    cells = [
        [name, _mode(t), t["rows"], t["complete_to"], _age(t["freshness_s"])] for name, t in tables.items()
    ]
    return table(["table", "mode", "rows", "complete to", "age"], cells)


def _mode(table: Mapping[str, Any]) -> str:
    return f"{table['mode']}, best effort" if table["best_effort"] else str(table["mode"])


def _cut(key: str) -> str:
    return key if len(key) <= KEY_WIDTH else f"{key[: KEY_WIDTH - 1]}…"


def _list(header: Sequence[str], cells: Sequence[Sequence[Any]]) -> str:
    text = table(header, cells[:SHOWN])
    more = len(cells) - SHOWN
    return f"{text}\nand {rows(more)} more, all of them: starlift status --json" if more > 0 else text


def _batches(document: Mapping[str, Any]) -> list[str]:
    pending, holder = document["pending"], document["watermark_holder"]
    lines = [_applied(document), f"pending: {_pending(pending)}"]
    if document["quarantine"] is not None:
        given_up = document["dropped"]
        more = f", {len(given_up):,} more dropped: starlift quarantine list" if given_up else ""
        lines.append(f"quarantine: {rows(len(document['quarantine']))}{more}")
    lines += [_under_way(table, chunk) for table, chunk in document["chunks"].items()]
    lines += [_asked(request) for request in document["requests"] or ()]
    lines += [_gone(table, count) for table, count in (document["deleted_at_source"] or {}).items()]
    lines += [_not_taken(table, columns) for table, columns in (document["unnamed"] or {}).items()]
    if holder:
        lines.append(
            f"held back: when last polled, pid {holder['pid']} of user {holder['user']} was in a "
            f"transaction that began {_age(holder['age_s'])} ago"
        )
    return lines


def _under_way(table: str, chunk: Mapping[str, Any]) -> str:
    about = f" of about {chunk['about']:,}" if chunk["about"] else ""
    return f"{table}: read in chunks, {rows(chunk['rows'])}{about} so far; go on: starlift run"


def _asked(request: Mapping[str, Any]) -> str:
    keys = f" of {request['keys']:,} keys" if request["keys"] else ""
    return printable(
        f"asked of the next extract: {request['kind']} of {request['table']}{keys}: {request['reason']}"
    )


def _gone(table: str, count: int) -> str:
    verb, them = ("is", "it") if count == 1 else ("are", "them")
    return (
        f"{table}: {rows(count)} {verb} gone from the source, and the next cycle deletes {them}: starlift run"
    )


def _not_taken(table: str, columns: Sequence[str]) -> str:
    names = printable(", ".join(columns))
    return f"{table}: not taken until columns, drop or hmac of the configuration names it: {names}"


def _applied(document: Mapping[str, Any]) -> str:
    if document["quarantine"] is None:
        return "the warehouse does not say what is in it"
    if document["applied_seq"] is None:
        first = "the first one: starlift run" if document["head_seq"] == 0 else "load it: starlift run"
        if built := document["built_seq"]:
            first = f"up to batch {built} the star is built, to be seen when it is whole: starlift run"
        return f"no batch is in the warehouse yet; {first}"
    complete = f", complete to {_age(document['freshness_s'])} ago" if document["freshness_s"] else ""
    return f"batch {document['applied_seq']} is in the warehouse{complete}"


def _pending(pending: Mapping[str, int | None]) -> str:
    return ", ".join(f"{'?' if count is None else count} to {stage}" for stage, count in pending.items())


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else age(seconds)

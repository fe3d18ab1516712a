"""What a cycle moved, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlift.entrypoints.answers import rows, table


def moved_text(document: Mapping[str, Any]) -> str:
    """Say what a cycle moved: one table for the source, one for the star, one sentence. Nothing where it
    moved nothing because it failed: the error says enough."""
    read = [[t, c["mode"], c["read"], c["rejected"]] for t, c in document["tables"].items() if c["read"]]
    star = [[name, *counts.values()] for name, counts in document["star"].items() if any(counts.values())]
    parts = []
    if read:
        parts.append(table(["source table", "mode", "rows read", "rejected"], read))
    if star:
        header = ["star table", "inserted", "updated", "versions", "unchanged", "tombstones"]
        parts.append(table(header, star))
    if sentence := _sentence(document):
        parts.append(sentence)
    return "\n\n".join(parts)


def _sentence(document: Mapping[str, Any]) -> str:
    seq, batches = document["seq"], document["batches"]
    seconds = ", ".join(f"{stage} {took:.2f} s" for stage, took in document["seconds"].items())
    timing = f" ({seconds})" if seconds else ""
    if not any(batches.values()) and not document["built"]:
        if document["outcome"] != "nothing" and not document["held"]:
            return ""
        since = f"nothing changed since batch {seq}" if seq else "nothing is pending"
        return f"{since}{timing}"
    done = _done(document)
    reached = f", complete to {document['complete_to']}" if document["complete_to"] else ""
    text = "\n".join([f"{done}{reached}{timing}", *_stopped(document), *_asked(document)])
    if document["quarantined"]:
        text += f"\n{rows(document['quarantined'])} in quarantine; see them: starlift quarantine list"
    return text


def _asked(document: Mapping[str, Any]) -> list[str]:
    return [
        f"{request['table']}: {request['reason']}; the next cycle sees to it: starlift run"
        for request in document["requests"]
    ]


def _stopped(document: Mapping[str, Any]) -> list[str]:
    """What is left of work that was to end between two batches."""
    if document["outcome"] != "stopped":
        return []
    left = f"about {document['left']:,} rows are still to be read; " if document["left"] else ""
    return [f"stopped between two batches, nothing is lost: {left}go on: starlift run"]


def _done(document: Mapping[str, Any]) -> str:
    """Which batches came how far; a batch that an error stopped waits in the lake for the next run."""
    batches, seq, outcome = document["batches"], document["seq"], document["outcome"]
    if count := batches["applied"]:
        return f"{_named(count, seq)} applied"
    if count := document["built"]:
        return f"{_named(count, seq)} built, to be seen when the read in chunks is complete"
    if count := batches["transformed"]:
        made = _named(count, seq)
        return f"{made} transformed" if outcome == "transformed" else f"{made} transformed and waiting"
    landed = _named(batches["landed"], seq)
    return f"{landed} landed" if outcome == "extracted" else f"{landed} landed and waiting"


def _named(count: int, last: int) -> str:
    return f"batch {last}" if count == 1 else f"batches {last - count + 1} to {last}"

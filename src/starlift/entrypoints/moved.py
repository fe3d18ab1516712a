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
    if not any(batches.values()):
        if document["outcome"] != "nothing" and not document["held"]:
            return ""
        since = f"nothing changed since batch {seq}" if seq else "nothing is pending"
        return f"{since}{timing}"
    done = _done(batches, seq, document["outcome"])
    reached = f", complete to {document['complete_to']}" if document["complete_to"] else ""
    text = "\n".join([f"{done}{reached}{timing}", *_asked(document)])
    if document["quarantined"]:
        text += f"\n{rows(document['quarantined'])} in quarantine; see them: starlift quarantine list"
    return text


def _asked(document: Mapping[str, Any]) -> list[str]:
    return [
        f"{request['table']}: {request['reason']}; the next cycle sees to it: starlift run"
        for request in document["requests"]
    ]


def _done(batches: Mapping[str, int], seq: int, outcome: str) -> str:
    """Which batches came how far; a batch that an error stopped waits in the lake for the next run."""
    if count := batches["applied"]:
        return f"batch {seq} applied" if count == 1 else f"batches {seq - count + 1} to {seq} applied"
    if count := batches["transformed"]:
        made = f"batch {seq}" if count == 1 else f"batches {seq - count + 1} to {seq}"
        return f"{made} transformed" if outcome == "transformed" else f"{made} transformed and waiting"
    return f"batch {seq} landed" if outcome == "extracted" else f"batch {seq} landed and waiting"

"""What a cycle moved, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlift.entrypoints.answers import table


def moved_text(document: Mapping[str, Any]) -> str:
    """Say what a cycle moved: one table for the source, one for the star, one sentence."""
    read = [[t, c["mode"], c["read"], c["rejected"]] for t, c in document["tables"].items() if c["read"]]
    star = [[name, *counts.values()] for name, counts in document["star"].items() if any(counts.values())]
    parts = []
    if read:
        parts.append(table(["source table", "mode", "rows read", "rejected"], read))
    if star:
        header = ["star table", "inserted", "updated", "versions", "unchanged", "tombstones"]
        parts.append(table(header, star))
    parts.append(_sentence(document))
    return "\n\n".join(parts)


def _sentence(document: Mapping[str, Any]) -> str:
    seconds = ", ".join(f"{stage} {took:.2f} s" for stage, took in document["seconds"].items())
    timing = f" ({seconds})" if seconds else ""
    outcome = document["outcome"]
    if outcome == "nothing":
        return f"nothing changed since batch {document['seq']}{timing}"
    text = f"batch {document['seq']} {outcome}, complete to {document['complete_to']}{timing}"
    if document["quarantined"]:
        text += f"\n{document['quarantined']} rows in quarantine; see them: starlift status"
    return text

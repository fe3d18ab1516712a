"""A cycle in three lines: what was read, what it did to the star, and in which batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FEW = 5
"""So many tables are named one by one; of more, the sum is told."""

_WORDS = {"inserted": "new", "updated": "changed", "versions": "new versions", "unchanged": "equal"}


def told(document: Mapping[str, Any]) -> str:
    """Return what a cycle moved, from the object that `starlift run --json` prints."""
    seconds = sum(document["seconds"].values())
    if document["outcome"] == "nothing":
        return f"nothing to read since batch {document['seq']} ({seconds:.2f} s)"
    read = {name: counts["read"] for name, counts in document["tables"].items() if counts["read"]}
    star = {name: _effects(counts) for name, counts in document["star"].items()}
    return "\n".join(
        [
            f"read   {_listed({name: f'{rows:,}' for name, rows in read.items()}, sum(read.values()))}",
            f"star   {_listed({name: text for name, text in star.items() if text}, _rows(document['star']))}",
            f"batch {document['seq']} {document['outcome']} in {seconds:.2f} s",
        ]
    )


def _effects(counts: Mapping[str, int]) -> str:
    return " + ".join(f"{counts[kind]:,} {word}" for kind, word in _WORDS.items() if counts[kind])


def _rows(star: Mapping[str, Mapping[str, int]]) -> int:
    return sum(counts[kind] for counts in star.values() for kind in ("inserted", "updated", "versions"))


def _listed(texts: Mapping[str, str], rows: int) -> str:
    if len(texts) > _FEW:
        return f"{rows:,} rows of {len(texts)} tables"
    return ", ".join(f"{name} {text}" for name, text in texts.items()) or "nothing"

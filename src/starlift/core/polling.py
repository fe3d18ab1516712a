"""What one poll of one table reads, and where the next one starts. See docs/protocol.md for the proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pass = Literal["whole", "xid", "time"]


@dataclass(frozen=True)
class Read:
    """One table's part of a poll: the rows that any of its passes selects.

    whole: every row. xid: rows whose creating xid is px or later. time: cursor >= W or NULL.
    new_relations: oids of leaves unknown to the last manifest, read whole beside the passes.
    """

    table: str
    columns: tuple[str, ...]
    passes: frozenset[Pass]
    px: str | None = None
    W: str | None = None
    cursor: str | None = None
    cursor_type: str | None = None
    cursor_zone: str = "UTC"
    new_relations: tuple[int, ...] = ()

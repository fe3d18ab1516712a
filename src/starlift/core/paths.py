"""Names of objects in the two lakes; the layout is a contract, see docs/formats.md.

Every path is relative to a lake's root. Sequence numbers have 20 digits so that names sort as numbers.
"""

from __future__ import annotations

import re

HEAD = "manifests/head"
GENERATION = "generations/head"
"""Hints: a number each. They may be missing or wrong, which costs time only."""

PROBE = "manifests/probe"
"""What `starlift doctor` puts into a lake to try it; no batch has the name."""

RESERVED = frozenset(
    {
        "manifests",
        "requests",
        "data",
        "inventory",
        "snapshots",
        "quarantine",
        "ledger",
        "filled",
        "generations",
    }
)
"""First path segments of the processed lake that no star table may be named after."""


_LANDED = re.compile(r"(?:data|inventory)/[^/]+/seq=([0-9]{20})/[^/]+\.jsonl\.zst")
_MADE = re.compile(
    r"(?:(?:filled|ledger|inventory|snapshots|quarantine)/[^/]+|([^/]+))/seq=([0-9]{20})"
    r"/[0-9a-f]{16}\.(?:parquet|jsonl\.zst)"
)
_MANIFEST = re.compile(r"manifests/([0-9]{20})\.json")


def landed_batch(key: str) -> int | None:
    """Return the batch of which an object of rows or keys of the ingestion lake is, None for another key."""
    match = _LANDED.fullmatch(key)
    return int(match[1]) if match else None


def made_batch(key: str) -> int | None:
    """Return the batch of which an object of the processed lake is, None for another key."""
    match = _MADE.fullmatch(key)
    return int(match[2]) if match and match[1] not in RESERVED else None


def manifest_batch(key: str) -> int | None:
    """Return the batch that a manifest commits, None for another key."""
    match = _MANIFEST.fullmatch(key)
    return int(match[1]) if match else None


def seq_text(seq: int) -> str:
    """Return a sequence number as the 20 digits used in names."""
    return f"{seq:020d}"


def generation(number: int) -> str:
    """Return the prefix of everything in a generation of the processed lake; of the first, 0, it is empty."""
    return f"generations/{seq_text(number)}/" if number else ""


def begun(number: int) -> str:
    """Return the key of what a generation is made of: put when its making begins."""
    return f"{generation(number)}begun.json"


def committed(number: int) -> str:
    """Return the key of the marker that makes a generation the current one."""
    return f"{generation(number)}committed.json"


def manifest(seq: int) -> str:
    """Return the key of the manifest that commits batch `seq`."""
    return f"manifests/{seq_text(seq)}.json"


def data(table: str, seq: int, run_id: str, part: int) -> str:
    """Return the key of one part of a source table's rows, unique to the run that writes it."""
    return f"data/{table}/seq={seq_text(seq)}/{run_id}-{part:05d}.jsonl.zst"


def request(ulid: str) -> str:
    """Return the key of a request that a later stage puts for the next extract."""
    return f"requests/{ulid}.json"


def inventory(table: str, seq: int, run_id: str, part: int) -> str:
    """Return the key of one part of a list of a source table's keys, unique to the run that writes it."""
    return f"inventory/{table}/seq={seq_text(seq)}/{run_id}-{part:05d}.jsonl.zst"


def key_list(table: str, seq: int, digest: str) -> str:
    """Return the key of such a list in the processed lake."""
    return f"inventory/{table}/seq={seq_text(seq)}/{digest[:16]}.parquet"


def star(table: str, seq: int, digest: str) -> str:
    """Return the key of a star table's rows; the name carries the content's SHA-256."""
    return f"{table}/seq={seq_text(seq)}/{digest[:16]}.parquet"


def filled(table: str, seq: int, digest: str) -> str:
    """Return the key of a fact's rows as they would be without the columns that a batch adds."""
    return f"filled/{table}/seq={seq_text(seq)}/{digest[:16]}.parquet"


def ledger(table: str, seq: int, digest: str) -> str:
    """Return the key of a source table's ledger entries of one batch."""
    return f"ledger/{table}/seq={seq_text(seq)}/{digest[:16]}.parquet"


def snapshot(table: str, seq: int, digest: str) -> str:
    """Return the key of the current rows of a source table that several models join."""
    return f"snapshots/{table}/seq={seq_text(seq)}/{digest[:16]}.parquet"


def quarantine(table: str, seq: int, digest: str) -> str:
    """Return the key of a source table's rejected rows of one batch."""
    return f"quarantine/{table}/seq={seq_text(seq)}/{digest[:16]}.jsonl.zst"

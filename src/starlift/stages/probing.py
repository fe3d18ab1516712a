"""Tries a lake: whether it is readable, writable, and lets only one of two writers have a name."""

from __future__ import annotations

from starlift.core import paths
from starlift.core.diagnosis import Finding
from starlift.errors import StarliftError
from starlift.ports import Lake
from starlift.stages import log

_FIRST = b"starlift doctor tries here whether a name can be taken twice\n"
_SECOND = b"a name was taken twice\n"


def probe(lake: Lake, part: str) -> list[Finding]:
    """Return the findings about a lake. part: ingestion or processed.

    Writes one small object of a name that no batch has, the first time.
    """
    try:
        head, _ = log.head(lake)
        lake.put_if_absent(paths.PROBE, _FIRST)
        twice = lake.put_if_absent(paths.PROBE, _SECOND)
        kept = lake.get(paths.PROBE)
    except StarliftError as error:
        return [Finding("bad", part, error.message, error.hint, error.exit_code)]
    found = [Finding("ok", part, f"{lake.root} is readable and writable; {_batches(head)}")]
    if twice or kept != _FIRST:
        what = f"{lake.root} lets a name be taken twice, so two runs at once could both commit a batch"
        remedy = (
            "use a store that honours If-None-Match, as S3 does: name it in "
            f"STARLIFT_{part.upper()}, then: starlift run"
        )
        return [*found, Finding("bad", part, what, remedy, 2)]
    return [*found, Finding("ok", part, "a name is given once (put if absent)")]


def _batches(head: int) -> str:
    return f"its newest batch is {head}" if head else "it has no batch yet"

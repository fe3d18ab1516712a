"""Replay: the star once more, from the processed lake alone, in a schema of its own."""

from __future__ import annotations

from starlift.errors import ConfigurationError
from starlift.ports import Lake, Loaded, Replica
from starlift.stages import chain, log
from starlift.stages.load import fill
from starlift.stages.watch import UNWATCHED, Watch


def replay(
    processed: Lake,
    replica: Replica,
    schema: str,
    watch: Watch = UNWATCHED,
) -> list[Loaded]:
    """Apply every batch that the replica has not, but for chunks that nothing closes yet, and return what
    each did.

    A load is a function of the lake, so the replica becomes what the live star is, surrogate keys
    included. A replay that broke off goes on where it was. schema: what the user calls the replica.
    Raises ConfigurationError where the lake is empty or the replica's schemas hold something else, and
    what `fill` raises.
    """
    seq, stored = log.head(processed)
    if stored is None:
        raise ConfigurationError(f"there is no batch in the lake {processed.root} to replay", "starlift run")
    replica.begin(chain.processed(processed, seq, stored).models)
    last = replica.applied()
    if last is not None and not chain.has(processed, last):
        raise ConfigurationError(
            f"schema {schema} holds a replay of another history: its batch {last.seq} is not that of the "
            f"lake {processed.root}",
            f"drop it, or take another: starlift replay --into {schema}_2",
        )
    # what a person confirmed, or would have to, is a part of the history
    return fill(processed, replica, watch, confirmed=range(seq + 1), released=range(seq + 1))

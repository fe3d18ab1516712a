"""Which rows a batch makes again: a star row depends on its driving row and on every row it joins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from starlift.core.models import Model

Scope = Literal["batch", "all"]
"""Over which driving rows a table's models run: those of the batch, or all current ones."""


def snapshot_tables(models: Sequence[Model]) -> frozenset[str]:
    """Return the tables whose current rows must be kept: all that take part in a model with joins."""
    return frozenset(table for model in models if model.joins for table in model.tables)


def scopes(models: Sequence[Model], arrived: Collection[str], changed: Collection[str]) -> dict[str, Scope]:
    """Return the driving tables whose models run, by name, and over which rows.

    arrived: tables with usable rows in the batch. changed: tables whose snapshot the batch changed. A
    change of a joined table makes all driving rows again, by every model of their table: a row stands in
    the ledger once, so one model must not call it live while another still refuses it.
    """
    found: dict[str, Scope] = {}
    for driving in sorted({model.driving for model in models}):
        joined = {name for model in models if model.driving == driving for name in model.joins}
        if joined & set(changed):
            found[driving] = "all"
        elif driving in arrived:
            found[driving] = "batch"
    return found

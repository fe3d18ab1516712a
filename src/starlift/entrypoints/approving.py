"""Whether the columns that a batch would be the first to have are of use: asked of models and star."""

from __future__ import annotations

import logging
from collections.abc import Collection

from starlift.bootstrap import Pipeline
from starlift.errors import UnavailableError
from starlift.stages.readiness import check_keys, check_tables
from starlift.stages.shapes import Approve, Keys, Schema

_logger = logging.getLogger("starlift")


def approver(pipeline: Pipeline, *, star: bool = False) -> Approve:
    """Return what a poll asks before it lands such columns.

    star: ask also whether the star's tables take what the models make of them. An extract alone need not
    reach the warehouse; then the load tells, and all tables wait with it.
    """

    def approve(schema: Schema, keys: Keys, rekeyed: Collection[str]) -> None:
        from starlift.stages import approval  # loads Arrow, and is seldom needed

        made = approval.approve(pipeline.models, pipeline.engine, schema, keys, rekeyed)
        if not star:
            return
        try:
            with pipeline.warehouse as warehouse:
                unmade = warehouse.check_fit(pipeline.models, made)
        except UnavailableError as error:
            # rows are landed all the same: a state that passes unseen is never seen again
            _logger.warning("the load will tell whether the star takes the new columns: %s", error)
            return
        for name, columns in unmade.items():
            _logger.warning(
                "columns %s of star table %s are made by no model and keep their default; "
                "write them into sql/models/%s.sql, if they are to be filled",
                ", ".join(columns),
                name,
                name,
            )

    return approve


def approver_by_names(pipeline: Pipeline) -> Approve:
    """Return what a poll asks where neither Arrow nor DuckDB is at hand: whether the tables that the models
    read are taken, and by which key. Whether a model fits their columns, transform tells."""

    def approve(schema: Schema, keys: Keys, rekeyed: Collection[str]) -> None:
        check_tables(pipeline.models, schema)
        check_keys(pipeline.models, keys, rekeyed)

    return approve

"""Everything that `init --source` writes below `sql/`, as one mapping of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlift.core.draft.catalogue import Catalogue
from starlift.core.draft.names import table_names
from starlift.core.draft.pipeline_text import pipeline_text
from starlift.core.draft.star_table import star_tables
from starlift.core.draft.star_text import star_texts
from starlift.core.models import Model

_SCHEMAS = "ARRAY['public']"
"""The words of roles/source.sql that name the schemas to read."""

_AS_THEY_ARE = (
    "warehouse/010_pipeline.sql",
    "warehouse/015_dim_date.sql",
    "checks/dim_date_whole_years.sql",
    "checks/quarantine_and_ledger_agree.sql",
    "checks/record_ids_are_dense.sql",
    "checks/versions_follow_each_other.sql",
    "roles/warehouse.sql",
    "roles/analyst.sql",
)
"""Files of the reference that hold for every source."""


def draft(
    catalogue: Catalogue,
    facts: Sequence[str],
    dimensions: Sequence[str],
    reference: Mapping[str, str],
    kept: Sequence[Model] = (),
) -> dict[str, str]:
    """Return the texts by file name, relative to `sql/`. reference: those of the reference pipeline. kept:
    models that are there already.

    Raises ConfigurationError for a fact or a dimension that the source does not have or cannot give.
    """
    names = table_names(catalogue.relations)
    texts = {"pipeline.toml": pipeline_text(catalogue, names)}
    texts |= star_texts(star_tables(catalogue, facts, dimensions, kept))
    texts |= {name: reference[name] for name in _AS_THEY_ARE}
    schemas = ", ".join("'" + schema.replace("'", "''") + "'" for schema in catalogue.schemas)
    texts["roles/source.sql"] = reference["roles/source.sql"].replace(_SCHEMAS, f"ARRAY[{schemas}]")
    return dict(sorted(texts.items()))

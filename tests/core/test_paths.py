"""The layout of the lakes, read backwards: of which batch an object is."""

from __future__ import annotations

import pytest

from starlift.core import paths

RUN, DIGEST = "20261122T123534Z-07cd1f2e", "0123456789abcdef0123"

LANDED = [paths.data("a table", 7, RUN, 0), paths.inventory("b", 7, RUN, 12)]
MADE = [
    paths.star("dim_x", 7, DIGEST),
    paths.filled("fact_x", 7, DIGEST),
    paths.ledger("x", 7, DIGEST),
    paths.snapshot("data", 7, DIGEST),
    paths.quarantine("x", 7, DIGEST),
    paths.key_list("x", 7, DIGEST),
]
NEITHER = [
    paths.manifest(7),
    paths.HEAD,
    paths.PROBE,
    paths.request("01J"),
    paths.begun(7),
    f"{paths.generation(7)}{paths.star('dim_x', 7, DIGEST)}",
    "data/x/seq=7/run-00000.jsonl.zst",
    f"data/{MADE[0]}",
    f"ledger/seq={7:020d}/0123456789abcdef.parquet",
    f"dim_x/seq={7:020d}/mine.parquet",
    f"dim_x/seq={7:020d}/0123456789abcdef.csv",
]


@pytest.mark.parametrize("key", [*LANDED, *MADE, *NEITHER])
def test_an_object_of_rows_is_known_by_its_key_in_the_lake_where_it_belongs(key: str) -> None:
    assert paths.landed_batch(key) == (7 if key in LANDED else None)
    assert paths.made_batch(key) == (7 if key in MADE else None)
    assert paths.manifest_batch(key) == (7 if key == paths.manifest(7) else None)

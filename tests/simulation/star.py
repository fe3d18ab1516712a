"""The star of the simulation: four source tables, a dimension, a dimension of two tables, and a fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from starlift.core.manifest import Column
from starlift.core.models import Model, parse_model

Row = tuple[str | None, ...]
"""A source row: its taken columns as PostgreSQL prints them, the key first."""

COLUMNS: dict[str, tuple[Column, ...]] = {
    "region": (Column("id", "integer"), Column("title", "text")),
    "client": (Column("id", "integer"), Column("region_id", "integer"), Column("name", "text")),
    "product": (Column("id", "integer"), Column("name", "text"), Column("since", "date")),
    "sale": (
        Column("id", "integer"),
        Column("client_id", "integer"),
        Column("product_id", "integer"),
        Column("units", "integer"),
        Column("day", "date"),
        Column("note", "text"),
    ),
}
TABLES = tuple(COLUMNS)
CURSOR = Column("changed", "timestamp with time zone")

REFERS: dict[str, tuple[tuple[int, str], ...]] = {
    "region": (),
    "client": ((1, "region"),),
    "product": (),
    "sale": ((1, "client"), (2, "product")),
}
"""Foreign keys of the source: place of the column, and the table that it refers to."""

REFERRERS: dict[str, tuple[tuple[str, int], ...]] = {
    parent: tuple((t, place) for t, keys in REFERS.items() for place, name in keys if name == parent)
    for parent in TABLES
}

NOT_LOADED = "(not loaded)"
LONGEST_NAME = 20
"""Characters of dim_product.name; a longer one is refused by the load."""
TOO_LONG = "a name that is too long"
UNTYPABLE = "infinity"
"""A date that no Arrow date holds: refused by transform."""

_TEXTS = {
    "dim_client": """-- One row per client, with the region they are in.
-- kind: dimension
-- key: client_id
-- from: client
-- joins: region
SELECT client.id AS client_id, client.name, region.title AS region
FROM client LEFT JOIN region ON region.id = client.region_id
""",
    "dim_product": """-- One row per product.
-- kind: dimension
-- key: product_id
-- from: product
SELECT id AS product_id, name, since FROM product
""",
    "fact_sale": """-- One row per sale; its note is left out.
-- kind: fact
-- key: sale_id
-- from: sale
SELECT id AS sale_id, client_id, product_id, units, day FROM sale
""",
}
MODELS: tuple[Model, ...] = tuple(parse_model(name, text, f"{name}.sql") for name, text in _TEXTS.items())

DDL = """-- schema: star
-- The star of the simulation.

CREATE TABLE dim_client (client_id integer PRIMARY KEY, name text NOT NULL, region text);
CREATE TABLE dim_product (product_id integer PRIMARY KEY, name varchar(20) NOT NULL, since date);
CREATE TABLE fact_sale (
    sale_record_id serial PRIMARY KEY,
    sale_id        integer NOT NULL,
    client_id      integer NOT NULL REFERENCES dim_client,
    product_id     integer NOT NULL REFERENCES dim_product,
    units          integer NOT NULL,
    day            date
);
"""

DIMENSIONS = {"dim_client": "client", "dim_product": "product"}
FACT = "fact_sale"
PARENTS = ((1, "dim_client"), (2, "dim_product"))
"""Columns of the fact's row (sale_id, client_id, product_id, units, day) that refer to a dimension."""


def usable(table: str, row: Row) -> bool:
    """Whether a source row can be typed and the star takes it; the others go into quarantine."""
    if table == "product":
        return row[2] != UNTYPABLE and len(row[1] or "") <= LONGEST_NAME
    return not (table == "sale" and row[4] == UNTYPABLE)


class SmallEngine:
    """Makes of the models' tables what DuckDB makes of them, in a hundredth of the time."""

    def run(self, model: Model, inputs: Mapping[str, pa.Table]) -> pa.Table:
        driving = inputs[model.driving]
        columns = [column.to_pylist() for column in driving.columns]
        rows = sorted(zip(*columns, strict=True), key=lambda row: row[0])
        if model.name == "dim_client":
            region = inputs["region"]
            titles = dict(zip(region["id"].to_pylist(), region["title"].to_pylist(), strict=True))
            return _table(_CLIENT, [(row[0], row[2], titles.get(row[1])) for row in rows])
        if model.name == "dim_product":
            return _table(_PRODUCT, rows)
        return _table(_SALE, [row[:5] for row in rows])


_CLIENT = pa.schema([("client_id", pa.int32()), ("name", pa.string()), ("region", pa.string())])
_PRODUCT = pa.schema([("product_id", pa.int32()), ("name", pa.string()), ("since", pa.date32())])
_SALE = pa.schema(
    [
        ("sale_id", pa.int32()),
        ("client_id", pa.int32()),
        ("product_id", pa.int32()),
        ("units", pa.int32()),
        ("day", pa.date32()),
    ]
)


def _table(schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)

"""The hashes that the load keeps of star rows are those of the rows that are there, whatever wrote them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from starlift.core.manifest import ModelRef
from tests.load.batches import MODELS, design, entries, sale, staff
from tests.load.conftest import Star, model, own_sql
from tests.load.test_filling import ONE, TWO, rows

KEYS = """
CREATE TABLE d (
    k numeric PRIMARY KEY, v double precision, b bytea, made integer GENERATED ALWAYS AS (7) STORED
);
"""
FACT = """
CREATE TABLE f (
    id serial PRIMARY KEY, k integer, price numeric(6,2), tag text, size text, doc json{more}
);
"""


def wrong(star: Star, models: tuple[ModelRef, ...] = MODELS) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return what verify would find in the star: table, way and keys."""
    with star.open() as warehouse, warehouse.inspect() as inspection:
        return [(found.table, found.what, found.keys) for found in inspection.differences(models)]


def test_of_rows_inserted_changed_inferred_arrived_ended_and_come_back(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, design_id=5), sale(2)], "dim_staff": [staff(1), staff(2)]})
    assert wrong(star) == []
    star.load({"dim_design": [design(5)], "dim_staff": [staff(2, first_name="Other")]})
    star.load({"fact_sales_order": [sale(1, units_sold=3)]})
    star.load(ledger={"sales_order": entries({"(1)": "deleted"})})
    assert wrong(star) == []
    star.load({"fact_sales_order": [sale(1, units_sold=4)]})
    assert wrong(star) == []
    assert star.value("SELECT count(*) FROM starlift.dimension_row WHERE dimension = 'dim_date'") == 365
    star.rows("UPDATE dim_design SET design_name = 'Mine' WHERE design_id = 5")
    assert wrong(star) == [("dim_design", "changed", ("(5)",))]
    star.load({"dim_design": [design(5)]})
    assert wrong(star) == []


def test_of_a_version_that_is_filled_in_place(star: Star, tmp_path: Path) -> None:
    star.sql = own_sql(tmp_path, FACT.format(more=", later text"))
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    made = model("f", "fact", "k", "t")
    star.migrate([made])
    star.load({"f": rows(ONE, TWO)}, models=(made.ref,))
    star.load({"f": rows(ONE, TWO, later="new")}, models=(made.ref,), filled={"f": rows(ONE, TWO)})
    assert star.rows("SELECT op, later FROM mine.history_f") == [["insert", "new"], ["insert", "new"]]
    assert wrong(star, (made.ref,)) == []


def keyed(key: str, value: float) -> pa.Table:
    """A row of a dimension whose key has several texts."""
    return pa.table(
        {
            "k": pa.array([key], pa.string()),
            "v": pa.array([value], pa.float64()),
            "b": pa.array(["\\xff00"], pa.string()),
            "_key": pa.array([f"({key})"], pa.string()),
        }
    )


def test_of_a_key_that_is_printed_otherwise(star: Star, tmp_path: Path) -> None:
    star.sql = own_sql(tmp_path, KEYS)
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    made = model("d", "dimension", "k", "t")
    star.migrate([made])
    star.load({"d": keyed("1.0", 0.1 + 0.2)}, models=(made.ref,))
    star.load({"d": keyed("1.00", -0.0)}, models=(made.ref,))
    assert star.rows("SELECT k::text FROM mine.d") == [["1.00"]]
    assert star.rows("SELECT key, seq FROM mine_starlift.dimension_row") == [["(1.00)", 2]]
    assert wrong(star, (made.ref,)) == []


def test_of_a_table_that_a_new_file_changes_and_not_of_what_was_changed_by_hand(
    star: Star, tmp_path: Path
) -> None:
    ddl = f"{FACT.format(more='')}CREATE TABLE d (k numeric PRIMARY KEY, v real, b bytea);"
    star.sql = own_sql(tmp_path, ddl)
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    models = [model("f", "fact", "k", "t"), model("d", "dimension", "k", "u")]
    refs = tuple(each.ref for each in models)
    star.migrate(models)
    batch = keyed("1", 2.5)
    batch = batch.set_column(1, "v", batch["v"].cast(pa.float32()))
    star.load({"f": rows(ONE, TWO), "d": batch}, models=refs)
    star.rows("UPDATE mine.f SET tag = 'mine' WHERE k = 2")
    (star.sql / "warehouse" / "040_more.sql").write_text(
        "-- schema: star\nALTER TABLE f ADD later text NOT NULL DEFAULT '?';\n"
        "ALTER TABLE f ALTER price TYPE numeric(8,4);\nALTER TABLE d ALTER v TYPE numeric(8,4);\n"
    )
    star.migrate(models)
    assert wrong(star, refs) == [("f", "changed", ("(2) record 2",))]

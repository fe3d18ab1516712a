"""A batch that adds columns says of each fact what its rows would be without them."""

from __future__ import annotations

from typing import Any

from starlift.core.manifest import Column
from tests.transform.lakes import SMALL, Pipeline, Row, model, sale, staff, table

FACT_ALL = model("fact_all", "SELECT * FROM sale", driving="sale", key="sale_id")
FACT_JOINED = model(
    "fact_joined",
    "SELECT sale.sale_id, amount, staff.* EXCLUDE (staff_id) FROM sale LEFT JOIN staff ON staff_id = sale_id",
    driving="sale",
    joins="staff",
    key="sale_id",
)
DIM_ALL = model("dim_all", "SELECT * FROM sale", driving="sale", key="sale_id")
WITH_COLOUR = {
    **SMALL,
    "sale": table("sale_id", sale_id="integer", day="text", amount="numeric(10,2)", colour="text"),
}
ADDED = {"sale": ("colour",)}


def coloured(number: int, colour: str | None) -> Row:
    return {**sale(number), "colour": colour}


def grown(*models: Any, **later: Any) -> Pipeline:
    """A pipeline after its first batch, whose tables have got more columns since."""
    pipeline = Pipeline(models=models)
    pipeline.run({"sale": [sale(1), sale(2)], "staff": [staff(1, 1), staff(2, 1)]}, whole=["sale", "staff"])
    pipeline.tables = later.get("tables", WITH_COLOUR)
    return pipeline


def land(pipeline: Pipeline, *rows: Row) -> None:
    pipeline.land({"sale": list(rows)}, whole=["sale"], added=ADDED)
    pipeline.transform()


def test_the_rows_of_a_fact_are_there_with_the_columns_and_without_them() -> None:
    pipeline = grown(FACT_ALL)
    land(pipeline, coloured(2, "red"), coloured(1, None))
    assert [(row["sale_id"], row["colour"]) for row in pipeline.star("fact_all")] == [(1, None), (2, "red")]
    before = pipeline.filled("fact_all")
    assert [list(row) for row in before] == [["sale_id", "day", "amount", "_key"]] * 2
    assert [row["_key"] for row in before] == ["(1)", "(2)"]


def test_only_the_batch_that_adds_columns_says_so() -> None:
    pipeline = grown(FACT_ALL)
    land(pipeline, coloured(1, "red"))
    pipeline.run({"sale": [coloured(1, "blue")]})
    assert pipeline.manifest().filled == ()


def test_a_dimension_has_no_versions_that_it_could_spare() -> None:
    pipeline = grown(DIM_ALL)
    land(pipeline, coloured(1, "red"))
    assert pipeline.manifest().filled == ()


def test_columns_that_no_model_uses_make_no_difference() -> None:
    named = model("fact_named", "SELECT sale_id, amount FROM sale", driving="sale", key="sale_id")
    pipeline = grown(named)
    land(pipeline, coloured(1, "red"))
    assert pipeline.manifest().filled == ()


def test_columns_of_a_joined_table_are_left_out_of_all_rows_that_join_it() -> None:
    columns, key = SMALL["staff"]
    pipeline = grown(FACT_JOINED, tables={**SMALL, "staff": ((*columns, Column("badge", "text")), key)})
    rows = [{**staff(1, 1), "badge": "b"}, {**staff(2, 1), "badge": None}]
    pipeline.land({"staff": rows}, whole=["staff"], added={"staff": ("badge",)})
    pipeline.transform()
    assert [row["badge"] for row in pipeline.star("fact_joined")] == ["b", None]
    assert [row["_key"] for row in pipeline.filled("fact_joined")] == ["(1)", "(2)"]
    assert "badge" not in pipeline.filled("fact_joined")[0]


def test_a_row_in_quarantine_is_in_neither() -> None:
    pipeline = grown(FACT_ALL)
    land(pipeline, coloured(1, "red"), {**coloured(2, "red"), "amount": "NaN"})
    assert pipeline.ledger("sale") == {"(1)": "live", "(2)": "quarantined"}
    assert [row["_key"] for row in pipeline.filled("fact_all")] == ["(1)"]


def test_a_row_that_a_model_refuses_is_in_neither() -> None:
    refusing = "SELECT * REPLACE (required(day, 'no day') AS day) FROM sale"
    pipeline = grown(model("fact_all", refusing, driving="sale", key="sale_id"))
    land(pipeline, coloured(1, "red"), {**coloured(2, "red"), "day": None})
    assert pipeline.ledger("sale") == {"(1)": "live", "(2)": "quarantined"}
    assert [row["_key"] for row in pipeline.filled("fact_all")] == ["(1)"]


def needing(select: str) -> Pipeline:
    """A pipeline after a batch that adds a column which its model cannot do without."""
    pipeline = Pipeline(tables=WITH_COLOUR, models=[model("fact_all", select, driving="sale", key="sale_id")])
    pipeline.run({"sale": [coloured(1, None)]}, whole=["sale"])
    land(pipeline, coloured(1, "red"))
    assert pipeline.star("fact_all")[0]["colour"] == "red"
    return pipeline


def test_a_model_that_names_the_column_is_given_null_in_its_place() -> None:
    pipeline = needing("SELECT sale_id, colour, amount FROM sale")
    (before,) = pipeline.filled("fact_all")
    assert (before["sale_id"], before["colour"], before["_key"]) == (1, None, "(1)")
    assert before["amount"] == pipeline.star("fact_all")[0]["amount"]


def test_of_a_model_that_refuses_rows_without_the_column_nothing_can_be_told() -> None:
    pipeline = needing("SELECT sale_id, required(colour, 'no colour') AS colour FROM sale")
    assert pipeline.manifest().filled == ()


def test_a_model_that_makes_another_type_with_the_column_has_ordinary_versions() -> None:
    most = "SELECT sale_id, greatest(*COLUMNS(lambda c: c NOT IN ('sale_id', 'day'))) AS most FROM sale"
    pipeline = grown(model("fact_all", most, driving="sale", key="sale_id"))
    columns, key = SMALL["sale"]
    pipeline.tables = {**SMALL, "sale": ((*columns, Column("colour", "numeric(12,4)")), key)}
    land(pipeline, coloured(1, "0.5000"))
    assert pipeline.manifest().filled == ()


def test_a_key_that_is_new_itself_leaves_nothing_to_compare() -> None:
    pipeline = grown(FACT_ALL)
    by_colour = model("fact_all", "SELECT * FROM sale", driving="sale", key="colour")
    pipeline.tables = {**WITH_COLOUR, "sale": (WITH_COLOUR["sale"][0], ("colour",))}
    fresh = Pipeline(tables=pipeline.tables, models=[by_colour])
    land(fresh, coloured(1, "red"))
    assert fresh.manifest().filled == ()


def test_the_same_batch_gives_the_same_objects() -> None:
    pipelines = [grown(FACT_ALL) for _ in range(2)]
    for pipeline in pipelines:
        land(pipeline, coloured(1, "red"), coloured(2, None))
    assert pipelines[0].objects() == pipelines[1].objects()
    assert any(key.startswith("filled/fact_all/") for key in pipelines[0].objects())

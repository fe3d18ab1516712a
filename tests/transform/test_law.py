"""The law of the star: each driving row makes one row of each star table its table drives."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.adapters.memory import MemoryLake
from starlift.core.models import Model
from starlift.errors import ConfigurationError, HeldError
from starlift.ports import RowError
from starlift.stages import emission, log
from tests.transform.lakes import FACT_SALE, Pipeline, department, model, sale, staff, table

BROKEN = [
    ("SELECT sale_id FROM sale WHERE sale_id <> 2", "it drops 1 ((2))"),
    (
        "SELECT sale_id FROM sale, (VALUES (1), (2)) AS twice",
        "it repeats or invents 3 ((1), (2), (3))",
    ),
    ("SELECT sale_id + 1 AS sale_id FROM sale", "it drops 1 ((1)) and repeats or invents 1 ((4))"),
]


@pytest.mark.parametrize(("sql", "fault"), BROKEN)
def test_a_model_that_drops_or_repeats_rows_is_named_with_their_keys_and_nothing_is_committed(
    engine: DuckDBEngine, sql: str, fault: str
) -> None:
    pipeline = Pipeline(models=[model("fact_sale", sql, driving="sale", key="sale_id")], engine=engine)
    pipeline.land({"sale": [sale(1), sale(2), sale(3)]})
    with pytest.raises(ConfigurationError) as caught:
        pipeline.transform()
    assert caught.value.message.startswith("model fact_sale does not make one row of each row of sale")
    assert fault in caught.value.message
    assert log.head(pipeline.processed) == (0, None)


def test_a_join_that_fans_out_is_found_at_the_first_row_it_doubles(engine: DuckDBEngine) -> None:
    fanning = model(
        "dim_staff",
        "SELECT staff_id, title FROM staff LEFT JOIN department ON title <> name",
        driving="staff",
        joins="department",
        key="staff_id",
    )
    pipeline = Pipeline(models=[fanning], engine=engine)
    pipeline.land({"staff": [staff(1, 1), staff(2, 1)], "department": [department(1, "A")]})
    pipeline.transform()
    pipeline.land({"department": [department(2, "B")]})
    with pytest.raises(ConfigurationError, match=r"repeats or invents 2 \(\(1\), \(2\)\)"):
        pipeline.transform()
    assert log.head(pipeline.processed)[0] == 1


def test_many_keys_are_counted_and_the_first_five_named(engine: DuckDBEngine) -> None:
    dropping = model("fact_sale", "SELECT sale_id FROM sale WHERE sale_id < 0", driving="sale", key="sale_id")
    pipeline = Pipeline(models=[dropping], engine=engine)
    pipeline.land({"sale": [sale(number) for number in range(1, 8)]})
    with pytest.raises(ConfigurationError, match=r"it drops 7 \(\(1\), \(2\), \(3\), \(4\), \(5\), …\)"):
        pipeline.transform()


KEYS = [
    ("sale_id + 0.5 AS sale_id", "sale_id", "its key column sale_id is decimal128"),
    ("sale_id, day", "sale_id, day", "its key has 2 columns, that of sale 1"),
]


@pytest.mark.parametrize(("columns", "key", "fault"), KEYS)
def test_a_models_key_must_be_the_driving_tables_key(
    engine: DuckDBEngine, columns: str, key: str, fault: str
) -> None:
    wrong = model("fact_sale", f"SELECT {columns} FROM sale", driving="sale", key=key)
    pipeline = Pipeline(models=[wrong], engine=engine)
    pipeline.land({"sale": [sale(1)]})
    with pytest.raises(ConfigurationError) as caught:
        pipeline.transform()
    assert fault in caught.value.message


def test_a_model_that_fails_over_rows_together_only_is_a_wrong_model_and_no_wrong_row() -> None:
    """DuckDB's rules leave no such model that we know of; the law does not rest on them."""

    class Summing(DuckDBEngine):
        def run(self, model: Model, inputs: Mapping[str, pa.Table]) -> pa.Table:
            if inputs["sale"].num_rows > 1:
                raise RowError("the sum is out of range")
            return super().run(model, inputs)

    pipeline = Pipeline(models=[FACT_SALE], engine=Summing())
    pipeline.land({"sale": [sale(1), sale(2)]})
    with pytest.raises(ConfigurationError, match="fails over rows together that it takes one by one"):
        pipeline.transform()


def test_a_model_that_refuses_too_many_rows_holds_the_batch(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emission, "MOST_REFUSED", 3)
    pipeline = Pipeline(models=[FACT_SALE], engine=engine)
    pipeline.land({"sale": [sale(number, "soon") for number in range(8)]})
    with pytest.raises(
        HeldError, match=r"refuses more than 3 rows of a batch; the first is \(0\): 'soon' is"
    ) as caught:
        pipeline.transform()
    assert caught.value.hint == "correct sql/models/fact_sale.sql and rebuild: starlift rebuild"
    assert log.head(pipeline.processed) == (0, None)


def test_the_way_out_of_a_held_batch_is_a_model_that_takes_its_rows_and_an_empty_lake(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emission, "MOST_REFUSED", 3)
    pipeline = Pipeline(models=[FACT_SALE], engine=engine)
    pipeline.run({"sale": [sale(1)]})
    pipeline.land({"sale": [sale(number, "soon") for number in range(8)]})
    with pytest.raises(HeldError):
        pipeline.transform()
    lenient = model("fact_sale", "SELECT sale_id, day FROM sale", driving="sale", key="sale_id")
    pipeline.models, pipeline.processed = (lenient,), MemoryLake("empty")
    assert [done.star for done in pipeline.transform()] == [{"fact_sale": 1}, {"fact_sale": 8}]


COMPOSITE = {"line": table("shop,number", shop="text", number="integer", note="text")}


def test_a_key_of_several_columns_is_matched_by_position_and_printed_as_postgresql_does(
    engine: DuckDBEngine,
) -> None:
    fact = model("fact_line", "SELECT number AS n, shop AS s FROM line", driving="line", key="s, n")
    pipeline = Pipeline(COMPOSITE, [fact], engine)
    shops = ["a", 'say "x"', "a b", "", "back\\slash", "(1,2)", "é\u00a0", "A"]
    pipeline.run({"line": [{"shop": shop, "number": str(n), "note": None} for n, shop in enumerate(shops)]})
    rows = pipeline.star("fact_line")
    assert [row["s"] for row in rows] == sorted(shops, key=str.encode)
    assert {row["_key"] for row in rows} == {
        "(a,0)",
        '("say ""x""",1)',
        '("a b",2)',
        '("",3)',
        '("back\\\\slash",4)',
        '("(1,2)",5)',
        "(é\u00a0,6)",
        "(A,7)",
    }

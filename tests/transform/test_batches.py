"""A batch through transform: conservation, ledger, quarantine and the processed manifest."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core.manifest import Counts, Processed, sha256
from starlift.errors import ConfigurationError
from starlift.stages import log, parquet_files
from starlift.stages.transform import Transformed, transform
from starlift.stages.watch import Watch
from tests.transform.lakes import (
    DIM_STAFF,
    FACT_SALE,
    SMALL,
    Pipeline,
    department,
    model,
    sale,
    staff,
    table,
)


def test_rows_become_star_rows_in_the_order_of_the_typed_key_with_their_key_text_last(
    pipeline: Pipeline,
) -> None:
    done = pipeline.run({"sale": [sale(10), sale(9, "2024-02-29", "0.05")]})
    rows = pipeline.star("fact_sale")
    assert [list(row) for row in rows] == [["sale_id", "day", "amount", "_key"]] * 2
    assert [(row["sale_id"], str(row["day"]), row["amount"], row["_key"]) for row in rows] == [
        (9, "2024-02-29", Decimal("0.05"), "(9)"),
        (10, "2024-01-31", Decimal("1.50"), "(10)"),
    ]
    counts = {"sale": Counts(read=2, shipped=2, rejected=0)}
    assert done == Transformed(1, "incremental", counts, 0, {"fact_sale": 2})


def test_a_source_column_that_begins_with_an_underscore_is_a_column_like_any_other(
    engine: DuckDBEngine,
) -> None:
    tables = {
        "doc": table("_id", _id="integer", _rev="text", part_id="integer"),
        "part": table("part_id", part_id="integer", _title="text"),
    }
    sql = "SELECT _id AS id, _rev AS rev, _title AS title FROM doc LEFT JOIN part USING (part_id)"
    pipeline = Pipeline(tables, [model("dim_doc", sql, driving="doc", joins="part", key="id")], engine)
    doc = {"_id": "1", "_rev": "r", "part_id": "2"}
    pipeline.run({"doc": [doc], "part": [{"part_id": "2", "_title": "t"}]})
    assert pipeline.star("dim_doc") == [{"id": 1, "rev": "r", "title": "t", "_key": "(1)"}]


@pytest.mark.parametrize("name", ["_key", "_hash", "_stale"])
def test_the_columns_of_the_pipeline_itself_are_hidden_from_models(engine: DuckDBEngine, name: str) -> None:
    sql = f"SELECT staff_id, department.{name} AS x FROM staff LEFT JOIN department USING (department_id)"
    prying = model("dim_staff", sql, driving="staff", joins="department", key="staff_id")
    pipeline = Pipeline(models=[prying], engine=engine)
    pipeline.land({"staff": [staff(1, 1)], "department": [department(1, "A")]})
    with pytest.raises(ConfigurationError, match=name):
        pipeline.transform()


def test_the_ledger_has_every_row_of_every_table_with_its_source_hash_in_the_order_of_the_key_text(
    pipeline: Pipeline,
) -> None:
    hashed = {**sale(10), "_hash": "-9223372036854775808"}
    pipeline.run({"sale": [sale(9), hashed], "department": [department(1, "Sales")]})
    manifest = pipeline.manifest()
    assert [file.table for file in manifest.ledger] == ["department", "sale"]
    rows = pipeline._rows(manifest.ledger, "sale")
    assert [(row["key"], row["state"]) for row in rows] == [("(10)", "live"), ("(9)", "live")]
    assert rows[0]["source_hash"] == -(2**63)
    assert pipeline.ledger("department") == {"(1)": "live"}


def test_a_date_that_is_not_one_quarantines_its_row_whole_and_no_other(pipeline: Pipeline) -> None:
    done = pipeline.run({"sale": [sale(1), sale(2, "31/02/2024"), sale(3)]})
    assert pipeline.quarantine() == [
        {
            "table": "sale",
            "key": "(2)",
            "seq": 1,
            "stage": "transform",
            "reason": "fact_sale: '31/02/2024' is not a date (yyyy-mm-dd)",
            "row": {"sale_id": "2", "day": "31/02/2024", "amount": "1.50"},
        }
    ]
    assert [row["sale_id"] for row in pipeline.star("fact_sale")] == [1, 3]
    assert pipeline.ledger("sale") == {"(1)": "live", "(2)": "quarantined", "(3)": "live"}
    assert done.counts == {"sale": Counts(read=3, shipped=2, rejected=1)}
    assert done.quarantined == 1


def test_a_value_that_cannot_be_typed_quarantines_its_row_with_the_text_of_the_source(
    pipeline: Pipeline,
) -> None:
    done = pipeline.run(
        {
            "sale": [sale(1, amount="1.005"), sale(2)],
            "department": [department(1, "Sales", since="0044-03-15 BC")],
        }
    )
    refused = {entry["key"] + entry["table"]: entry for entry in pipeline.quarantine()}
    assert refused["(1)sale"]["reason"] == "column amount: '1.005' is not numeric(10,2)"
    assert refused["(1)sale"]["row"]["amount"] == "1.005"
    assert refused["(1)department"]["row"] == dict(department(1, "Sales", since="0044-03-15 BC"))
    assert [row["sale_id"] for row in pipeline.star("fact_sale")] == [2]
    assert pipeline.ledger("department") == {"(1)": "quarantined"}
    assert done.counts == {"department": Counts(1, 0, 1), "sale": Counts(2, 1, 1)}


def test_all_rows_of_a_batch_may_be_refused(pipeline: Pipeline) -> None:
    done = pipeline.run({"sale": [sale(number, "soon") for number in range(5)]})
    assert done.counts["sale"] == Counts(5, 0, 5)
    assert (done.star, pipeline.manifest().star) == ({}, ())
    assert [entry["key"] for entry in pipeline.quarantine()] == [f"({number})" for number in range(5)]


@settings(max_examples=25, deadline=None)
@given(days=st.lists(st.sampled_from(["2024-01-31", "soon", "", "31/02/2024"]), min_size=1, max_size=40))
def test_exactly_the_rows_that_fail_are_quarantined_each_with_its_own_reason(days: list[str]) -> None:
    pipeline = Pipeline(engine=ENGINE, models=[FACT_SALE])
    done = pipeline.run({"sale": [sale(number, day) for number, day in enumerate(days)]})
    bad = {f"({number})": day for number, day in enumerate(days) if day != "2024-01-31"}
    assert {entry["key"]: entry["row"]["day"] for entry in pipeline.quarantine()} == bad
    assert all(f"'{entry['row']['day']}' is not a date" in entry["reason"] for entry in pipeline.quarantine())
    kept = {row["_key"] for row in pipeline.star("fact_sale")} if len(bad) < len(days) else set()
    assert kept == set(pipeline.ledger("sale")) - bad.keys()
    assert done.counts["sale"] == Counts(len(days), len(days) - len(bad), len(bad))


ENGINE = DuckDBEngine()


def test_a_row_that_one_model_refuses_is_in_no_star_table_of_its_source_table(engine: DuckDBEngine) -> None:
    before = model("dim_sale", "SELECT sale_id FROM sale", driving="sale", key="sale_id")
    after = model(
        "fact_zale", "SELECT sale_id, strict_int(day) AS day FROM sale", driving="sale", key="sale_id"
    )
    pipeline = Pipeline(models=[after, before, FACT_SALE], engine=engine)
    pipeline.run({"sale": [sale(1), sale(2, "2"), sale(3, "no")]})
    reasons = {entry["key"]: entry["reason"] for entry in pipeline.quarantine()}
    assert reasons == {
        "(1)": "fact_zale: '2024-01-31' is not an integer",
        "(2)": "fact_sale: '2' is not a date (yyyy-mm-dd)",
        "(3)": "fact_sale: 'no' is not a date (yyyy-mm-dd)",
    }
    assert pipeline.manifest().star == ()


def test_batches_are_taken_in_order_each_once_and_chained(pipeline: Pipeline) -> None:
    for number in (1, 2, 3):
        pipeline.land({"sale": [sale(number)]})
    assert [done.seq for done in pipeline.transform()] == [1, 2, 3]
    assert pipeline.transform() == []
    for seq in (1, 2, 3):
        manifest = pipeline.manifest(seq)
        assert manifest.ingestion_sha256 == sha256(log.read(pipeline.ingestion, seq))
        before = sha256(log.read(pipeline.processed, seq - 1)) if seq > 1 else None
        assert manifest.previous_sha256 == before


def test_a_heartbeat_is_passed_on_without_files(pipeline: Pipeline) -> None:
    pipeline.run({"staff": [staff(1, 1)]})
    pipeline.land(kind="heartbeat")
    (done,) = pipeline.transform()
    manifest = pipeline.manifest()
    assert (done.kind, done.counts, done.star) == ("heartbeat", {}, {})
    assert manifest.star == manifest.ledger == manifest.quarantine == ()
    assert manifest.snapshots == pipeline.manifest(1).snapshots
    assert manifest.complete_to == "2024-06-01T00:00:00+00:00"
    assert manifest.clock == "2024-06-01T00:00:00+00:00"


def test_a_processed_manifest_names_the_models_and_their_hashes(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)]})
    assert pipeline.manifest().models == (DIM_STAFF.ref, FACT_SALE.ref)
    assert pipeline.manifest().fingerprints == dict.fromkeys(SMALL, "f")


def test_big_tables_are_written_in_several_files_in_order(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "ROWS", 4)
    pipeline.run({"sale": [sale(number) for number in range(10)]})
    assert [file.rows for file in pipeline.manifest().star] == [4, 4, 2]
    assert [row["sale_id"] for row in pipeline.star("fact_sale")] == list(range(10))


def test_a_table_that_drives_no_model_and_none_joins_is_in_the_ledger_all_the_same(
    engine: DuckDBEngine,
) -> None:
    pipeline = Pipeline(models=[FACT_SALE], engine=engine)
    pipeline.run({"staff": [staff(1, 1)]})
    assert pipeline.ledger("staff") == {"(1)": "live"}
    assert (pipeline.manifest().star, pipeline.manifest().snapshots) == ((), {})


def test_a_processed_manifest_reads_back_as_it_was_written(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)], "staff": [staff(1, 1)]})
    stored = log.read(pipeline.processed, 1)
    assert Processed.decode(stored).encode() == stored


def test_between_two_batches_transform_may_end_and_goes_on_the_next_time(pipeline: Pipeline) -> None:
    class Hasty(Watch):
        wished = True

    for number in range(1, 4):
        pipeline.land({"sale": [sale(number)]})
    watch = Hasty()
    work = partial(
        transform, pipeline.ingestion, pipeline.processed, pipeline.models, pipeline.engine, "1", watch
    )
    assert [[batch.seq for batch in work()] for _ in range(4)] == [[1], [2], [3], []]
    assert watch.stopped

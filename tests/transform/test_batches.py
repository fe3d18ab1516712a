"""A batch through transform: conservation, quarantine, the law of the star, and the same bytes twice."""

from __future__ import annotations

from decimal import Decimal
from threading import Barrier, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core import paths
from starlift.core.manifest import Counts, Processed, sha256
from starlift.errors import ConfigurationError, HeldError, LostRace
from starlift.stages import emission, log, parquet_files
from starlift.stages.transform import Transformed, transform
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


BROKEN = [
    ("SELECT sale_id FROM sale WHERE sale_id <> 2", "it drops 1 ((2))"),
    (
        "SELECT sale_id FROM sale UNION ALL SELECT sale_id FROM sale",
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


def test_a_model_that_fails_over_rows_together_only_is_a_wrong_model_and_no_wrong_row(
    engine: DuckDBEngine,
) -> None:
    summing = model(
        "fact_sale",
        "SELECT sale_id, 9223372036854775807 - 1 + count(*) OVER () AS n FROM sale",
        driving="sale",
        key="sale_id",
    )
    pipeline = Pipeline(models=[summing], engine=engine)
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
    ):
        pipeline.transform()
    assert log.head(pipeline.processed) == (0, None)


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


def test_a_processed_manifest_names_the_models_and_their_hashes(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)]})
    assert pipeline.manifest().models == (DIM_STAFF.ref, FACT_SALE.ref)
    assert pipeline.manifest().fingerprints == dict.fromkeys(SMALL, "f")


def _mixed(engine: DuckDBEngine) -> Pipeline:
    pipeline = Pipeline(engine=engine)
    pipeline.land(
        {
            "sale": [sale(number, "soon" if number % 7 == 0 else "2024-01-31") for number in range(50)],
            "staff": [staff(number, number % 3) for number in range(20)],
            "department": [department(1, "One"), department(2, "Two", since="infinity")],
        }
    )
    pipeline.land({"department": [department(1, "Eins"), department(2, "Zwei")], "staff": [staff(3, 1, "")]})
    return pipeline


def test_the_same_batches_give_the_same_bytes_in_another_lake_with_another_engine() -> None:
    first, second = _mixed(DuckDBEngine()), _mixed(DuckDBEngine())
    first.transform()
    second.transform()
    assert first.objects() == second.objects()
    assert sum(key.endswith(".parquet") for key in first.objects()) >= 10


def test_two_transforms_at_once_write_the_same_and_both_are_content() -> None:
    pipeline = _mixed(DuckDBEngine())
    failures: list[BaseException] = []
    start = Barrier(2)

    def work() -> None:
        try:
            start.wait()
            transform(pipeline.ingestion, pipeline.processed, pipeline.models, DuckDBEngine(), "1")
        except BaseException as error:  # noqa: BLE001 - the test asks whether there was any
            failures.append(error)

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = _mixed(DuckDBEngine())
    alone.transform()
    assert failures == []
    assert pipeline.objects() == alone.objects()


def test_a_run_killed_before_its_commit_is_done_again_over_its_own_files(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)], "staff": [staff(1, 1)]})
    whole = pipeline.objects()
    for key in (paths.manifest(1), paths.HEAD):
        del pipeline.processed._objects[key]
    pipeline.transform()
    assert pipeline.objects() == whole


def test_another_version_of_the_code_that_was_first_wins(pipeline: Pipeline) -> None:
    pipeline.land({"sale": [sale(1)]})

    class Overtaken(DuckDBEngine):
        def run(self, *arguments: object) -> object:  # type: ignore[override]
            transform(pipeline.ingestion, pipeline.processed, pipeline.models, DuckDBEngine(), "2")
            return super().run(*arguments)  # type: ignore[arg-type]

    with pytest.raises(LostRace):
        transform(pipeline.ingestion, pipeline.processed, pipeline.models, Overtaken(), "1")
    assert pipeline.manifest().code_version == "2"


def test_a_changed_model_is_refused_before_anything_is_written(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)]})
    pipeline.land({"sale": [sale(2)]})
    before = pipeline.objects()
    changed = model("fact_sale", FACT_SALE.sql.partition("\nSELECT")[2], driving="sale", key="sale_id")
    assert changed.sha256 != FACT_SALE.sha256
    pipeline.models = (DIM_STAFF, changed)
    with pytest.raises(ConfigurationError, match="model fact_sale has changed: the star is still made by"):
        pipeline.transform()
    assert pipeline.objects() == before


def test_a_new_or_lost_model_is_refused_also_where_nothing_is_pending(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)]})
    pipeline.models = (FACT_SALE,)
    with pytest.raises(ConfigurationError, match="model dim_staff is gone"):
        pipeline.transform()


def test_a_rebuild_into_an_empty_lake_takes_todays_models_over_all_batches(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)]})
    pipeline.run({"sale": [sale(2)]})
    today = model("fact_sale", "SELECT sale_id FROM sale", driving="sale", key="sale_id")
    rebuilt = Pipeline(models=[today], engine=pipeline.engine)
    rebuilt.ingestion = pipeline.ingestion
    assert [done.star for done in rebuilt.transform()] == [{"fact_sale": 1}, {"fact_sale": 1}]
    assert list(rebuilt.star("fact_sale", 1)[0]) == ["sale_id", "_key"]


def test_another_version_of_the_code_goes_on_with_the_same_models(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)]})
    pipeline.land({"sale": [sale(2)]})
    (done,) = transform(pipeline.ingestion, pipeline.processed, pipeline.models, pipeline.engine, "2")
    assert (done.seq, pipeline.manifest().code_version) == (2, "2")


def test_lakes_of_two_pipelines_are_told_apart(pipeline: Pipeline) -> None:
    pipeline.run({"sale": [sale(1)]})
    other = Pipeline(engine=pipeline.engine)
    other.land({"sale": [sale(2)]})
    other.processed = pipeline.processed
    with pytest.raises(HeldError, match="was not made of that of memory://ingestion"):
        other.transform()


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

"""Transform again: the same bytes, whoever runs it and how often; other models are refused."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core import paths
from starlift.errors import ConfigurationError, HeldError, LostRace
from starlift.stages import log
from starlift.stages.transform import transform
from tests.transform.lakes import DIM_STAFF, FACT_SALE, Pipeline, department, model, sale, staff


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


def test_the_order_in_which_models_are_given_does_not_matter(engine: DuckDBEngine) -> None:
    badge = model("dim_badge", "SELECT staff_id FROM staff", driving="staff", key="staff_id")
    results = []
    for models in ([badge, DIM_STAFF], [DIM_STAFF, badge]):
        pipeline = Pipeline(models=models, engine=engine)
        pipeline.run({"staff": [staff(1, 1)]})
        results.append(pipeline.objects())
    assert results[0] == results[1]


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
        def run(self, *arguments: object) -> object:
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


@pytest.mark.parametrize("altered", [1, 2, 3])
def test_a_manifest_altered_after_its_successor_was_written_holds_what_follows_it(
    pipeline: Pipeline, altered: int
) -> None:
    pipeline.run({"sale": [sale(1)]})
    for key in (2, 3, 4):
        pipeline.land({"sale": [sale(key)]})
    landed = log.read(pipeline.ingestion, altered)
    pipeline.ingestion.put(paths.manifest(altered), landed.replace(b'"run_id":"run"', b'"run_id":"fun"'))
    with pytest.raises(HeldError, match="not as it was written"):
        pipeline.transform()
    assert log.head(pipeline.processed)[0] == altered

"""Facts keep every version, each once, under numbers that a replay gives again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from starlift.core.manifest import Inventory
from starlift.errors import HeldError
from starlift.ports import StarCounts
from tests.load.batches import History, entries, sale, staff
from tests.load.conftest import Star, model, own_sql
from tests.postgres import PostgresForTests

HISTORY = "SELECT sales_record_id, units_sold, op, seq FROM history_fact_sales_order ORDER BY seq, 1"
DELETED = {"sales_order": entries({"(1)": "deleted"})}


def test_a_row_that_changes_and_changes_back_is_three_versions(star: Star) -> None:
    counts = [
        star.load({"fact_sales_order": [sale(1, units_sold=units)]}).star["fact_sales_order"]
        for units in (10, 20, 10)
    ]
    assert star.rows(HISTORY) == [[1, 10, "insert", 1], [2, 20, "update", 2], [3, 10, "update", 3]]
    assert counts == [StarCounts(inserted=1), StarCounts(versions=1), StarCounts(versions=1)]


def test_an_unchanged_row_makes_no_version(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2)]})
    loaded = star.load({"fact_sales_order": [sale(2), sale(3)]})
    assert loaded.star["fact_sales_order"] == StarCounts(inserted=1, unchanged=1)
    assert star.rows("SELECT sales_record_id, sales_order_id FROM fact_sales_order ORDER BY 1") == [
        [1, 1], [2, 2], [3, 3],
    ]  # fmt: skip


def test_an_edit_of_a_column_that_the_model_leaves_out_changes_the_ledger_alone(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1)]})
    before = star.value("SELECT source_hash FROM starlift.ledger WHERE source_table = 'sales_order'")
    star.load({"fact_sales_order": [sale(1)]})
    after = star.value("SELECT source_hash FROM starlift.ledger WHERE source_table = 'sales_order'")
    assert before != after
    assert star.value("SELECT count(*) FROM starlift.fact_version") == 1


def test_every_column_can_make_the_difference(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1)]})
    for column, value in [("unit_price", 3), ("design_id", 2), ("agreed_delivery_location_id", 30)]:
        loaded = star.load({"fact_sales_order": [sale(1, **{column: value})]})
        assert loaded.star["fact_sales_order"].versions == 1, column


def test_records_are_numbered_in_the_order_of_the_typed_key(star: Star) -> None:
    star.load({"fact_sales_order": [sale(100), sale(9), sale(20)]})
    rows = star.rows("SELECT sales_record_id, sales_order_id FROM fact_sales_order ORDER BY 1")
    assert rows == [[1, 9], [2, 20], [3, 100]]


def test_a_batch_that_was_rolled_back_burns_no_record_id(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1)]})
    broken = star.history.batch({"fact_sales_order": [sale(2), sale(2)]})
    with pytest.raises(HeldError, match="batch 2 is refused"):
        star.apply(broken)
    star.history.seq, star.history.previous = 1, broken.manifest.previous_sha256
    star.load({"fact_sales_order": [sale(2)]})
    assert star.rows("SELECT sales_record_id FROM fact_sales_order ORDER BY 1") == [[1], [2]]


def test_a_replay_into_an_empty_warehouse_gives_the_same_rows_and_numbers(
    star: Star, postgres: PostgresForTests
) -> None:
    def play(target: Star) -> list[list[list[object]]]:
        target.history = History()
        target.load({"dim_staff": [staff(1)], "fact_sales_order": [sale(3), sale(1)]})
        target.load({"fact_sales_order": [sale(1, units_sold=5), sale(2)]})
        target.load(ledger=DELETED)
        target.load({"fact_sales_order": [sale(1, units_sold=5), sale(3, design_id=7)]})
        tables = ("fact_sales_order", "dim_staff", "dim_design", "dim_date", "starlift.fact_version")
        return [target.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables]

    with postgres.warehouse() as other:
        replayed = Star(other)
        replayed.migrate()
        assert play(replayed) == play(star)


def test_a_version_found_by_a_repair_is_called_so(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, units_sold=10)]})
    asked = {"sales_order": Inventory("keys", asked=("(1)", "(2)"))}
    rows = [sale(1, units_sold=20), sale(2), sale(3, units_sold=20)]
    star.load({"fact_sales_order": [sale(3)]})
    star.load({"fact_sales_order": rows}, kind="repair", inventory=asked)
    assert star.rows("SELECT sales_order_id, op FROM history_fact_sales_order WHERE seq = 3 ORDER BY 1") == [
        [1, "repair"], [2, "insert"], [3, "update"],
    ]  # fmt: skip


def test_where_a_repair_reads_a_table_whole_all_its_versions_are_called_so(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, units_sold=10)]})
    whole = {"sales_order": Inventory("whole")}
    star.load({"fact_sales_order": [sale(1, units_sold=20)]}, kind="repair", inventory=whole)
    star.load({"fact_sales_order": [sale(1, units_sold=30)]}, inventory=whole)
    assert star.rows("SELECT op FROM starlift.fact_version ORDER BY seq") == [
        ["insert"], ["repair"], ["update"],
    ]  # fmt: skip


def test_a_deleted_row_leaves_the_present_and_stays_in_the_history(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2)]})
    loaded = star.load(ledger=DELETED)
    assert loaded.star["fact_sales_order"].tombstones == 1
    assert star.rows("SELECT sales_order_id FROM current_fact_sales_order") == [[2]]
    assert star.rows("SELECT op, valid_to IS NULL FROM history_fact_sales_order WHERE sales_order_id = 1 "
                     "ORDER BY seq") == [["insert", False], ["delete", True]]  # fmt: skip
    assert star.value("SELECT count(*) FROM fact_sales_order") == 2


def test_a_row_deleted_twice_ends_once(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1)]})
    star.load(ledger=DELETED)
    assert "fact_sales_order" not in star.load(ledger=DELETED).star
    assert star.value("SELECT count(*) FROM starlift.fact_version") == 2


def test_a_row_deleted_before_it_ever_reached_the_star_leaves_no_version(star: Star) -> None:
    assert star.load(ledger=DELETED).star == {"fact_sales_order": StarCounts()}
    assert star.value("SELECT count(*) FROM starlift.fact_version") == 0


def test_a_row_deleted_and_inserted_again_is_a_new_version_also_with_equal_content(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, units_sold=10)]})
    star.load(ledger=DELETED)
    star.load({"fact_sales_order": [sale(1, units_sold=10)]})
    assert star.rows(HISTORY) == [[1, 10, "insert", 1], [1, 10, "delete", 2], [2, 10, "insert", 3]]
    assert star.rows("SELECT sales_record_id FROM current_fact_sales_order") == [[2]]


def test_a_key_that_comes_twice_in_one_batch_is_refused(star: Star) -> None:
    with pytest.raises(HeldError, match="batch 1 is refused"):
        star.load({"fact_sales_order": [sale(1), sale(1, units_sold=1)]})
    assert star.value("SELECT count(*) FROM fact_sales_order") == 0


def test_facts_of_different_tables_may_have_equal_keys(star: Star, tmp_path: Path) -> None:
    ddl = "".join(f"CREATE TABLE {name} (id serial PRIMARY KEY, k integer);" for name in "fg")
    star.sql = own_sql(tmp_path, ddl)
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    made = [model("f", "fact", "k", "t"), model("g", "fact", "k", "u")]
    refs = tuple(found.ref for found in made)
    star.migrate(made)
    for value in (1, 2):
        rows = pa.table({"k": pa.array([value], pa.int32()), "_key": ["(1)"]})
        assert star.load({"f": rows, "g": rows} if value == 1 else {"f": rows}, models=refs).star["f"]
    star.load(ledger={"t": entries({"(1)": "deleted"})}, models=refs)
    assert star.rows("SELECT k FROM mine.current_f") == []
    assert star.rows("SELECT k FROM mine.current_g") == [[1]]


def test_text_keys_are_numbered_by_code_point_and_types_without_equality_are_compared(
    star: Star, tmp_path: Path
) -> None:
    ddl = "CREATE TABLE f (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text, j json)"
    star.sql = own_sql(tmp_path, ddl)
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    found = model("f", "fact", "code", "t")
    star.migrate([found])
    rows = pa.table({"code": ["b", "B", "ä", "a"], "j": ["[1]", None, "[2]", "[3]"],
                     "_key": ["(b)", "(B)", "(ä)", "(a)"]})  # fmt: skip
    star.load({"f": rows}, models=(found.ref,))
    assert star.rows("SELECT code FROM mine.f ORDER BY id") == [["B"], ["a"], ["b"], ["ä"]]
    changed = rows.set_column(1, "j", pa.array(["[1]", None, "[2]", "[4]"]))
    assert star.load({"f": changed}, models=(found.ref,)).star["f"] == StarCounts(versions=1, unchanged=3)


@pytest.mark.parametrize(
    ("table", "what"),
    [("fact_version", "versions of fact_sales_order"), ("ledger", "ledger entries of sales_order")],
)
def test_a_load_beside_which_somebody_writes_the_pipelines_tables_writes_nothing(
    star: Star, table: str, what: str
) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2)]})
    star.rows("CREATE FUNCTION starlift.skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    star.rows(
        f"CREATE TRIGGER other BEFORE UPDATE ON starlift.{table} FOR EACH ROW "
        "WHEN (old.key = '(2)') EXECUTE FUNCTION starlift.skip()"
    )
    with pytest.raises(HeldError, match=rf"of 2 {what} 1 were changed by somebody else"):
        star.load({"fact_sales_order": [sale(1, units_sold=7), sale(2, units_sold=7)]})
    assert star.value("SELECT count(*) FROM starlift.applied") == 1
    assert star.value("SELECT count(*) FROM fact_sales_order") == 2

"""Publishing: what was built beside the star becomes it, and nobody who builds on the star can tell how."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from starlift.adapters.postgres.bulk import MANY_ROWS
from starlift.errors import ConfigurationError, HeldError, LostRace
from starlift.ports import Batch
from tests.load.batches import MODELS, History, design, entries, sale, staff
from tests.load.conftest import Star, model, own_sql
from tests.load.test_bulk import many_sales
from tests.load.test_refused_rows import NOISE
from tests.postgres import WarehouseDatabase, connected

TABLES = (
    "dim_staff", "dim_location", "dim_currency", "dim_design", "dim_counterparty", "dim_payment_type",
    "dim_transaction", "dim_date", "fact_sales_order", "fact_purchase_order", "fact_payment",
)  # fmt: skip
LEDGER = {
    "ledger": "*", "fact_version": "*", "quarantine": "*",
    "applied": "seq, kind, manifest_sha256, clock, complete_to, counts",
}  # fmt: skip
BUILD, BUILD_STAR = "starlift_build", "starlift_build_star"

CATALOGUE = """
SELECT 'column', c.relname::text, a.attname::text, a.attacl::text, col_description(c.oid, a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace IN ('public'::regnamespace, 'starlift'::regnamespace)
UNION ALL
SELECT 'relation', relname,
       coalesce(pg_get_indexdef(oid), CASE WHEN relkind = 'v' THEN pg_get_viewdef(oid) END),
       relacl::text || relowner::text, obj_description(oid, 'pg_class')
FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'starlift'::regnamespace)
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) || convalidated::text,
       obj_description(oid, 'pg_constraint')
FROM pg_constraint WHERE connamespace IN ('public'::regnamespace, 'starlift'::regnamespace)
ORDER BY 1, 2, 3
"""


def content(star: Star, schema: str = "public", pipeline: str = "starlift") -> dict[str, list[Any]]:
    """Every row of a star and of its ledger, as COPY would print it, in the order of its text."""
    places = [(schema, name, "*") for name in TABLES]
    places += [(pipeline, name, columns) for name, columns in LEDGER.items()]
    return {
        name: star.rows(
            f'SELECT CAST(r AS text) FROM (SELECT {columns} FROM "{where}".{name}) AS r ORDER BY 1'
        )
        for where, name, columns in places
    }


def build(star: Star, batches: Sequence[Batch]) -> None:
    """Apply batches to the build target of a star."""
    with star.open().build as target:
        target.prepare(MODELS)
        for batch in batches:
            target.apply(batch)


def publish(star: Star) -> list[str] | None:
    """Publish the build target."""
    with star.open() as warehouse:
        return warehouse.publish(MODELS)


def some_batches(history: History) -> list[Batch]:
    """A first load and two changes: versions, inferred members, a row in quarantine."""
    bad = {"table": "design", "key": "(9)", "reason": "unreadable", "row": {"design_id": "9"}}
    return [
        history.batch({"dim_design": [design(1)], "fact_sales_order": [sale(1), sale(2)]}),
        history.batch({"fact_sales_order": [sale(2, units_sold=5), sale(3)], "dim_staff": [staff(1)]}),
        history.batch(
            {"dim_design": [design(1, design_name="Bronze")]},
            ledger={"design": entries({"(1)": "live", "(9)": "quarantined"}, "3")},
            quarantine=[bad],
        ),
    ]


def loaded(star: Star, batches: Sequence[Batch]) -> Star:
    """Apply batches to the live star, one by one."""
    for batch in batches:
        star.apply(batch)
    return star


def test_a_build_target_has_neither_foreign_keys_nor_secondary_indexes_while_it_is_filled(star: Star) -> None:
    build(star, some_batches(star.history))
    shape = """SELECT contype, count(*) FROM pg_constraint
               WHERE connamespace = 'starlift_build_star'::regnamespace AND contype <> 'n' GROUP BY 1"""
    assert star.rows(shape) == [["p", 11]]
    assert star.value("SELECT count(*) FROM pg_indexes WHERE schemaname = 'starlift_build_star'") == 11
    assert star.rows("SELECT FROM starlift.applied") == star.rows("SELECT FROM public.dim_date") == []


def test_a_star_that_was_built_and_published_is_the_one_that_was_loaded(star: Star) -> None:
    batches = some_batches(star.history)
    build(star, batches)
    assert publish(star)
    published = content(star)
    with star.open().build as target:
        target.prepare(MODELS)
    other = Star(star.database, star.in_schema("Other"), pipeline="Other_starlift")
    other.migrate()
    loaded(other, batches)
    assert published == content(other, "Other", "Other_starlift")
    assert len(published["fact_sales_order"]) == 4
    assert any("inferred" in row for (row,) in published["ledger"])
    assert any("(not loaded)" in row for (row,) in published["dim_counterparty"])


def test_a_published_star_goes_on_with_the_next_batch(star: Star) -> None:
    build(star, some_batches(star.history))
    publish(star)
    counts = star.load({"fact_sales_order": [sale(3, units_sold=7), sale(4)]})
    assert (counts.star["fact_sales_order"].inserted, counts.star["fact_sales_order"].versions) == (1, 1)


@pytest.mark.parametrize("rows", [3, MANY_ROWS])
def test_nothing_that_was_built_on_the_star_is_lost_by_publishing(star: Star, rows: int) -> None:
    loaded(star, [star.history.batch({"fact_sales_order": many_sales(5, first=10**6)})])
    for statement in (
        "GRANT SELECT ON fact_sales_order, current_fact_sales_order TO PUBLIC",
        "GRANT SELECT (units_sold) ON fact_sales_order TO starlift_analyst WITH GRANT OPTION",
        "COMMENT ON TABLE fact_sales_order IS 'ours'",
        "COMMENT ON COLUMN fact_sales_order.units_sold IS 'a column of ours'",
        "COMMENT ON INDEX fact_sales_order_key IS 'an index of ours'",
        "COMMENT ON CONSTRAINT fact_sales_order_design_id_fkey ON fact_sales_order IS 'a key of ours'",
        "CREATE INDEX own_index ON fact_sales_order (units_sold) WHERE units_sold > 7",
        "CREATE VIEW own_view AS SELECT design_name, sum(units_sold) AS units "
        "FROM current_fact_sales_order JOIN dim_design USING (design_id) GROUP BY 1",
        "CREATE TABLE own_table (design_id integer REFERENCES dim_design, budget integer)",
        "INSERT INTO own_table VALUES (1, 5)",
    ):
        star.rows(statement)
    before = star.rows(CATALOGUE)
    build(star, [History().batch({"fact_sales_order": many_sales(rows)})])
    assert publish(star)
    assert star.rows(CATALOGUE) == before
    assert star.value("SELECT count(*) FROM fact_sales_order") == rows
    assert star.rows("SELECT units FROM own_view") == [[rows * 84754]]
    assert star.rows("SELECT * FROM own_table") == [[1, 5]]
    assert star.rows("SELECT FROM pg_namespace WHERE nspname LIKE '%build%'") == []


def test_what_does_not_change_is_not_touched_by_publishing(star: Star) -> None:
    batches = some_batches(star.history)
    loaded(star, batches)
    places = "SELECT ctid, xmin::text FROM {} ORDER BY 1"
    tables = ["fact_sales_order", "dim_date", "dim_staff", "starlift.fact_version", "starlift.ledger"]
    keys = star.rows("SELECT oid FROM pg_constraint ORDER BY 1")
    before = [star.rows(places.format(name)) for name in tables]
    build(star, batches)
    assert publish(star) == ["applied"]
    assert [star.rows(places.format(name)) for name in tables] == before
    assert star.rows("SELECT oid FROM pg_constraint ORDER BY 1") == keys
    assert len(before[0]) == 4


def test_a_reader_whose_snapshot_is_older_still_sees_the_whole_star_that_was(star: Star) -> None:
    loaded(star, some_batches(star.history))
    before = content(star)
    with connected(star.database.owner) as reader:
        reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        reader.run("SELECT pg_current_snapshot()")
        other = History()
        build(star, [other.batch({"dim_design": [design(2)]}), other.batch(), other.batch()])
        assert publish(star)
        seen = {
            name: reader.run(f"SELECT CAST(r AS text) FROM {name} AS r ORDER BY 1")
            for name in ("fact_sales_order", "dim_design", "dim_date", "starlift.ledger")
        }
        reader.run("COMMIT")
    assert all(seen.values())
    assert seen == {name: before[name.removeprefix("starlift.")] for name in seen}
    assert star.rows("SELECT design_id FROM dim_design") == [[2]]


@pytest.mark.parametrize("change", ["rows", "columns"])
def test_a_reader_who_goes_on_from_table_to_table_is_let_through(
    star: Star, tmp_path: Path, change: str
) -> None:
    """PostgreSQL would end his query, or the publishing, as a deadlock."""
    loaded(star, some_batches(star.history))
    star.sql = Path(shutil.copytree(star.sql, tmp_path / "sql"))
    if change == "columns":
        (star.sql / "warehouse/040_more.sql").write_text(
            "-- schema: star\n"
            + "".join(
                f"ALTER TABLE {table} ADD COLUMN more text;\n" for table in TABLES if table != "dim_date"
            )
        )
    build(star, some_batches(History()))
    star.rows(f"UPDATE {BUILD_STAR}.fact_sales_order SET units_sold = units_sold + 1")
    with connected(star.database.analyst) as reader, ThreadPoolExecutor() as pool:
        reader.run("BEGIN")
        reader.run("SELECT count(*) FROM dim_design")
        publishing = pool.submit(publish, star)
        until(lambda: bool(star.rows("SELECT FROM pg_locks WHERE NOT granted")))
        for table in TABLES:
            reader.run(f"SELECT count(*) FROM {table}")
        for view in ("current_fact_sales_order", "history_fact_payment"):
            reader.run(f"SELECT count(*) FROM {view}")
        reader.run("COMMIT")
        assert publishing.result(timeout=30)


def until(seen: Callable[[], bool]) -> None:
    """Wait, not for ever, until something is seen."""
    deadline = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_built_row_that_refers_to_nothing_holds_publishing_by_name(star: Star) -> None:
    loaded(star, some_batches(star.history))
    before = content(star)
    build(star, some_batches(History()))
    star.rows(f"DELETE FROM {BUILD_STAR}.dim_design")
    with pytest.raises(
        HeldError, match=r"row of fact_sales_order refers by \(design_id\) to \(1\) of dim_design"
    ):
        publish(star)
    assert content(star) == before
    assert star.value(f"SELECT count(*) FROM {BUILD_STAR}.fact_sales_order") == 4


def test_a_built_row_that_breaks_a_key_of_the_users_holds_publishing(star: Star) -> None:
    loaded(star, some_batches(star.history))
    star.rows("CREATE TABLE own_table (design_id integer CONSTRAINT mine REFERENCES dim_design)")
    star.rows("INSERT INTO own_table VALUES (1)")
    before = content(star)
    other = History()
    build(star, [other.batch({"dim_design": [design(2)]}), other.batch(), other.batch()])
    with pytest.raises(HeldError, match='"own_table" violates foreign key constraint "mine"'):
        publish(star)
    assert content(star) == before


def test_a_column_that_was_added_by_hand_is_named_and_not_emptied(star: Star) -> None:
    build(star, some_batches(star.history))
    star.rows("ALTER TABLE dim_design ADD COLUMN mine text, ADD COLUMN other text")
    with pytest.raises(ConfigurationError, match=r"table public\.dim_design .*: column mine, other"):
        publish(star)


def test_a_star_that_has_come_further_than_what_was_built_stays(star: Star) -> None:
    batches = some_batches(star.history)
    build(star, batches[:2])
    loaded(star, batches)
    before = content(star)
    assert publish(star) is None
    assert content(star) == before
    build(star, batches[2:])
    assert publish(star)


def test_a_build_target_is_found_again_and_made_anew_when_its_files_are_others(star: Star) -> None:
    batches = some_batches(star.history)
    build(star, batches[:2])
    build(star, batches[2:])
    assert star.value(f"SELECT max(seq) FROM {BUILD}.applied") == 3
    star.rows(f"UPDATE {BUILD}.migration SET sha256 = 'another' WHERE file LIKE '020%'")
    with star.open().build as target:
        target.prepare(MODELS)
        assert target.applied() is None
        target.discard()
        target.discard()
    assert star.rows("SELECT FROM pg_namespace WHERE nspname LIKE '%build%'") == []


@pytest.mark.parametrize("schema", [BUILD, BUILD_STAR])
def test_a_schema_of_the_users_in_the_place_of_the_build_is_left_alone(star: Star, schema: str) -> None:
    star.rows(f"CREATE SCHEMA {schema}")
    star.rows(f"CREATE TABLE {schema}.mine (id integer)")
    with (
        star.open().build as target,
        pytest.raises(ConfigurationError, match=f"schema {schema} .* something else") as refused,
    ):
        target.prepare(MODELS)
    assert refused.value.hint.endswith("starlift run")
    assert star.rows(f"SELECT * FROM {schema}.mine") == []


FACT = model("f", "fact", "k", "t")


@pytest.fixture
def bare(empty_warehouse: WarehouseDatabase, tmp_path: Path) -> Star:
    """A star of one fact, with two rows."""
    bare = Star(empty_warehouse, sql=own_sql(tmp_path, "CREATE TABLE f (id serial PRIMARY KEY, k integer);"))
    bare.migrate([FACT])
    bare.rows("INSERT INTO f (k) VALUES (1), (2)")
    return bare


def test_ddl_that_waits_is_published_with_the_rows_that_it_needs(bare: Star) -> None:
    (bare.sql / "warehouse" / "030_more.sql").write_text(
        "-- schema: star\nCREATE TYPE mood AS ENUM ('sad', 'glad');\nALTER TABLE f ADD w mood NOT NULL, "
        "ADD twice integer GENERATED ALWAYS AS (2 * k) STORED;"
    )
    with pytest.raises(ConfigurationError, match="contains null values"):
        bare.migrate([FACT])
    with bare.open() as warehouse, warehouse.build as target:
        target.prepare([FACT.ref])
        bare.rows(f"INSERT INTO {BUILD_STAR}.f (k, w) VALUES (2, 'glad')")
        assert warehouse.publish([FACT.ref])
    assert bare.rows("SELECT id, k, CAST(w AS text), twice FROM f") == [[1, 2, "glad", 4]]
    assert bare.migrate([FACT]) == ()


def test_ddl_that_waits_and_fails_leaves_the_star_as_it_was(bare: Star) -> None:
    with bare.open() as warehouse, warehouse.build as target:
        target.prepare([FACT.ref])
        bare.rows("CREATE VIEW mine AS SELECT k FROM current_f")
        (bare.sql / "warehouse" / "030_more.sql").write_text("-- schema: star\nALTER TABLE f DROP k;")
        with pytest.raises(ConfigurationError, match="mine"):
            warehouse.publish([FACT.ref])
    assert bare.rows("SELECT k FROM f ORDER BY 1") == [[1], [2]]


def test_a_table_that_no_model_makes_any_more_is_emptied(star: Star) -> None:
    loaded(star, [star.history.batch({"dim_design": [design(1)]})])
    other = History()
    build(star, [other.batch()])
    with star.open() as warehouse:
        assert warehouse.publish([m for m in MODELS if m.name != "dim_design"], ["dim_design", "dim_none"])
    assert star.rows("SELECT FROM dim_design") == []


LISTED = """
CREATE TABLE kind (code integer PRIMARY KEY, name text);
INSERT INTO kind VALUES (1, 'from the file');
CREATE TABLE f (id serial PRIMARY KEY, k integer, code integer REFERENCES kind, v text);
CREATE INDEX by_code ON f (code);
CREATE INDEX by_text ON f (v);
"""


@pytest.mark.parametrize("beside", ["build", "replica"])
def test_a_star_made_beside_the_live_one_refuses_the_rows_that_the_live_one_does(
    empty_warehouse: WarehouseDatabase, tmp_path: Path, beside: str
) -> None:
    listed = Star(empty_warehouse, sql=own_sql(tmp_path, LISTED))
    listed.migrate([FACT])
    listed.rows("UPDATE kind SET name = 'by hand'; ")
    listed.rows("INSERT INTO kind VALUES (2, 'by hand')")
    rows = pa.table(
        {
            "k": pa.array([1, 2, 3, 4], pa.int32()),
            "code": pa.array([1, 2, 3, 1], pa.int32()),
            "v": ["a", "b", "c", NOISE],
            "_key": ["(1)", "(2)", "(3)", "(4)"],
        }
    )
    batch = listed.history.batch({"f": rows}, models=(FACT.ref,))
    assert listed.apply(batch).rejected == {"t": 2}
    with listed.open() as warehouse:
        other = warehouse.build if beside == "build" else warehouse.replica("other")
        with other:
            (other.prepare if beside == "build" else other.begin)([FACT.ref])
            assert other.apply(batch).rejected == {"t": 2}
    star, ledger = (BUILD_STAR, BUILD) if beside == "build" else ("other", "other_starlift")
    for live, made in (
        ("f", f"{star}.f"), ("kind", f"{star}.kind"), ("starlift.quarantine", f"{ledger}.quarantine"),
    ):  # fmt: skip
        assert listed.rows(f"TABLE {live} ORDER BY 1, 2") == listed.rows(f"TABLE {made} ORDER BY 1, 2")


def test_what_another_run_has_built_in_its_place_is_not_published(star: Star) -> None:
    batch = star.history.batch({"dim_design": [design(1)]})
    build(star, [batch])
    with star.open() as warehouse:
        with pytest.raises(LostRace, match="another run has made the star anew"):
            warehouse.publish(MODELS, last="0" * 64)
        assert warehouse.applied() is None
        assert warehouse.publish(MODELS, last=batch.manifest_sha256)


def test_of_runs_that_begin_to_build_at_once_each_finds_the_target_made(star: Star) -> None:
    def prepare(_: int) -> None:
        with star.open().build as target:
            target.prepare(MODELS)

    with ThreadPoolExecutor(3) as runs:
        list(runs.map(prepare, range(3)))
    assert star.value("SELECT count(*) FROM starlift_build.applied") == 0

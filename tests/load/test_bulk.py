"""A big batch is loaded without indexes and keys, and nobody can tell afterwards."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from starlift.adapters.postgres.bulk import MANY_ROWS, MANY_TO_KNOW
from starlift.core.identity import bucket
from starlift.errors import HeldError
from tests.load.batches import entries, sale, table
from tests.load.conftest import Star

SHAPE = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
WHERE conrelid::regclass::text IN ('fact_sales_order', 'starlift.fact_version', 'starlift.ledger')
UNION ALL
SELECT tablename, indexname, indexdef, true FROM pg_indexes WHERE schemaname IN ('public', 'starlift')
ORDER BY 1, 2, 3
"""


def many_sales(count: int, first: int = 1) -> pa.Table:
    """Sales that differ in their key alone."""
    one = table("fact_sales_order", [sale(first)])
    ids = pa.array(range(first, first + count), pa.int32())
    columns = {name: pa.repeat(one[name][0], count) for name in one.column_names}
    columns["sales_order_id"] = ids
    columns["_key"] = pa.array([f"({number})" for number in range(first, first + count)])
    return pa.table(columns, schema=one.schema)


def test_a_first_load_of_many_rows_leaves_every_key_and_index_as_it_was(star: Star) -> None:
    before = star.rows(SHAPE)
    loaded = star.load({"fact_sales_order": many_sales(MANY_ROWS)})
    assert loaded.star["fact_sales_order"].inserted == MANY_ROWS
    assert loaded.inferred == 5
    assert star.rows(SHAPE) == before
    assert star.rows("SELECT min(sales_record_id), max(sales_record_id) FROM fact_sales_order") == [
        [1, MANY_ROWS]
    ]
    assert star.value("SELECT count(*) FROM starlift.ledger WHERE source_table = 'sales_order'") == MANY_ROWS
    changed = many_sales(10).set_column(7, "units_sold", pa.array(range(10), pa.int32()))
    again = star.load({"fact_sales_order": changed})
    assert again.star["fact_sales_order"].versions == 10


def test_a_big_batch_that_breaks_a_key_is_refused_as_a_small_one_is(star: Star) -> None:
    rows = many_sales(MANY_ROWS)
    twice = pa.concat_tables([rows, rows.slice(0, 1)])
    with pytest.raises(HeldError, match="batch 1 is refused"):
        star.load({"fact_sales_order": twice})
    assert star.value("SELECT count(*) FROM fact_sales_order") == 0


def test_a_key_that_a_view_of_the_users_builds_on_stays(star: Star) -> None:
    star.rows(
        "CREATE VIEW mine AS "
        "SELECT sales_record_id, units_sold FROM fact_sales_order GROUP BY sales_record_id"
    )
    before = star.rows(SHAPE)
    assert star.load({"fact_sales_order": many_sales(MANY_ROWS)}).inferred == 5
    assert star.rows(SHAPE) == before
    assert star.value("SELECT count(*) FROM mine") == MANY_ROWS


def test_the_planner_knows_a_table_of_which_many_rows_came_after_those_of_others(star: Star) -> None:
    """The trap: the statistics lack it, its rows are taken for one, and the next chunk takes hours."""
    star.load({"fact_sales_order": many_sales(MANY_TO_KNOW)})
    # as if it had been another fact
    star.rows("UPDATE starlift.fact_version SET fact = 'fact_other'")
    star.rows("TRUNCATE fact_sales_order")
    star.rows("UPDATE starlift.ledger SET source_table = 'other' WHERE source_table = 'sales_order'")
    star.rows("ANALYZE")
    star.load({"fact_sales_order": many_sales(MANY_TO_KNOW, first=10**6)})
    known = star.rows(
        "SELECT tablename, CAST(CAST(most_common_vals AS text) AS text[]) FROM pg_stats "
        "WHERE schemaname = 'starlift' AND (tablename, attname) IN "
        "(('ledger', 'source_table'), ('fact_version', 'fact')) ORDER BY tablename"
    )
    assert ["fact_sales_order" in known[0][1], "sales_order" in known[1][1]] == [True, True]


def test_the_bucket_of_a_key_is_the_same_in_sql_and_in_python(star: Star) -> None:
    keys = [f"({number})" for number in range(500)] + ['("a b","say ""x""")', "(é😀)", "()", '("\\\\")']
    rows = star.rows("SELECT key, starlift.bucket(key) FROM unnest(CAST(:keys AS text[])) AS key", keys=keys)
    assert dict(rows) == {key: bucket(key) for key in keys}
    star.load(ledger={"sales_order": entries({"(7)": "quarantined"})}, quarantine=[
        {"table": "sales_order", "key": "(7)", "reason": "unreadable", "row": {}}])  # fmt: skip
    assert star.value("SELECT bucket FROM starlift.ledger") == bucket("(7)")


def test_the_ledger_is_written_only_where_it_differs(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1), sale(2)]})
    same = {"sales_order": entries({"(1)": "live"}, "1"), "design": entries({"(5)": "deleted"})}
    star.load(ledger=same)
    rows = star.rows("SELECT key, seq FROM starlift.ledger WHERE source_table = 'sales_order' ORDER BY 1")
    assert rows == [["(1)", 1], ["(2)", 1]]


@pytest.mark.parametrize("part", ["state", "hash", "fingerprint"])
def test_a_difference_in_any_part_moves_the_ledger(star: Star, part: str) -> None:
    ledger = {"design": entries({"(1)": "deleted"}, "same")}
    star.load(ledger=ledger)
    if part == "state":
        ledger = {"design": entries({"(1)": "inferred"}, "same")}
    elif part == "hash":
        ledger = {"design": entries({"(1)": "deleted"}, "other")}
    batch = star.history.batch(ledger=ledger)
    if part == "fingerprint":
        manifest = replace(batch.manifest, fingerprints={"design": "another"})
        batch = replace(batch, manifest=manifest)
    star.apply(batch)
    assert star.value("SELECT seq FROM starlift.ledger") == 2

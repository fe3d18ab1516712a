"""Columns that a batch adds: a version is filled in place where nothing else of its row has changed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from starlift.core.manifest import ModelRef
from starlift.ports import StarCounts
from tests.load.batches import entries
from tests.load.conftest import Star, model, own_sql

DDL = """
CREATE DOMAIN positive AS numeric(6,2) CHECK (VALUE > 0);
CREATE TABLE f (id serial PRIMARY KEY, k integer NOT NULL, price positive NOT NULL, tag uuid, size varchar(3),
                doc json, later text NOT NULL DEFAULT '?');
"""
TAG = "00000000-0000-4000-8000-00000000000"
Values = tuple[int, str, str | None, str | None]
ONE: Values = (1, "1.50", f"{TAG}1", "abc")
TWO: Values = (2, "20.00", None, None)


@pytest.fixture
def fact(star: Star, tmp_path: Path) -> tuple[Star, tuple[ModelRef, ...]]:
    """A star with one fact, whose columns are of kinds that are hard to compare."""
    star.sql = own_sql(tmp_path, DDL)
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    made = model("f", "fact", "k", "t")
    star.migrate([made])
    return star, (made.ref,)


def rows(*values: Values, later: str | None = None) -> pa.Table:
    """Rows of the fact, with the later column if it is given."""
    keys, prices, tags, sizes = zip(*values, strict=True)
    table = pa.table(
        {
            "k": pa.array(keys, pa.int32()),
            "price": pa.array(prices, pa.string()).cast(pa.decimal128(6, 2)),
            "tag": pa.array(tags, pa.string()),
            "size": pa.array(sizes, pa.string()),
            "doc": pa.array(["[1]"] * len(keys), pa.string()),
        }
    )
    if later is not None:
        table = table.append_column("later", pa.array([later] * len(keys), pa.string()))
    return table.append_column("_key", pa.array([f"({key})" for key in keys]))


def versions(star: Star) -> list[list[object]]:
    return star.rows("SELECT k, price::text, later, op FROM mine.history_f ORDER BY k, seq")


def test_what_differs_by_the_columns_alone_is_filled_and_what_else_changed_is_a_version(
    fact: tuple[Star, tuple[ModelRef, ...]],
) -> None:
    star, models = fact
    star.load({"f": rows(ONE, TWO)}, models=models)
    changed = (2, "21.00", None, None)
    batch = {"f": rows(ONE, changed, later="new")}
    loaded = star.load(batch, models=models, filled={"f": rows(ONE, changed)})
    assert loaded.star["f"] == StarCounts(updated=1, versions=1)
    assert versions(star) == [
        [1, "1.50", "new", "insert"], [2, "20.00", "?", "insert"], [2, "21.00", "new", "update"],
    ]  # fmt: skip


def test_a_version_that_has_the_column_as_it_comes_is_unchanged(
    fact: tuple[Star, tuple[ModelRef, ...]],
) -> None:
    star, models = fact
    star.load({"f": rows(ONE, TWO)}, models=models)
    loaded = star.load({"f": rows(ONE, TWO, later="?")}, models=models, filled={"f": rows(ONE, TWO)})
    assert loaded.star["f"] == StarCounts(unchanged=2)


def test_a_row_of_which_it_is_not_said_what_it_would_be_is_an_ordinary_version(
    fact: tuple[Star, tuple[ModelRef, ...]],
) -> None:
    star, models = fact
    star.load({"f": rows(ONE, TWO)}, models=models)
    loaded = star.load({"f": rows(ONE, TWO, later="new")}, models=models, filled={"f": rows(ONE)})
    assert loaded.star["f"] == StarCounts(updated=1, versions=1)


def test_a_row_that_was_deleted_comes_back_as_an_insert(fact: tuple[Star, tuple[ModelRef, ...]]) -> None:
    star, models = fact
    star.load({"f": rows(ONE, TWO)}, models=models)
    star.load(ledger={"t": entries({"(1)": "deleted"})}, models=models)
    loaded = star.load({"f": rows(ONE, TWO, later="new")}, models=models, filled={"f": rows(ONE, TWO)})
    assert loaded.star["f"] == StarCounts(updated=1, versions=1)
    assert [version[2:] for version in versions(star)][:3] == [
        ["?", "insert"], ["?", "delete"], ["new", "insert"],
    ]  # fmt: skip


@pytest.mark.parametrize("broken", [(3, "-1.00", None, None), (3, "1.00", "no uuid", None),
                                    (3, "1.00", None, "abcd")])  # fmt: skip
def test_a_row_that_the_star_refuses_is_quarantined_and_the_others_filled(
    fact: tuple[Star, tuple[ModelRef, ...]], broken: Values
) -> None:
    star, models = fact
    star.load({"f": rows(ONE, TWO)}, models=models)
    batch = {"f": rows(ONE, TWO, broken, later="new")}
    loaded = star.load(batch, models=models, filled={"f": rows(ONE, TWO, broken)})
    assert (loaded.star["f"], loaded.quarantined) == (StarCounts(updated=2), 1)


def test_where_the_star_cannot_read_a_row_without_the_columns_all_are_ordinary_versions(
    fact: tuple[Star, tuple[ModelRef, ...]],
) -> None:
    star, models = fact
    star.load({"f": rows(ONE, TWO)}, models=models)
    before = {"f": rows(ONE, (2, "20.00", "no uuid", None))}
    loaded = star.load({"f": rows(ONE, TWO, later="new")}, models=models, filled=before)
    assert loaded.star["f"] == StarCounts(versions=2)


def test_many_rows_are_filled(fact: tuple[Star, tuple[ModelRef, ...]]) -> None:
    star, models = fact
    many = [(key, "1.00", None, None) for key in range(6000)]
    star.load({"f": rows(*many)}, models=models)
    loaded = star.load({"f": rows(*many, later="new")}, models=models, filled={"f": rows(*many)})
    assert loaded.star["f"] == StarCounts(updated=6000)

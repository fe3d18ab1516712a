"""Dimensions hold the latest version; who is referred to before arriving is inferred, and later healed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from starlift.core.identity import key_text
from starlift.ports import StarCounts
from tests.load.batches import currency, design, entries, sale, staff
from tests.load.conftest import Star, model, own_sql

INFERRED = "SELECT source_table, key FROM starlift.ledger WHERE state = 'inferred' ORDER BY source_table, key"


def test_a_dimension_row_is_inserted_then_updated_where_it_differs(star: Star) -> None:
    star.load({"dim_design": [design(2), design(1)]})
    loaded = star.load({"dim_design": [design(1), design(2, design_name="Bronze"), design(3)]})
    assert loaded.star == {"dim_design": StarCounts(inserted=1, updated=1, unchanged=1)}
    assert star.rows("SELECT design_id, design_name FROM dim_design ORDER BY 1") == [
        [1, "Wooden"], [2, "Bronze"], [3, "Wooden"],
    ]  # fmt: skip


def test_null_and_empty_text_are_different_in_a_dimension(star: Star) -> None:
    star.load({"dim_staff": [staff(1, location=None)]})
    assert star.load({"dim_staff": [staff(1, location=None)]}).star["dim_staff"].unchanged == 1
    assert star.load({"dim_staff": [staff(1, location="")]}).star["dim_staff"].updated == 1
    assert star.value("SELECT location FROM dim_staff") == ""


def test_a_fact_that_arrives_before_its_dimensions_finds_inferred_members(star: Star) -> None:
    loaded = star.load({"fact_sales_order": [sale(1, sales_staff_id=7), sale(2, sales_staff_id=7)]})
    assert loaded.inferred == 5
    assert star.rows("SELECT * FROM dim_staff") == [
        [7, "(not loaded)", "(not loaded)", "(not loaded)", None, "(not loaded)"]
    ]
    assert star.rows(INFERRED) == [
        ["address", "(1)"], ["counterparty", "(1)"], ["currency", "(1)"], ["design", "(1)"], ["staff", "(7)"],
    ]  # fmt: skip


def test_an_inferred_member_is_overwritten_when_its_row_arrives(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1, sales_staff_id=7)]})
    loaded = star.load({"dim_staff": [staff(7)]})
    assert loaded.star["dim_staff"] == StarCounts(updated=1)
    assert star.rows("SELECT first_name, location FROM dim_staff") == [["Jeremie", "Manchester"]]
    entry = "SELECT state, source_hash IS NULL, seq FROM starlift.ledger WHERE source_table = 'staff'"
    assert star.rows(entry) == [["live", False, 2]]
    assert ["staff", "(7)"] not in star.rows(INFERRED)


def test_an_inferred_member_is_inferred_once(star: Star) -> None:
    star.load({"fact_sales_order": [sale(1)]})
    assert star.load({"fact_sales_order": [sale(2)]}).inferred == 0


def test_a_member_that_comes_in_the_same_batch_is_not_inferred(star: Star) -> None:
    loaded = star.load({"fact_sales_order": [sale(1, sales_staff_id=7)], "dim_staff": [staff(7)]})
    assert loaded.star["dim_staff"] == StarCounts(inserted=1)
    assert ["staff", "(7)"] not in star.rows(INFERRED)


def test_a_quarantined_member_is_inferred_but_stays_quarantined_in_the_ledger(star: Star) -> None:
    held = {"table": "staff", "key": "(7)", "reason": "unreadable", "row": {"staff_id": "7"}}
    star.load(ledger={"staff": entries({"(7)": "quarantined"})}, quarantine=[held])
    star.load({"fact_sales_order": [sale(1, sales_staff_id=7)]})
    assert star.value("SELECT first_name FROM dim_staff WHERE staff_id = 7") == "(not loaded)"
    assert star.value("SELECT state FROM starlift.ledger WHERE source_table = 'staff'") == "quarantined"


def test_a_member_quarantined_in_the_same_batch_is_inferred_and_stays_quarantined(star: Star) -> None:
    loaded = star.load(
        {"fact_sales_order": [sale(1, sales_staff_id=7)], "dim_staff": [staff(7, first_name=None)]}
    )
    assert (loaded.quarantined, loaded.inferred) == (1, 5)
    assert star.value("SELECT first_name FROM dim_staff") == "(not loaded)"
    assert star.value("SELECT state FROM starlift.ledger WHERE source_table = 'staff'") == "quarantined"


def test_a_deleted_dimension_row_stays_and_the_ledger_marks_it(star: Star) -> None:
    star.load({"dim_currency": [currency(1)]})
    loaded = star.load(ledger={"currency": entries({"(1)": "deleted"})})
    assert loaded.star["dim_currency"] == StarCounts(tombstones=1)
    assert star.value("SELECT count(*) FROM dim_currency") == 1
    assert star.value("SELECT state FROM starlift.ledger WHERE source_table = 'currency'") == "deleted"


@pytest.fixture
def company(star: Star, tmp_path: Path) -> Star:
    """A star whose dimensions refer to each other: people to their team and boss, teams to a city."""
    ddl = """
        CREATE TABLE dim_city (country varchar(2), city text, mayor varchar(5) NOT NULL, people integer,
                               PRIMARY KEY (country, city));
        CREATE TABLE dim_team (team_id integer PRIMARY KEY, name text NOT NULL, country varchar(2), city text,
                               FOREIGN KEY (city, country) REFERENCES dim_city (city, country));
        CREATE TABLE dim_person (person_id integer PRIMARY KEY, team_id integer REFERENCES dim_team,
                                 boss_id integer REFERENCES dim_person);
        CREATE TABLE dim_flag (flag_id integer PRIMARY KEY);
        CREATE TABLE dim_rate (rate numeric PRIMARY KEY);
        CREATE TABLE dim_price (price_id bytea PRIMARY KEY, rate numeric REFERENCES dim_rate,
                                instead bytea REFERENCES dim_price);
    """.replace("PRIMARY KEY (country, city))", "PRIMARY KEY (country, city), UNIQUE (city, country))")
    star.sql = own_sql(tmp_path, ddl)
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    star.migrate(COMPANY)
    return star


COMPANY = (
    model("dim_city", "dimension", "country, city", "city"),
    model("dim_team", "dimension", "team_id", "team"),
    model("dim_person", "dimension", "person_id", "person"),
    model("dim_flag", "dimension", "flag_id", "flag"),
    model("dim_rate", "dimension", "rate", "rate"),
    model("dim_price", "dimension", "price_id", "price"),
)
REFS = tuple(found.ref for found in COMPANY)


def people(*rows: tuple[int, int | None, int | None]) -> pa.Table:
    """Rows of dim_person: person, team, boss."""
    person, team, boss = (pa.array(values, pa.int32()) for values in zip(*rows, strict=True))
    keys = pa.array([f"({row[0]})" for row in rows])
    return pa.table({"person_id": person, "team_id": team, "boss_id": boss, "_key": keys})


def test_dimensions_that_refer_to_dimensions_are_loaded_parents_first(company: Star) -> None:
    teams = pa.table({"team_id": pa.array([1], pa.int32()), "name": ["A"], "country": ["GB"],
                      "city": ["Leeds, UK"], "_key": ["(1)"]})  # fmt: skip
    loaded = company.load({"dim_person": people((1, 1, None), (2, 9, 1), (3, None, 8)), "dim_team": teams},
                          models=REFS)  # fmt: skip
    assert loaded.star == {"dim_team": StarCounts(inserted=1), "dim_person": StarCounts(inserted=3)}
    assert loaded.inferred == 3
    assert company.rows("SELECT * FROM mine.dim_city") == [["GB", "Leeds, UK", "(not ", None]]
    assert company.rows("SELECT * FROM mine.dim_team ORDER BY 1") == [
        [1, "A", "GB", "Leeds, UK"], [9, "(not loaded)", None, None],
    ]  # fmt: skip
    assert company.rows("SELECT person_id FROM mine.dim_person ORDER BY 1") == [[1], [2], [3], [8]]
    inferred = "SELECT source_table, key FROM mine_starlift.ledger WHERE state = 'inferred' ORDER BY 1"
    assert company.rows(inferred) == [["city", '(GB,"Leeds, UK")'], ["person", "(8)"], ["team", "(9)"]]


def test_a_dimension_of_nothing_but_its_key_is_loaded_once(company: Star) -> None:
    flags = pa.table({"flag_id": pa.array([1], pa.int32()), "_key": ["(1)"]})
    assert company.load({"dim_flag": flags}, models=REFS).star["dim_flag"] == StarCounts(inserted=1)
    assert company.load({"dim_flag": flags}, models=REFS).star["dim_flag"] == StarCounts(unchanged=1)


def rates(*texts: str) -> pa.Table:
    """Rows of dim_rate."""
    return pa.table({"rate": list(texts), "_key": [f"({text})" for text in texts]})


def prices(*rows: tuple[str, str | None, str | None]) -> pa.Table:
    """Rows of dim_price: key, rate, another price instead."""
    names = ("price_id", "rate", "instead", "_key")
    columns = zip(*((*row, key_text([row[0]])) for row in rows), strict=True)
    return pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
    )


def test_a_key_written_otherwise_stays_what_others_refer_to(company: Star) -> None:
    """1.0 and 1.00 are one number: to the unique key, and to the foreign keys."""
    company.load({"dim_rate": rates("1.0"), "dim_price": prices(("\\x01", "1.0", None))}, models=REFS)
    loaded = company.load({"dim_rate": rates("1.00")}, models=REFS)
    assert loaded.star["dim_rate"] == StarCounts(updated=1)
    assert company.rows("SELECT rate::text FROM mine.dim_rate") == [["1.00"]]


def test_keys_of_an_extensions_type_are_compared_as_the_extension_does(star: Star, tmp_path: Path) -> None:
    """Also where its schema is not the star's: else citext would be compared as text."""
    star.sql = own_sql(
        tmp_path,
        "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;"
        "CREATE TABLE dim_word (word public.citext PRIMARY KEY);"
        "CREATE TABLE dim_use (use_id integer PRIMARY KEY, word public.citext REFERENCES dim_word);",
    )
    star.pipeline, star.config = "mine_starlift", star.in_schema("mine")
    made = (model("dim_word", "dimension", "word", "word"), model("dim_use", "dimension", "use_id", "use"))
    star.migrate(made)
    uses = pa.table({"use_id": pa.array([1], pa.int32()), "word": ["WORD"], "_key": ["(1)"]})
    refs = tuple(found.ref for found in made)
    for word in ("word", "Word"):
        words = pa.table({"word": [word], "_key": [f"({word})"]})
        loaded = star.load({"dim_word": words, "dim_use": uses}, models=refs)
        assert (loaded.inferred, loaded.quarantined) == (0, 0)
        assert star.rows("SELECT CAST(word AS text) FROM mine.dim_word") == [[word]]


def test_a_member_whose_key_no_index_holds_is_inferred_under_its_key_text(company: Star) -> None:
    missing = "\\x" + hashlib.shake_256().hexdigest(2600)
    loaded = company.load({"dim_price": prices(("\\x01", None, missing))}, models=REFS)
    assert loaded.inferred == 1
    inferred = "SELECT key FROM mine_starlift.ledger WHERE state = 'inferred'"
    assert company.value(inferred) == key_text([missing])
    company.load({"dim_price": prices((missing, None, None))}, models=REFS)
    assert company.rows(inferred) == []

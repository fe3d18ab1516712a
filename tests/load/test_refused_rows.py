"""Whatever the star's DDL may have against a row: that row is quarantined by name, and the others load."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from starlift.adapters.postgres import trial
from starlift.core.models import Model
from starlift.errors import HeldError
from starlift.ports import StarCounts
from tests.load.conftest import Star, emptied, model, own_sql
from tests.postgres import WarehouseDatabase

TYPES = """
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN surely AS integer NOT NULL;
CREATE DOMAIN tiny AS varchar(3) CHECK (VALUE <> 'bad');
CREATE DOMAIN digit AS positive CHECK (VALUE < 10);
CREATE TYPE mood AS ENUM ('sad', 'it''s so');
CREATE TABLE kind (code integer PRIMARY KEY);
INSERT INTO kind VALUES (1);
"""
INT, TEXT = pa.int32(), pa.string()
NOISE = hashlib.shake_256().hexdigest(2000)


@dataclass(frozen=True)
class Refusal:
    """A column of the star, a value that it takes, one that it refuses, and what the reason says."""

    column: str
    type: pa.DataType
    good: Any
    bad: Any
    reason: str


REFUSED = {
    "a domain's check": Refusal("v positive", INT, 1, -1, 'violates check constraint "positive_check"'),
    "a domain over a domain": Refusal("v digit", INT, 9, 10, 'violates check constraint "digit_check"'),
    "a domain that is not null": Refusal("v surely", INT, 1, None, "{}.v is NULL, which the star does not"),
    "a domain with a length": Refusal(
        "v tiny", TEXT, "abc", "abcd", "{}.v is longer than 3 characters: abcd"
    ),
    "an array of a domain": Refusal("v positive[]", TEXT, "{1}", "{-1}", "{}.v: value for domain positive"),
    "a check": Refusal(
        "v integer CONSTRAINT c CHECK (v > 0)", INT, 1, 0, '"{}" violates check constraint "c"'
    ),
    "a check over two": Refusal(
        "v integer, CONSTRAINT low CHECK (v < id * 9)", INT, 1, 99, 'constraint "low"'
    ),
    "not null": Refusal("v integer NOT NULL", INT, 1, None, "{}.v is NULL, which the star does not take"),
    "no interval": Refusal(
        "v interval", TEXT, "1 day", "a while", "{}.v: invalid input syntax for type inter"
    ),
    "no JSON": Refusal("v jsonb", TEXT, "[]", "[", "{}.v: invalid input syntax for type json"),
    "no label of the enum": Refusal(
        "v mood", TEXT, "it's so", "glad", "{}.v: invalid input value for enum moo"
    ),
    "a generated column": Refusal(
        "v int, w int GENERATED ALWAYS AS (1 / v) STORED", INT, 1, 0, "{}: division"
    ),
    "a large number": Refusal(
        "v numeric(39,2)", TEXT, "1", "1e37", "{}.v is numeric(39,2), which would alter 1"
    ),
    "an infinite number": Refusal("v numeric(39,2)", TEXT, "NaN", "Infinity", "Infinity"),
    "large numbers": Refusal("v numeric(5,1)[]", TEXT, "{1.5,NaN}", "{99999}", "which would alter {99999}"),
    "long for an index": Refusal("v text", TEXT, "a", NOISE, "{}: index row size"),
    "not in a list kept by hand": Refusal(
        "v integer REFERENCES kind", INT, 1, 7, "{} refers to kind, which has"
    ),
}

KINDS = ("dimension", "fact")
TABLES = [
    (case, kind)
    for case, refusal in REFUSED.items()
    for kind in KINDS
    # of a dimension only key and text may be NOT NULL
    if kind == "fact" or refusal.bad is not None
]


def made(place: int) -> Model:
    """The model of a case: of a source table of its own."""
    return model(f"t{place}", TABLES[place][1], "id", f"source{place}")


def ddl(place: int) -> str:
    """The star table of a case, with an index that is built on what it holds."""
    case, kind = TABLES[place]
    key = "id integer PRIMARY KEY" if kind == "dimension" else "n serial PRIMARY KEY, id integer"
    return f"CREATE TABLE t{place} ({key}, {REFUSED[case].column}); CREATE INDEX ON t{place} (v);\n"


@dataclass(frozen=True)
class Outcome:
    """What became of a case's three rows, of which the second is refused. again: when loaded once more."""

    first: StarCounts
    again: StarCounts
    ids: list[int]
    quarantined: list[tuple[str, str]]


@pytest.fixture(scope="module")
def outcomes(
    one_warehouse: WarehouseDatabase, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Outcome]:
    """All cases in one batch, loaded twice."""
    places = range(len(TABLES))
    sql = own_sql(tmp_path_factory.mktemp("sql"), TYPES + "".join(map(ddl, places)))
    star = Star(emptied(one_warehouse), sql=sql)
    star.migrate([made(place) for place in places])
    batch = {}
    for place, (case, _) in enumerate(TABLES):
        refusal = REFUSED[case]
        values = pa.array([refusal.good, refusal.bad, refusal.good], refusal.type)
        batch[f"t{place}"] = pa.table(
            {"id": pa.array([1, 2, 3], INT), "v": values, "_key": ["(1)", "(2)", "(3)"]}
        )
    refs = tuple(made(place).ref for place in places)
    first, again = (star.load(batch, models=refs).star for _ in range(2))
    held = star.rows("SELECT source_table, key, reason FROM starlift.quarantine")
    return {
        pair: Outcome(
            first[f"t{place}"],
            again[f"t{place}"],
            [number for (number,) in star.rows(f"SELECT id FROM t{place} ORDER BY 1")],
            [(key, reason) for table, key, reason in held if table == f"source{place}"],
        )
        for place, pair in enumerate(TABLES)
    }


@pytest.mark.parametrize("pair", TABLES, ids=" ".join)
def test_a_row_that_the_star_refuses_is_quarantined_by_name_and_the_others_load(
    outcomes: dict[tuple[str, str], Outcome], pair: tuple[str, str]
) -> None:
    outcome = outcomes[pair]
    assert (outcome.first.inserted, outcome.again, outcome.ids) == (2, StarCounts(unchanged=2), [1, 3])
    [(key, reason)] = outcome.quarantined
    assert key == "(2)"
    assert REFUSED[pair[0]].reason.replace("{}", f"t{TABLES.index(pair)}") in reason


COMPANY = (model("dim_p", "dimension", "p", "parent"), model("f", "fact", "k", "t"))
REFS = tuple(found.ref for found in COMPANY)


@pytest.fixture
def company(empty_warehouse: WarehouseDatabase, tmp_path: Path) -> Star:
    """A fact that refers to a dimension, whose key is a positive number."""
    tables = (
        f"{TYPES} CREATE TABLE dim_p (p positive PRIMARY KEY, name text NOT NULL);"
        "CREATE TABLE f (n serial PRIMARY KEY, k integer, p integer REFERENCES dim_p, "
        "v integer CHECK (v > 0));"
    )
    star = Star(empty_warehouse, sql=own_sql(tmp_path, tables))
    star.migrate(COMPANY)
    return star


def parents(*keys: int) -> pa.Table:
    """Rows of dim_p."""
    names = [f"parent {key}" for key in keys]
    return pa.table({"p": pa.array(keys, INT), "name": names, "_key": [f"({key})" for key in keys]})


def children(*rows: tuple[int, int | None, int]) -> pa.Table:
    """Rows of f: key, parent, value."""
    k, p, v = (pa.array(column, INT) for column in zip(*rows, strict=True))
    return pa.table({"k": k, "p": p, "v": v, "_key": [f"({row[0]})" for row in rows]})


def test_a_row_is_refused_where_none_can_stand_in_for_what_it_refers_to(company: Star) -> None:
    rows = children((1, -1, 1), (2, 5, 1), (3, None, 1), (4, -1, 1), (5, 6, 1))
    loaded = company.load({"f": rows, "dim_p": parents(-1, 5)}, models=REFS)
    assert loaded.rejected == {"parent": 1, "t": 2}
    assert loaded.inferred == 1
    assert company.rows("SELECT k, p FROM f ORDER BY 1") == [[2, 5], [3, None], [5, 6]]
    assert company.value("SELECT reason FROM starlift.quarantine WHERE key = '(4)'") == (
        "f refers to a row of dim_p that is not loaded, and none can stand in for it: "
        'value for domain positive violates check constraint "positive_check"'
    )


def test_a_refused_row_keeps_its_version_and_a_later_good_one_clears_it(company: Star) -> None:
    for value in (1, 0, 2):
        company.load({"f": children((1, None, value))}, models=REFS)
        held = company.value("SELECT count(*) FROM starlift.quarantine")
        assert held == (value == 0)
    assert company.rows("SELECT v FROM current_f") == [[2]]


def test_rows_that_the_star_s_key_takes_for_one_do_not_overwrite_each_other(
    empty_warehouse: WarehouseDatabase, tmp_path: Path
) -> None:
    star = Star(empty_warehouse, sql=own_sql(tmp_path, "CREATE TABLE d (k numeric PRIMARY KEY)"))
    found = model("d", "dimension", "k", "t")
    star.migrate([found])
    rows = pa.table({"k": ["1.0", "1.00", "2"], "_key": ["(1.0)", "(1.00)", "(2)"]})
    loaded = star.load({"d": rows}, models=(found.ref,))
    assert (loaded.rejected, loaded.star["d"].inserted) == ({"t": 1}, 2)
    assert "duplicate key value" in star.value("SELECT reason FROM starlift.quarantine")


def test_too_many_refused_rows_are_a_wrong_star_and_hold_the_batch(
    company: Star, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "MOST_REFUSED", 2)
    company.load({"f": children((1, None, 0), (2, None, 0), (3, None, 1))}, models=REFS)
    with pytest.raises(HeldError, match=r'star table f refuses more than 2 rows .* constraint "f_v_check"'):
        company.load({"f": children(*((key, None, 0) for key in range(9)))}, models=REFS)
    assert company.value("SELECT max(seq) FROM starlift.applied") == 1


def test_what_no_single_row_is_to_blame_for_holds_the_batch(company: Star) -> None:
    company.rows(
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not on my watch'; END $$;"
        "CREATE TRIGGER never BEFORE INSERT ON f EXECUTE FUNCTION never()"
    )
    with pytest.raises(HeldError, match=r"batch 1 is refused by the warehouse.*not on my watch"):
        company.load({"f": children((1, None, 1))}, models=REFS)
    assert company.value("SELECT count(*) FROM starlift.applied") == 0

"""`starlift migrate`: each file once, all or nothing, and a star on which the load can keep its promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from starlift.adapters.postgres.migrate import read_steps
from starlift.errors import ConfigurationError, UnavailableError
from tests.load.batches import design, sale
from tests.load.conftest import Star, model, own_sql
from tests.postgres import SQL, WarehouseDatabase, connected

FACT = model("f", "fact", "k", "t")
DIMENSION = model("d", "dimension", "id", "t")
FACT_DDL = "CREATE TABLE f (id serial PRIMARY KEY, k integer, v text);"


@pytest.fixture
def bare(empty_warehouse: WarehouseDatabase, tmp_path: Path) -> Star:
    """A warehouse without a star, and a folder of one's own."""
    return Star(empty_warehouse, sql=own_sql(tmp_path, FACT_DDL))


def add(star: Star, file: str, text: str) -> None:
    """Put a file into sql/warehouse."""
    (star.sql / "warehouse" / file).write_text(text)


def columns(star: Star, table: str) -> list[Any]:
    """The columns of a table or view of the star."""
    return star.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND table_name = :table ORDER BY ordinal_position",
        table=table,
    )


def test_a_second_migration_changes_nothing(bare: Star) -> None:
    assert bare.migrate([FACT]) == (
        "010_pipeline.sql", "020_star.sql", "view current_f", "view history_f",
    )  # fmt: skip
    catalogue = "SELECT oid, xmin::text, relname FROM pg_class ORDER BY 1"
    before = bare.rows(catalogue)
    assert bare.migrate([FACT]) == ()
    assert bare.rows(catalogue) == before


def test_totesys_is_migrated_once(star: Star) -> None:
    assert star.migrate() == ()


def test_a_new_file_is_applied_and_the_views_follow_the_facts_columns(bare: Star) -> None:
    bare.migrate([FACT])
    add(bare, "030_more.sql", "-- schema: star\nALTER TABLE f ADD w integer, ALTER k TYPE bigint;")
    assert bare.migrate([FACT]) == ("030_more.sql", "view current_f", "view history_f")
    assert columns(bare, "current_f") == [["id"], ["k"], ["v"], ["w"]]
    assert bare.migrate([FACT]) == ()


def test_a_view_that_is_gone_is_made_again(bare: Star) -> None:
    bare.migrate([FACT])
    bare.rows("DROP VIEW current_f")
    assert bare.migrate([FACT]) == ("view current_f",)


MADE_OF_VIEWS = """
SELECT c.relname, ARRAY(SELECT CAST(unnest(c.relacl) AS text) ORDER BY 1), pg_get_userbyid(relowner),
       c.reloptions, obj_description(c.oid), a.attname, CAST(attacl AS text), col_description(c.oid, attnum)
FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND attname IN ('k', 'seq')
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' ORDER BY relname, attname
"""

BY_PEOPLE = (
    "GRANT SELECT ON history_f TO PUBLIC",
    "REVOKE ALL ON current_f FROM starlift_analyst",
    "GRANT SELECT (k) ON current_f TO starlift_analyst WITH GRANT OPTION",
    "COMMENT ON VIEW current_f IS 'it''s ours'",
    "COMMENT ON VIEW history_f IS NULL",
    "COMMENT ON COLUMN current_f.k IS 'ours: too'",
    "COMMENT ON COLUMN history_f.seq IS NULL",
    "ALTER VIEW current_f SET (security_barrier = true)",
    "CREATE ROLE keeper",
    "GRANT keeper TO starlift_warehouse",
    "GRANT CREATE, USAGE ON SCHEMA public TO keeper",
    "ALTER VIEW history_f OWNER TO keeper",
)


@pytest.fixture
def peopled(bare: Star) -> Iterator[Star]:
    """A fact, a dimension, and what people made of the fact's views."""
    own_sql(bare.sql, f"{FACT_DDL} CREATE TABLE d (id integer PRIMARY KEY, n text, m text);")
    bare.migrate([FACT, DIMENSION])
    with connected(bare.database.admin) as admin:
        try:
            for statement in BY_PEOPLE:
                admin.run(statement)
            yield bare
        finally:
            admin.run("DROP OWNED BY keeper CASCADE")
            admin.run("DROP ROLE keeper")


@pytest.mark.parametrize("ddl", [
    "ALTER TABLE f ADD w integer",
    "ALTER TABLE f DROP v",
    "ALTER TABLE f DROP v CASCADE",
    "ALTER TABLE f RENAME v TO w",
    "ALTER TABLE f ALTER k TYPE bigint; ALTER TABLE d ALTER n TYPE varchar(9), DROP m, ADD o text",
    "ALTER TABLE public.f ALTER k TYPE bigint",
])  # fmt: skip
def test_what_people_made_of_a_view_survives_a_change_of_its_fact(peopled: Star, ddl: str) -> None:
    before = peopled.rows(MADE_OF_VIEWS)
    add(peopled, "030_more.sql", f"-- schema: star\n{ddl};")
    made = peopled.migrate([FACT, DIMENSION])
    assert made[0] == "030_more.sql"
    assert peopled.rows(MADE_OF_VIEWS) == before
    own = [name for (name,) in columns(peopled, "f")]
    assert [name for (name,) in columns(peopled, "current_f")] == own
    assert [name for (name,) in columns(peopled, "history_f")][4:] == own
    assert peopled.migrate([FACT, DIMENSION]) == ()


UPON = (
    "CREATE VIEW mine AS SELECT k, op FROM history_f",
    "CREATE VIEW my_own AS SELECT count(*) FROM mine",
    "CREATE MATERIALIZED VIEW kept AS SELECT k FROM current_f",
    "CREATE VIEW named AS SELECT id, n FROM d",
    "CREATE VIEW other AS SELECT id FROM d",
)


@pytest.mark.parametrize(("ddl", "named"), [
    ("ALTER TABLE f ALTER k TYPE bigint", ["view public.my_own", "materialized view public.kept",
                                           "view public.mine"]),
    ("ALTER TABLE d ALTER n TYPE varchar(9), ADD o text", ["view public.named"]),
    ("ALTER TABLE d DROP n", ["view public.named"]),
    ("ALTER TABLE f RENAME v TO w", ["view public.my_own", "materialized view public.kept",
                                     "view public.mine"]),
])  # fmt: skip
def test_what_others_built_is_named_where_it_is_in_the_way_and_nothing_changes(
    peopled: Star, ddl: str, named: list[str]
) -> None:
    for statement in UPON:
        peopled.rows(statement)
    everything = "SELECT oid, xmin::text FROM pg_class ORDER BY 1"
    before = peopled.rows(everything)
    add(peopled, "030_more.sql", f"-- schema: star\n{ddl};")
    with pytest.raises(ConfigurationError) as refused:
        peopled.migrate([FACT, DIMENSION])
    assert refused.value.message.endswith(f": {', '.join(named)}")
    assert peopled.rows(everything) == before
    drops = re.search(r"take them away \((.*?)\)", refused.value.hint)
    assert drops
    peopled.rows(drops[1])
    assert peopled.migrate([FACT, DIMENSION])
    left = [name.split(".")[-1] for name in (statement.split(" AS ")[0].split()[-1] for statement in UPON)]
    gone = {name.split(".")[-1] for name in named}
    assert {row[0] for row in peopled.rows("SELECT relname FROM pg_class")} & set(left) == set(left) - gone


def test_what_others_built_stays_when_a_column_is_added(peopled: Star) -> None:
    for statement in UPON:
        peopled.rows(statement)
    add(peopled, "030_more.sql", "-- schema: star\nALTER TABLE f ADD w integer; ALTER TABLE d ADD o text;")
    peopled.migrate([FACT, DIMENSION])
    assert columns(peopled, "current_f")[-1] == columns(peopled, "history_f")[-1] == ["w"]
    assert columns(peopled, "mine") == [["k"], ["op"]]


def test_a_file_changed_after_it_was_applied_is_refused(bare: Star) -> None:
    bare.migrate([FACT])
    add(bare, "020_star.sql", "-- schema: star\nCREATE TABLE f (id serial PRIMARY KEY, k bigint);")
    with pytest.raises(
        ConfigurationError, match=r"020_star\.sql was changed after it was applied"
    ) as refused:
        bare.migrate([FACT])
    assert refused.value.hint.endswith("starlift migrate")


def test_line_ends_are_no_change(bare: Star) -> None:
    bare.migrate([FACT])
    file = bare.sql / "warehouse" / "010_pipeline.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert bare.migrate([FACT]) == ()


def test_a_file_that_fails_is_named_and_nothing_is_left(bare: Star) -> None:
    add(bare, "030_broken.sql", "-- schema: star\nCREATE TABLE g (id integer);\nCREATE TABEL h ();")
    with pytest.raises(ConfigurationError, match=r'sql/warehouse/030_broken\.sql: syntax error .*"TABEL"'):
        bare.migrate([FACT])
    assert bare.rows("SELECT FROM pg_namespace WHERE nspname = 'starlift'") == []
    assert columns(bare, "f") == []


def test_a_file_that_needs_a_privilege_says_which_script_grants_it(bare: Star) -> None:
    add(bare, "030_more.sql", "-- schema: star\nCREATE TABLE pg_catalog.g (id integer);")
    with pytest.raises(UnavailableError) as refused:
        bare.migrate([FACT])
    assert refused.value.hint.endswith("sql/roles/warehouse.sql")


@pytest.mark.parametrize("first", ["CREATE TABLE g ();", "-- schema: elsewhere", "--schema: star", ""])
def test_a_file_says_in_its_first_line_for_which_schema_it_is(bare: Star, first: str) -> None:
    add(bare, "030_more.sql", f"{first}\nSELECT 1;")
    with pytest.raises(ConfigurationError, match=r"030_more\.sql: the first line"):
        bare.migrate([FACT])


def test_a_folder_without_ddl_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no DDL"):
        read_steps(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_steps(tmp_path / "absent")


def test_a_star_in_another_schema_has_a_ledger_of_its_own(star: Star) -> None:
    star.load({"dim_design": [design(1)]})
    replay = Star(star.database, star.in_schema("Other Star"), pipeline="Other Star_starlift")
    replay.migrate()
    assert replay.migrate() == ()
    replay.load({"dim_design": [design(1, design_name="Bronze")], "fact_sales_order": [sale(1)]})
    assert star.rows('SELECT design_name FROM "Other Star".dim_design') == [["Bronze"]]
    assert star.rows('SELECT seq FROM "Other Star".history_fact_sales_order') == [[1]]
    assert star.rows("SELECT design_name FROM public.dim_design") == [["Wooden"]]
    assert star.value("SELECT count(*) FROM public.current_fact_sales_order") == 0


def test_a_migration_waits_for_a_load(bare: Star) -> None:
    bare.migrate([FACT])
    with connected(bare.database.owner) as load, ThreadPoolExecutor() as pool:
        load.run("BEGIN")
        load.run("SELECT pg_advisory_xact_lock(hashtextextended('starlift writes starlift', 0))")
        waiting = pool.submit(bare.migrate, [FACT])
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
        load.run("COMMIT")
        assert waiting.result(timeout=10) == ()


LONG_FACT = "f" * 56
PERSON = model("dim_person", "dimension", "person_id", "person")
MISFITS = {
    "table f does not exist": ("SELECT 1;", [FACT]),
    "table f lacks the key column k": ("CREATE TABLE f (id serial PRIMARY KEY);", [FACT]),
    "fact f needs one SERIAL column of its own as primary key": (
        "CREATE TABLE f (id integer PRIMARY KEY, k integer);", [FACT]),
    "fact f needs one SERIAL": ("CREATE TABLE f (id serial, k integer);", [FACT]),
    "fact f needs": ("CREATE TABLE f (k serial PRIMARY KEY);", [FACT]),
    "fact f has a column valid_from, op, and its view history_f has one of its own": (
        "CREATE TABLE f (id serial PRIMARY KEY, k integer, op text, valid_from date);", [FACT]),
    "fact f has a key of json, which has no order: make k text": (
        "CREATE TABLE f (id serial PRIMARY KEY, k json);", [FACT]),
    f"fact {LONG_FACT} leaves no room in a name for history_": (
        f"CREATE TABLE {LONG_FACT} (id serial PRIMARY KEY, k integer);",
        [model(LONG_FACT, "fact", "k", "t")]),
    r"dimension dim_person needs the primary key \(person_id\)": (
        "CREATE TABLE dim_person (person_id integer);", [PERSON]),
    "dim_person.age is NOT NULL, but of a row that has not arrived only key and text are known": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, name text NOT NULL, age integer NOT NULL);",
        [PERSON]),
    "dim_person.tags is NOT NULL": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, tags text[] NOT NULL);", [PERSON]),
    r"the foreign key f \(name\) does not refer to the key of a dimension": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, name text UNIQUE);"
        "CREATE TABLE f (id serial PRIMARY KEY, k integer, name text REFERENCES dim_person (name));",
        [FACT, PERSON]),
    r"the foreign key dim_person \(f_id\) does not refer": (
        f"{FACT_DDL} CREATE TABLE dim_person (person_id integer PRIMARY KEY, f_id integer REFERENCES f);",
        [FACT, PERSON]),
    "constraint old of table dim_person keeps out a row that has not arrived, of which only key and text are "
    r"known, the text as '\(not loaded\)'": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, age integer, "
        "CONSTRAINT old CHECK (age IS NOT NULL));", [PERSON]),
    "constraint three of table dim_person keeps out": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, code text NOT NULL, "
        "CONSTRAINT three CHECK (length(code) = 3));", [PERSON]),
    "constraint number of table dim_person keeps out": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, code text NOT NULL, "
        "CONSTRAINT number CHECK (code::integer > 0));", [PERSON]),
    "the type of dim_person.code keeps out a row that has not arrived": (
        "CREATE DOMAIN three AS text CHECK (length(VALUE) = 3);"
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, code three NOT NULL);", [PERSON]),
    "dim_person.age is NOT NULL, but of a row": (
        "CREATE DOMAIN years AS integer NOT NULL;"
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, age years);", [PERSON]),
    "constraint dim_person_name_key of table dim_person would keep out every batch with a row that": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, name text UNIQUE);", [PERSON]),
    "constraint apart of table dim_person would keep out": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, "
        "span int4range, CONSTRAINT apart EXCLUDE USING gist (span WITH &&));", [PERSON]),
    "unique index one_name of table dim_person would keep out": (
        "CREATE TABLE dim_person (person_id integer PRIMARY KEY, name text);"
        "CREATE UNIQUE INDEX one_name ON dim_person (lower(name));", [PERSON]),
}  # fmt: skip


@pytest.mark.parametrize("fault", MISFITS)
def test_a_star_on_which_the_load_could_not_work_is_refused(bare: Star, fault: str) -> None:
    ddl, models = MISFITS[fault]
    own_sql(bare.sql, ddl)
    with pytest.raises(ConfigurationError, match=fault):
        bare.migrate(models)


def test_what_is_unique_because_the_primary_key_is_may_be_declared(bare: Star) -> None:
    own_sql(bare.sql, f"{FACT_DDL} ALTER TABLE f ADD UNIQUE (k, id); CREATE UNIQUE INDEX v_id ON f (v, id);")
    assert "view current_f" in bare.migrate([FACT])


def test_a_column_may_have_any_other_name_of_the_ledger_or_of_sql(bare: Star) -> None:
    names = [
        "current",
        "record_id",
        "key",
        "fact",
        "clock",
        "order",
        "user",
        "group",
        "end",
        "select",
        "f",
        "v",
    ]
    quoted = ", ".join(f'"{name}"' for name in names)
    columns = quoted.replace(",", " integer,")
    own_sql(bare.sql, f"CREATE TABLE f (id serial PRIMARY KEY, k integer, {columns} integer)")
    bare.migrate([FACT])
    rows = {name: pa.array([place], pa.int32()) for place, name in enumerate(["k", *names])}
    bare.load({"f": pa.table({**rows, "_key": ["(0)"]})}, models=(FACT.ref,))
    for view in ("current_f", "history_f"):
        assert bare.rows(f"SELECT k, {quoted} FROM {view}") == [list(range(len(rows)))]


def test_what_a_row_that_has_not_arrived_passes_may_be_declared(bare: Star) -> None:
    own_sql(
        bare.sql,
        f"""{FACT_DDL} ALTER TABLE f ADD CHECK (k > 0);
        CREATE DOMAIN word AS varchar(20) NOT NULL CHECK (VALUE <> '');
        CREATE TABLE dim_person (person_id integer PRIMARY KEY CHECK (person_id > 0), name word,
                                 age integer CHECK (age > 0), CHECK (length(name) + person_id > 5))
    """,
    )
    assert "view current_f" in bare.migrate([FACT, PERSON])


def test_all_that_is_wrong_with_a_star_is_said_at_once(bare: Star) -> None:
    own_sql(bare.sql, "CREATE TABLE f (k integer);")
    with pytest.raises(ConfigurationError, match=r"fact f needs .*; table dim_person does not exist"):
        bare.migrate([FACT, PERSON])


def test_a_table_that_no_model_makes_may_be_referred_to(bare: Star) -> None:
    own_sql(bare.sql, "CREATE TABLE kind (k integer PRIMARY KEY);"
                      "CREATE TABLE f (id serial PRIMARY KEY, k integer REFERENCES kind);")  # fmt: skip
    assert "view current_f" in bare.migrate([FACT])


def test_every_file_of_the_repository_names_its_schema() -> None:
    assert {step.schema for step in read_steps(SQL / "warehouse")} == {"star", "pipeline"}

"""The sandbox: what a model cannot do, and that it is told so before it sees a row."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.errors import ConfigurationError, UnavailableError
from starlift.ports import RowError
from tests.transform.lakes import model

ROWS = pa.table(
    {
        "id": pa.array([2, 1], pa.int32()),
        "x": ["5.7", "x"],
        "n": pa.array([0, 1], pa.int32()),
        "moment": pa.array([1, 2], pa.timestamp("us")),
    }
)


def run(engine: DuckDBEngine, sql: str, rows: pa.Table = ROWS, **header: str) -> pa.Table:
    return engine.run(model("dim_x", sql, driving="t", key="id", **header), {"t": rows})


def refusal(engine: DuckDBEngine, sql: str, **header: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        run(engine, sql, ROWS.slice(0, 0), **header)
    return caught.value


CASTS = [
    "SELECT id, CAST(x AS INTEGER) AS y FROM t",
    "SELECT id, TRY_CAST(x AS INTEGER) AS y FROM t",
    "SELECT id, x::date AS y FROM t",
    "SELECT id, date '2024-01-01' AS y FROM t",
    "SELECT id, n::text AS y FROM t",
    "SELECT id FROM t WHERE x::int > 1",
    "SELECT id FROM (SELECT id, x::int AS y FROM t)",
    "SELECT id, (SELECT max(u.x::int) FROM t AS u) AS y FROM t",
    "WITH w AS (SELECT id, x::int AS y FROM t) SELECT id FROM w",
    "SELECT id, date(x) AS y FROM t",
]


@pytest.mark.parametrize("sql", CASTS)
def test_a_bare_cast_is_refused_wherever_it_stands(engine: DuckDBEngine, sql: str) -> None:
    error = refusal(engine, sql)
    assert error.message == "sql/models/dim_x.sql, line 5: a bare cast is not exact ('5.7' becomes 6)"
    assert error.hint.startswith("use strict_date, strict_int")


HIDDEN_CASTS = [
    ("SELECT id, x = 5 AS y FROM t", "INTEGER"),
    ("SELECT id, x IN (1, 2) AS y FROM t", "INTEGER"),
    ("SELECT t.id FROM t LEFT JOIN t AS u ON u.x = t.id", "INTEGER"),
    ("SELECT id, moment = x AS y FROM t", "TIMESTAMP"),
]


@pytest.mark.parametrize(("sql", "target"), HIDDEN_CASTS)
def test_text_that_duckdb_would_read_by_itself_is_refused(
    engine: DuckDBEngine, sql: str, target: str
) -> None:
    assert f"text is read as {target} without a check" in refusal(engine, sql).message


def test_a_cast_that_is_written_as_a_function_is_refused(engine: DuckDBEngine) -> None:
    assert "cast_to_type is a cast" in refusal(engine, "SELECT id, cast_to_type(x, id) AS y FROM t").message


def test_try_is_refused_because_it_hides_rows(engine: DuckDBEngine) -> None:
    assert "TRY hides the rows" in refusal(engine, "SELECT id, TRY(1 // n) AS y FROM t").message


def test_a_null_may_be_given_its_type_and_a_constant_its_column(engine: DuckDBEngine) -> None:
    sql = "SELECT id, CAST(NULL AS VARCHAR) AS y, moment > '2024-01-01' AS late FROM t"
    assert run(engine, sql).to_pylist()[0] == {"id": 1, "y": None, "late": False}


VOLATILE = [
    "now()", "NOW()", "main.now()", "current_date", "current_timestamp", "localtime", "localtimestamp",
    "moment > current_timestamp", "today()", "get_current_timestamp()", "transaction_timestamp()",
    "current_localtime()", "current_localtimestamp()", "age(moment)", "ago(to_days(1))", "random()",
    "uuid()", "gen_random_uuid()", "uuidv7()", "nextval('s')", "txid_current()", "current_setting('threads')",
    "getvariable('x')", "current_schema()", "current_query()", "pg_postmaster_start_time()",
]  # fmt: skip


@pytest.mark.parametrize("expression", VOLATILE)
def test_what_does_not_depend_on_the_row_alone_is_refused(engine: DuckDBEngine, expression: str) -> None:
    error = refusal(engine, f"SELECT id, {expression} AS y FROM t")
    assert "does not depend on the row alone, so a replay would differ" in error.message
    assert error.hint.startswith("take the value from a source column")


def test_the_clock_is_refused_outside_the_select_list_too(engine: DuckDBEngine) -> None:
    assert "now" in refusal(engine, "SELECT id FROM t WHERE now() > moment").message
    assert "random" in refusal(engine, "SELECT id FROM t ORDER BY random()").message


def test_no_function_without_arguments_gives_another_value_in_another_session(engine: DuckDBEngine) -> None:
    """DuckDB forgets to call some of its functions volatile: ask them all."""
    names = [
        name
        for (name,) in duckdb.sql(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE len(parameters) = 0 "
            "AND function_type IN ('scalar', 'macro') ORDER BY ALL"
        ).fetchall()
    ]
    answers = [_answers(names), _answers(names)]
    assert names
    for name, first, second in zip(names, *answers, strict=True):
        if first != second:
            refusal(engine, f'SELECT id, "{name}"() AS y FROM t')


def _answers(names: list[str]) -> list[str]:
    answers = []
    with duckdb.connect() as connection:
        for name in names:
            try:
                answers.append(repr(connection.sql(f'SELECT "{name}"() AS y').to_arrow_table().to_pylist()))
            except duckdb.Error as error:
                answers.append(type(error).__name__)
    return answers


def test_a_column_may_be_called_like_a_clock_when_its_table_is_named(engine: DuckDBEngine) -> None:
    rows = ROWS.rename_columns(["id", "current_date", "n", "moment"])
    assert run(engine, "SELECT id, t.current_date AS y FROM t", rows)["y"].to_pylist() == ["x", "5.7"]


def test_error_is_left_to_the_macros(engine: DuckDBEngine) -> None:
    error = refusal(engine, "SELECT id, error('no') AS y FROM t")
    assert "error() is called by the macros alone" in error.message
    assert error.hint.startswith("use required(")


TABLES = [
    ("SELECT id FROM t, range(3)", "no table function"),
    ("SELECT id FROM t, read_text('/etc/hostname')", "no table function"),
    ("SELECT id FROM t, duckdb_settings()", "no table function"),
    ("DESCRIBE t", "no table function"),
    ("SELECT id FROM t LEFT JOIN u USING (id)", "reads u, not named in the header"),
    ("SELECT id FROM t, information_schema.tables", "reads information_schema.tables, not named"),
    ("SELECT id FROM t, '/etc/hostname'", "reads /etc/hostname, not named in the header"),
    ("SELECT 1 AS id", "the header names t, which the SELECT does not read"),
    ("SELECT id FROM t USING SAMPLE 1", "a sample depends on chance"),
    ("SELECT id FROM t TABLESAMPLE 50%", "a sample depends on chance"),
]


@pytest.mark.parametrize(("sql", "problem"), TABLES)
def test_a_model_reads_the_tables_of_its_header_and_nothing_else(
    engine: DuckDBEngine, sql: str, problem: str
) -> None:
    assert problem in refusal(engine, sql).message


STATEMENTS = [
    ("SELECT id FROM t; SELECT id FROM t", "a model is exactly one SELECT"),
    ("COPY t TO 'out.csv'", "Only SELECT statements"),
    ("INSERT INTO t VALUES (1)", "Only SELECT statements"),
    ("SET threads = 8", "Only SELECT statements"),
    ("ATTACH 'x.db'", "Only SELECT statements"),
    ("SELEC id FROM t", "line 5: syntax error"),
    ("SELECT id, nosuch FROM t", "nosuch"),
    ("SELECT id, nosuch(x) AS y FROM t", "nosuch"),
    ("SELECT x FROM t", "the key column id is not among its columns"),
    ("SELECT id, x, n AS x FROM t", "the column name x is there twice or begins with _"),
    ("SELECT id, x AS _key FROM t", "the column name _key is there twice or begins with _"),
    ("SELECT id, x + n AS y FROM t", "+"),
]


@pytest.mark.parametrize(("sql", "problem"), STATEMENTS)
def test_a_model_that_is_no_working_select_is_named_with_its_fault(
    engine: DuckDBEngine, sql: str, problem: str
) -> None:
    error = refusal(engine, sql)
    assert error.message.startswith("sql/models/dim_x.sql")
    assert problem in error.message
    assert "Error:" not in error.message


def test_the_line_of_a_fault_is_counted_in_the_file(engine: DuckDBEngine) -> None:
    sql = "SELECT\n    -- é\n    id,\n    x::int AS y\nFROM t"
    assert "dim_x.sql, line 8: a bare cast" in refusal(engine, sql).message


def test_a_model_may_end_in_a_semicolon_and_a_comment_and_use_common_table_expressions(
    engine: DuckDBEngine,
) -> None:
    sql = "WITH w AS (SELECT id, x FROM t) SELECT id, x FROM w;; -- that is all"
    assert run(engine, sql)["id"].to_pylist() == [1, 2]


def test_rows_come_in_the_order_of_the_key(engine: DuckDBEngine) -> None:
    rows = pa.table({"id": ["b", "é", "a", "B", "10", "9"], "n": [1, 2, 3, 4, 5, 6]})
    made = run(engine, "SELECT id, n FROM t ORDER BY n DESC", rows)
    assert made["id"].to_pylist() == ["10", "9", "B", "a", "b", "é"]


FAILING = [
    ("1 // n", "Division by zero in expression (1 // n)."),
    ("n + 2147483647", "Overflow in addition of INT32 (1 + 2147483647)!"),
]


@pytest.mark.parametrize(("expression", "reason"), FAILING)
def test_an_expression_that_fails_over_a_row_says_why_in_one_line(
    engine: DuckDBEngine, expression: str, reason: str
) -> None:
    with pytest.raises(RowError) as caught:
        run(engine, f"SELECT id, {expression} AS y FROM t")
    assert str(caught.value) == reason


def test_a_model_sees_only_its_own_tables_and_leaves_none_behind(engine: DuckDBEngine) -> None:
    other = model("dim_y", "SELECT id FROM u", driving="u", key="id")
    engine.run(other, {"u": ROWS})
    assert "not named in the header" in refusal(engine, "SELECT t.id FROM t, u").message
    connection = engine._connection()
    assert connection.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]
    assert connection.sql("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


def test_a_table_that_is_not_given_is_named_with_the_way_to_add_it(engine: DuckDBEngine) -> None:
    joining = model("dim_x", "SELECT id FROM t LEFT JOIN u USING (id)", driving="t", joins="u", key="id")
    with pytest.raises(ConfigurationError, match="model dim_x reads u, which is neither") as caught:
        engine.run(joining, {"t": ROWS})
    assert "[tables.u]" in caught.value.hint


ESCAPES = [
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM '{file}.csv'",
    "COPY (SELECT 1) TO '{file}.out'",
    "ATTACH '{file}.db'",
    "INSTALL httpfs",
    "SET enable_external_access = true",
    "SET threads = 8",
    "SET lock_configuration = false",
    "RESET TimeZone",
    "SELECT * FROM ROWS",
]


@pytest.mark.parametrize("statement", ESCAPES)
def test_the_connection_itself_reaches_no_file_no_setting_and_no_python_variable(
    engine: DuckDBEngine, tmp_path: Path, statement: str
) -> None:
    """Also without the rules on models: the second wall."""
    file = tmp_path / "secret"
    file.write_text("secret")
    with pytest.raises(duckdb.Error):
        engine._connection().execute(statement.format(file=file)).fetchall()
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_model_that_needs_more_memory_than_there_is_makes_the_stage_unavailable() -> None:
    small = DuckDBEngine(memory=2_000_000)
    rows = pa.table({"id": pa.array(range(200_000), pa.int32()), "x": ["y" * 50] * 200_000})
    with pytest.raises(UnavailableError, match="model dim_x needs more memory"):
        run(small, "SELECT id, x, max(x || text_of(id)) OVER () AS y FROM t", rows)
    small.close()


def test_a_closed_engine_opens_again_at_the_next_model() -> None:
    engine = DuckDBEngine({"r": b"code,name\na,\nb,B\n"})
    sql = "SELECT t.id, r.name FROM t LEFT JOIN r ON r.code = t.code"
    referring = model("dim_x", sql, driving="t", key="id", references="r")
    rows = pa.table({"id": [1, 2, 3], "code": ["a", "b", "c"]})
    first = engine.run(referring, {"t": rows})
    engine.close()
    engine.close()
    assert engine.run(referring, {"t": rows}) == first
    assert first["name"].to_pylist() == [None, "B", None]
    engine.close()


def test_columns_that_differ_in_case_alone_are_refused_because_one_would_be_read_for_the_other(
    engine: DuckDBEngine,
) -> None:
    rows = pa.table({"id": pa.array([1], pa.int32()), "note": ["a"], "Note": ["b"]})
    with pytest.raises(ConfigurationError, match="differ in upper and lower case alone: Note"):
        run(engine, 'SELECT id, "Note" FROM t', rows)

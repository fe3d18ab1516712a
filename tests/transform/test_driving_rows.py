"""A star row depends on its own driving row: what looks at two of them at once is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.errors import ConfigurationError
from tests.transform.lakes import model

EMP = pa.table({"id": [1, 2], "boss_id": [None, 1], "dept_id": [7, 7], "pay": [10, 20]})
DEPT = pa.table({"id": [7, 8], "parent_id": [8, None], "title": ["A", "B"]})


def run(engine: DuckDBEngine, sql: str) -> pa.Table:
    joins = {"joins": "dept"} if "dept" in sql.replace("dept_id", "") else {}
    return engine.run(
        model("dim_emp", sql, driving="emp", key="id", **joins),
        {"emp": EMP, **({"dept": DEPT} if joins else {})},
    )


TWICE = [
    "SELECT emp.id, boss.pay AS y FROM emp LEFT JOIN emp AS boss ON boss.id = emp.boss_id",
    "SELECT id FROM emp UNION ALL SELECT id FROM emp",
    "WITH w AS (SELECT * FROM emp) SELECT a.id, b.pay FROM w AS a LEFT JOIN w AS b ON b.id = a.boss_id",
    "WITH w AS (SELECT * FROM emp) SELECT emp.id, w.pay FROM emp LEFT JOIN w ON w.id = emp.boss_id",
    "WITH v AS (SELECT * FROM emp), w AS (SELECT a.id FROM v AS a, v AS b) SELECT id FROM w",
    "SELECT id, (SELECT max(pay) FROM emp) AS y FROM emp",
    "SELECT id, (SELECT b.pay FROM emp AS b WHERE b.id = emp.boss_id) AS y FROM emp",
    "SELECT id, boss_id IN (SELECT id FROM emp) AS y FROM emp",
    "SELECT id FROM emp WHERE EXISTS (FROM emp AS b WHERE b.id = emp.boss_id)",
    "SELECT emp.id, l.pay FROM emp LEFT JOIN LATERAL (FROM emp AS b WHERE b.id = emp.boss_id) AS l ON true",
    "WITH RECURSIVE w AS (SELECT id FROM emp UNION ALL SELECT w.id + 1 FROM w, emp) SELECT id FROM w",
]


@pytest.mark.parametrize("sql", TWICE)
def test_a_second_reference_to_the_driving_table_is_refused_wherever_it_stands(
    engine: DuckDBEngine, sql: str
) -> None:
    with pytest.raises(ConfigurationError, match="emp is read more than once: a star row may") as caught:
        run(engine, sql)
    assert caught.value.message.startswith("sql/models/dim_emp.sql: ")
    assert "a batch brings only the rows of emp that changed" in caught.value.message
    assert caught.value.hint.startswith("read emp once, in FROM")


SEVERAL = [
    ("SELECT id, row_number() OVER () AS n FROM emp", "a window function"),
    ("SELECT id, max(pay) OVER (PARTITION BY boss_id) AS y FROM emp", "a window function"),
    ("SELECT id, lag(y) OVER w AS z FROM (SELECT id, pay AS y FROM emp) WINDOW w AS ()", "a window function"),
    ("SELECT emp.id, rank() OVER (ORDER BY title) AS n FROM emp LEFT JOIN dept ON true", "a window function"),
    ("WITH w AS (FROM emp) SELECT id, row_number() OVER () AS n FROM w", "a window function"),
    ("SELECT id FROM emp QUALIFY row_number() OVER () = 1", "a window function"),
    ("SELECT id FROM emp ORDER BY row_number() OVER ()", "a window function"),
    ("SELECT max(id) AS id FROM emp", "the aggregate max"),
    ("SELECT count(*) AS id FROM emp", "the aggregate count_star"),
    ("SELECT FIRST(id) AS id FROM emp", "the aggregate first"),
    ("SELECT geomean(pay) AS id FROM emp", "the aggregate geomean"),
    ("SELECT id, sum(pay) AS y FROM emp GROUP BY id", "GROUP BY"),
    ("SELECT id, sum(pay) AS y FROM emp GROUP BY ALL", "GROUP BY"),
    ("SELECT emp.id, count(title) AS n FROM emp LEFT JOIN dept ON true GROUP BY emp.id", "GROUP BY"),
    ("SELECT DISTINCT id FROM emp", "DISTINCT"),
    ("SELECT DISTINCT ON (boss_id) id FROM emp", "DISTINCT"),
    ("SELECT id FROM emp LIMIT 1", "LIMIT"),
    ("SELECT id FROM emp LIMIT 50%", "LIMIT"),
    ("SELECT id FROM emp OFFSET 1", "LIMIT"),
    ("SELECT id FROM (SELECT * FROM emp ORDER BY pay LIMIT 1)", "LIMIT"),
    ("SELECT emp.id, dept.title FROM emp POSITIONAL JOIN dept", "POSITIONAL JOIN"),
    ("SELECT id FROM emp UNION ALL SELECT id FROM dept", "UNION, EXCEPT, INTERSECT or recursion"),
    ("SELECT id FROM (FROM emp EXCEPT SELECT id, id, id, id FROM dept)", "UNION, EXCEPT"),
    ("WITH RECURSIVE w AS (SELECT id FROM emp UNION SELECT id FROM w) SELECT id FROM w", "recursion"),
    ("SELECT * FROM (PIVOT emp ON pay IN (10, 20) USING max(dept_id))", "PIVOT"),
    ("SELECT id, (SELECT max(pay) FROM emp) AS y FROM dept", "emp is read inside an expression"),
    ("SELECT id FROM dept WHERE id IN (SELECT id FROM emp)", "emp is read inside an expression"),
    ("WITH w AS (FROM emp) SELECT id FROM dept WHERE id IN (SELECT id FROM w)", "inside an expression"),
]


@pytest.mark.parametrize(("sql", "found"), SEVERAL)
def test_what_looks_at_several_driving_rows_is_refused(engine: DuckDBEngine, sql: str, found: str) -> None:
    with pytest.raises(ConfigurationError, match="a star row may depend on its own driving row") as caught:
        run(engine, sql)
    assert found in caught.value.message


ALLOWED = [
    "SELECT id, (SELECT max(title) FROM dept) AS y FROM emp",
    "SELECT id, (SELECT max(title) FROM dept WHERE dept.id = emp.dept_id) AS y FROM emp",
    "WITH n AS (SELECT parent_id, count(*) AS y FROM dept GROUP BY ALL) "
    "SELECT emp.id, n.y FROM emp LEFT JOIN n ON n.parent_id = emp.dept_id + 1",
    "SELECT emp.id, d.y FROM emp LEFT JOIN "
    "(SELECT DISTINCT id, row_number() OVER (ORDER BY id) AS y FROM dept LIMIT 9) AS d ON d.id = emp.dept_id",
    "SELECT emp.id, l.y FROM emp LEFT JOIN LATERAL "
    "(SELECT title AS y FROM dept WHERE dept.id = emp.dept_id ORDER BY title LIMIT 1) AS l ON true",
    "SELECT emp.id, up.title AS y FROM emp LEFT JOIN dept ON dept.id = emp.dept_id "
    "LEFT JOIN dept AS up ON up.id = dept.parent_id",
    "WITH v AS (FROM emp), w AS (SELECT id, dept_id FROM v) "
    "SELECT w.id, title AS y FROM w LEFT JOIN dept ON dept.id = w.dept_id ORDER BY title",
    "WITH RECURSIVE w AS (SELECT id, title FROM dept WHERE parent_id IS NULL UNION ALL "
    "SELECT dept.id, w.title FROM w JOIN dept ON dept.parent_id = w.id) "
    "SELECT emp.id, w.title AS y FROM emp LEFT JOIN w ON w.id = emp.dept_id",
    "SELECT id, list_sum([pay, dept_id]) AS y FROM emp",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_joined_tables_are_whole_so_they_may_be_counted_ranked_and_read_again(
    engine: DuckDBEngine, sql: str
) -> None:
    made = run(engine, sql)
    assert made["id"].to_pylist() == [1, 2]
    assert None not in made["y"].to_pylist()


NAMES = [
    "WITH emp AS (SELECT * FROM emp) SELECT id FROM emp",
    "WITH EMP AS (SELECT 1 AS id) SELECT id FROM emp",
    "WITH w AS (WITH w AS (FROM emp) FROM w) SELECT id FROM w",
    "WITH w AS (FROM emp) SELECT id FROM (WITH W AS (SELECT 1 AS id) FROM W), w",
]


@pytest.mark.parametrize("sql", NAMES)
def test_a_common_table_expression_has_a_name_of_its_own(engine: DuckDBEngine, sql: str) -> None:
    with pytest.raises(ConfigurationError, match=r"WITH \w+: a table or a WITH before it") as caught:
        run(engine, sql)
    assert caught.value.hint.startswith("give it a name of its own")

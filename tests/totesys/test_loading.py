"""Rows go into PostgreSQL as they are, or not at all."""

from __future__ import annotations

from datetime import date

import pytest
from pg8000.exceptions import DatabaseError

from starlift.totesys.generator import generate
from starlift.totesys.loading import TABLES, Row, load
from tests.postgres import SourceDatabase, connected
from tests.totesys_small import SEED, START, WEEKDAYS

STAMPS = {"created_at": "2024-11-04 09:00:00.001", "last_updated": "2024-11-04 09:00:00.001"}


def test_a_generated_totesys_satisfies_every_foreign_key_of_the_real_schema(
    totesys_small: SourceDatabase,
) -> None:
    rows = generate(SEED, START, WEEKDAYS)
    with connected(totesys_small.reader) as reader:
        for table in TABLES:
            assert reader.run(f"SELECT count(*) FROM {table}") == [[len(rows[table])]]
        invalid = reader.run(
            "SELECT conname FROM pg_constraint AS c "
            # as JSON, because only PostgreSQL 18 has the column
            "WHERE NOT convalidated OR to_jsonb(c)->>'conenforced' = 'false'"
        )
    assert invalid == []
    assert 250 < len(rows["payment"]) < 350


def test_values_arrive_as_they_were_given(totesys_small: SourceDatabase) -> None:
    rows = generate(SEED, START, WEEKDAYS)
    with connected(totesys_small.reader) as reader:
        for table in ("payment", "address", "transaction"):
            columns = ", ".join(f"{name}::text" for name in rows[table][0])
            found = reader.run(f"SELECT {columns} FROM {table} ORDER BY {table}.{table}_id")
            expected = [[_text(value) for value in row.values()] for row in rows[table]]
            assert [[_text(cell) for cell in row] for row in found or ()] == expected


def _text(value: object) -> str | None:
    """Print a value as PostgreSQL does: a stamp without its trailing zeros."""
    if value is None:
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.rstrip("0").rstrip(".") if text[4:5] == "-" and "." in text else text


def test_odd_texts_survive(source_db: SourceDatabase) -> None:
    odd = ["", "\\N", "\\.", "a\tb\nc\rd", "\\", "O'Keefe", "😀 é", " \x01 "]
    rows: list[Row] = [
        {"department_id": key, "department_name": text, "location": None, **STAMPS}
        for key, text in enumerate(odd, 1)
    ]
    with connected(source_db.admin) as admin:
        load(admin, {"department": rows})
        found = admin.run("SELECT department_name, location FROM department ORDER BY department_id")
    assert found == [[text, None] for text in odd]


def test_the_sequences_go_on_behind_the_rows(source_db: SourceDatabase) -> None:
    insert = "INSERT INTO currency (currency_code, last_updated) VALUES ('GBP', now()) RETURNING currency_id"
    with connected(source_db.admin) as admin:
        load(admin, {"currency": []})
        assert admin.run(insert) == [[1]]
        load(admin, {"currency": [{"currency_id": 40, "currency_code": "EUR", **STAMPS}]})
        assert admin.run(insert) == [[41]]


def test_a_row_that_breaks_a_constraint_leaves_nothing_behind(source_db: SourceDatabase) -> None:
    rows = generate(1, date(2024, 11, 4), 1)
    rows["payment"][-1]["currency_id"] = 99
    with connected(source_db.admin) as admin:
        with pytest.raises(DatabaseError, match="payment_currency_id_fkey"):
            load(admin, rows)
        assert admin.run("SELECT count(*) FROM address") == [[0]]


def test_the_real_extract_is_whole_once_loaded(totesys_extract: SourceDatabase) -> None:
    with connected(totesys_extract.reader) as reader:
        counts = reader.run(" UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in TABLES))
        sums = reader.run(
            "SELECT (SELECT sum(payment_amount)::text FROM payment), "
            "(SELECT sum(units_sold) FROM sales_order), "
            "(SELECT sum(units_sold * unit_price)::text FROM sales_order), "
            "(SELECT sum(item_quantity * item_unit_price)::text FROM purchase_order), "
            "(SELECT count(*) FROM payment WHERE paid)"
        )
    with connected(totesys_extract.admin) as admin:
        following = admin.run("SELECT nextval('payment_payment_id_seq')")
    assert sum(row[0] for row in counts or ()) == 48_066
    assert sums == [["2866262649.80", 563_625_106, "1687031429.75", "1179231220.05", 9_648]]
    assert following == [[15_837]]

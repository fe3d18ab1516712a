"""A row that cannot be used waits in quarantine, named by every command that is asked; the rest loads."""

from __future__ import annotations

from tests.cli.project import Project, Said

ORDER = "UPDATE sales_order SET agreed_delivery_date = '{}', last_updated = now() WHERE sales_order_id = 1"
NOT_A_DATE = "31/02/2024"


def reported(said: Said) -> list[dict[str, object]]:
    found = said.json["quarantine"]
    assert isinstance(found, list)
    return found


def test_a_row_with_a_date_that_does_not_exist_waits_until_it_is_corrected(project: Project) -> None:
    project.update(ORDER.format(NOT_A_DATE))

    ran = project.starlift("run", "--json", "--strict")
    assert ran.code == 3
    assert "error" not in ran.json
    assert ran.json["outcome"] == "applied"
    assert ran.json["quarantined"] == 1
    counts = ran.json["tables"]["sales_order"]
    assert (counts["read"] - counts["shipped"], counts["rejected"]) == (1, 1)
    orders = ran.json["star"]["fact_sales_order"]["inserted"]
    assert orders == counts["shipped"] > 1
    assert ran.json["star"]["dim_staff"]["inserted"] == 20

    text = project.starlift("status")
    assert text.code == 0
    (line,) = [line for line in text.out.splitlines() if line.startswith("sales_order ") and "(1)" in line]
    assert line.split()[:4] == ["sales_order", "(1)", "transform", "1"]
    assert NOT_A_DATE in line
    assert "quarantine: 1 row\n" in text.out
    (row,) = reported(project.starlift("status", "--json"))
    assert set(row) == {"table", "key", "stage", "reason", "seq", "dropped"}
    assert (row["table"], row["key"], row["stage"], row["seq"]) == ("sales_order", "(1)", "transform", 1)
    assert NOT_A_DATE in str(row["reason"])

    project.update(ORDER.format("2024-02-29"))
    healed = project.starlift("run", "--strict")
    assert healed.code == 0, healed
    assert "batch 2 applied" in healed.out
    assert "quarantine" not in healed.out
    assert reported(project.starlift("status", "--json")) == []
    assert "quarantine: 0 rows\n" in project.starlift("status").out
    date = "SELECT agreed_delivery_date::text FROM current_fact_sales_order WHERE sales_order_id = 1"
    assert project.query(date) == [["2024-02-29"]]


def test_without_strict_a_row_in_quarantine_is_told_and_no_failure(project: Project) -> None:
    project.update(ORDER.format(NOT_A_DATE))
    said = project.starlift("run")
    assert said.code == 0
    assert said.out.endswith("1 row in quarantine; see them: starlift quarantine list\n")
    (line,) = [line for line in said.out.splitlines() if line.startswith("sales_order ")]
    assert line.endswith(" 1")

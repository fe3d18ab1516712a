"""What facts about source and warehouse come to: which are faults, and for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from starlift.core.config import Limits, TableSpec
from starlift.core.diagnosis import (
    Finding,
    Session,
    SourceFacts,
    TableFacts,
    WarehouseFacts,
    of_source,
    of_warehouse,
)

SPEC = TableSpec("sale", ("id",), ("id", "seen"), cursor="seen")
TABLE = TableFacts(
    unreadable=(),
    hidden=False,
    mode="timestamp",
    kind="r",
    size=1000,
    dead=0,
    live=10,
    indexed=True,
    naive=True,
    triggers=("touch",),
)
SOURCE = SourceFacts(
    database="shop",
    role="reader",
    encoding="UTF8",
    client_encoding="UTF8",
    time_zone="UTC",
    offsets=(0, 0),
    sees_all=True,
    blind=0,
    commits_wait=True,
    skew=0.1,
    elsewhere=False,
    pooled=False,
    idle=(),
    prepared=(),
    tables={"sale": TABLE},
)
WAREHOUSE = WarehouseFacts(
    database="star",
    role="owner",
    encoding="UTF8",
    standby=False,
    read_only=False,
    missing=(),
    pending=(),
    notices_gone=True,
    size=2_500_000_000,
    skew=0.0,
)
OLD = Session("7", "clerk", 7200.0)
YOUNG = Session("7", "clerk", 60.0)


def looked_at(facts: SourceFacts, spec: TableSpec = SPEC) -> list[Finding]:
    return [finding for finding in of_source(facts, {"sale": spec}, Limits()) if finding.level != "ok"]


def with_table(**parts: Any) -> SourceFacts:
    return replace(SOURCE, tables={"sale": replace(TABLE, **parts)})


def test_where_nothing_is_wrong_all_is_ok() -> None:
    assert looked_at(SOURCE) == []
    assert {finding.level for finding in of_warehouse(WAREHOUSE)} == {"ok"}
    assert any("2.5 GB" in finding.what for finding in of_warehouse(WAREHOUSE))


@pytest.mark.parametrize(
    ("facts", "level", "code", "what"),
    [
        (replace(SOURCE, sees_all=False), "bad", 2, "lacks pg_read_all_stats"),
        (replace(SOURCE, blind=2), "bad", 4, "(track_activities off): 2"),
        (replace(SOURCE, idle=(OLD,)), "bad", 4, "pid 7 of clerk is idle in a transaction since 7200 s"),
        (replace(SOURCE, idle=(YOUNG,)), "note", 0, "holds watermarks and vacuum back"),
        (replace(SOURCE, prepared=(OLD,)), "bad", 4, "transaction 7 of clerk is prepared"),
        (replace(SOURCE, pooled=True), "bad", 2, "a pooler gives each transaction another session"),
        (replace(SOURCE, elsewhere=True), "note", 0, "at another port"),
        (replace(SOURCE, skew=90.0), "note", 0, "90 s ahead of"),
        (replace(SOURCE, skew=-90.0), "note", 0, "90 s behind"),
        (replace(SOURCE, client_encoding="LATIN1"), "bad", 2, "client_encoding is LATIN1"),
        (replace(SOURCE, encoding="SQL_ASCII"), "note", 0, "SQL_ASCII"),
        (with_table(unreadable=("seen",)), "bad", 5, "may not select seen"),
        (with_table(hidden=True), "bad", 5, "row-level security"),
        (with_table(dead=20_000), "note", 0, "20,000 dead rows"),
        (with_table(indexed=False), "note", 0, "no index begins with the cursor sale.seen"),
        (with_table(triggers=()), "note", 0, "moves on update cannot be told"),
        (with_table(triggers=(), kind="v", indexed=False), "note", 0, "cannot be told of sale"),
        (replace(SOURCE, offsets=(0, 3600), time_zone="X"), "note", 0, "is X, which has summer time"),
        (replace(SOURCE, offsets=(3600, 3600), time_zone="X"), "note", 0, "is X; in which zone"),
    ],
)  # fmt: skip
def test_each_fault_of_a_source_is_one_finding(facts: SourceFacts, level: str, code: int, what: str) -> None:
    (finding,) = looked_at(facts)
    assert (finding.level, finding.code, finding.part) == (level, code, "source")
    assert what in finding.what
    assert finding.remedy


def test_what_only_a_cursor_suffers_from_is_a_note_where_tables_are_read_by_xid() -> None:
    by_xid = with_table(mode="xid", indexed=False, triggers=())
    for facts in (
        replace(by_xid, sees_all=False),
        replace(by_xid, blind=1),
        replace(by_xid, idle=(OLD,)),
        replace(by_xid, prepared=(OLD,)),
    ):
        assert [finding.level for finding in looked_at(facts)] == ["note"]
    assert looked_at(replace(by_xid, offsets=(0, 3600))) == []
    assert looked_at(with_table(mode="timestamp", naive=False)) == []


def test_a_table_read_by_xid_near_or_above_its_budget_is_noted() -> None:
    (finding,) = looked_at(with_table(mode="xid", size=1_500_000_000))
    assert "has 1.5 GB, 150% of scan_budget" in finding.what
    assert "81% of scan_budget" in looked_at(with_table(mode="xid", size=810_000_000))[0].what
    assert looked_at(with_table(mode="xid", size=800_000_000)) == []


def test_a_cursor_in_the_zone_of_its_server_is_well_and_commits_that_do_not_wait_are_too() -> None:
    summer = replace(SPEC, cursor_zone="+02:00")
    assert looked_at(replace(SOURCE, offsets=(7200, 7200)), summer) == []
    told = of_source(replace(SOURCE, commits_wait=False), {"sale": SPEC}, Limits())
    assert any("synchronous_commit is off" in finding.what for finding in told)


def test_names_in_a_remedy_are_quoted_for_sql_and_shell() -> None:
    facts = replace(
        SOURCE, role='a"b', database="my db", prepared=(Session("it's", "x", 1.0),), sees_all=False
    )
    grant, rollback = (finding.remedy for finding in looked_at(facts))
    assert grant == """grant it: psql -d 'my db' -c 'GRANT pg_read_all_stats TO "a""b"'"""
    assert """psql -d 'my db' -c 'ROLLBACK PREPARED '""" in rollback


@pytest.mark.parametrize(
    ("facts", "level", "code", "what"),
    [
        (replace(WAREHOUSE, standby=True), "bad", 5, "it is a standby"),
        (replace(WAREHOUSE, read_only=True), "bad", 5, "it is read-only"),
        (replace(WAREHOUSE, missing=("fly", "swim")), "bad", 5, "role owner may not fly, swim"),
        (replace(WAREHOUSE, pending=("9.sql",)), "bad", 2, "not applied yet: 9.sql"),
        (replace(WAREHOUSE, encoding="LATIN1"), "note", 0, "its encoding is LATIN1"),
        (replace(WAREHOUSE, notices_gone=False), "note", 0, "does not notice that a client is gone"),
        (replace(WAREHOUSE, skew=61.0), "note", 0, "61 s ahead of"),
    ],
)
def test_each_fault_of_a_warehouse_is_one_finding(
    facts: WarehouseFacts, level: str, code: int, what: str
) -> None:
    (finding,) = [finding for finding in of_warehouse(facts) if finding.level != "ok"]
    assert (finding.level, finding.code, finding.part) == (level, code, "warehouse")
    assert what in finding.what


@pytest.mark.parametrize(("size", "text"), [(999, "1 kB"), (3_000_000, "3.0 MB")])
def test_sizes_are_told_in_their_unit(size: int, text: str) -> None:
    assert any(f"has {text};" in finding.what for finding in of_warehouse(replace(WAREHOUSE, size=size)))

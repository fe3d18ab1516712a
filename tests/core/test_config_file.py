"""The configuration file: what it may say, and that a mistake is named by line with its remedy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from starlift.core.config import Limits
from starlift.core.config_file import parse
from starlift.errors import ConfigurationError

SMALL = """\
[source]
name = "shop"

[tables.item]
key = ["id"]
cursor = "changed"
columns = ["id", "name"]
"""


def test_the_shipped_configuration_takes_all_eleven_totesys_tables_and_no_account_number() -> None:
    config = parse((Path(__file__).parents[2] / "sql/pipeline.toml").read_text(), "pipeline.toml")
    assert len(config.tables) == 11
    taken = {column for spec in config.tables.values() for column in spec.columns}
    assert not taken & {"company_ac_number", "counterparty_ac_number", "manager", "commercial_contact"}
    assert config.limits == Limits()


def test_what_is_not_said_has_the_documented_default() -> None:
    config = parse(SMALL, "p.toml")
    spec = config.tables["item"]
    assert (config.source_schema, config.warehouse_schema, config.calendar) == (
        "public",
        "public",
        (1900, 2100),
    )
    assert (spec.mode, spec.cursor_zone, spec.drop) == ("auto", "UTC", ())


def test_a_table_has_the_policy_of_the_source_unless_it_says_otherwise() -> None:
    cases = (("", "", "ignore"), ("add", "", "add"), ("add", "ignore", "ignore"), ("", "add", "add"))
    for ours, own, policy in cases:
        text = SMALL.replace('name = "shop"', f'name = "shop"\n{ours and f"new_columns = {ours!r}"}')
        text = text.replace('key = ["id"]', f'key = ["id"]\n{own and f"new_columns = {own!r}"}')
        assert parse(text, "p.toml").tables["item"].new_columns == policy


def test_limits_and_calendar_are_read_with_their_units() -> None:
    text = '[warehouse]\ncalendar = [2000, 2030]\n[limits]\nheartbeat = "0s"\nscan_budget = "5MB"\n'
    config = parse(SMALL + text + "max_rows = 10\nquarantine_hold = 1\n", "p.toml")
    assert config.calendar == (2000, 2030)
    limits = config.limits
    assert (limits.heartbeat, limits.scan_budget) == (timedelta(), 5_000_000)
    assert (limits.max_rows, limits.quarantine_hold) == (10, 1.0)


def test_a_section_header_in_quotes_names_the_same_line() -> None:
    text = SMALL.replace("[tables.item]", '[tables."item"]').replace('"changed"', "5")
    with pytest.raises(ConfigurationError, match=r"p\.toml, line 6: \[tables\.item\.cursor\]"):
        parse(text, "p.toml")


MISTAKES = [
    ("[source", "[sauce", 1, "'sauce' means nothing here"),
    ('name = "shop"', "name = 5", 2, "name is not a name"),
    ('key = ["id"]', 'kee = ["id"]', 5, "'kee' means nothing here; use key, cursor"),
    ('key = ["id"]', "", 4, "no key is declared; write key"),
    ('key = ["id"]', 'key = ["nr"]', 5, "key column nr is not in columns"),
    ('columns = ["id", "name"]', "", 5, "key column id is not in columns"),
    ('key = ["id"]', 'key = "id"', 5, "key is not a list of names"),
    ('["id", "name"]', '["id", "id"]', 7, "columns names a column twice"),
    ('["id", "name"]', '["id", "_hash"]', 7, "_hash is starlift's own name"),
    ('["id", "name"]', '["id", "_stale"]', 7, "_stale is starlift's own name"),
    ('["id", "name"]', '["id", "\\u0000"]', 7, "columns is not a list of names"),
    ('cursor = "changed"', 'cursor = "changed"\ndrop = ["name"]', 7, "name is also taken"),
    ('cursor = "changed"', 'hmac = ["id"]', 6, "id is in the key, which must find its row again"),
    ("[tables.item]", '[tables."../item"]', 4, "cannot be part of a file's name"),
    ('["id", "name"]', '["id", "_stale"]', 7, "_stale is starlift's own name"),
    (
        '["id", "name"]',
        '["id", "Name", "name"]',
        7,
        "another column is 'name' but for case; take one of them",
    ),
    ("[tables.item]", "[tables.Item]\n[tables.item]", 5, "another name is 'item' but for case; call one"),
    ("[tables.item]", '[tables."a,b"]', 4, "cannot be part of a file's name"),
    ('cursor = "changed"', 'mode = "fast"', 6, "'fast' is not a mode; write auto, xid or timestamp"),
    ('cursor = "changed"', 'mode = "timestamp"', 4, "mode timestamp needs a cursor"),
    ('cursor = "changed"', 'new_columns = "all"', 6, "'all' is not a policy; write ignore or add"),
    ('name = "shop"', 'name = "shop"\nnew_columns = "all"', 3, "'all' is not a policy"),
    ('cursor = "changed"', 'cursor_zone = "Europe/London"', 6, "not a fixed offset"),
    ("[tables.item]", '[limits]\nmargin = "10"\n[tables.item]', 5, "write 10s, 10min or 1h"),
    ("[tables.item]", "[limits]\nmargin = 10\n[tables.item]", 5, "write 10s, 10min or 1h"),
    ("[tables.item]", '[limits]\nmemory = "1 furlong"\n[tables.item]', 5, "write 256MB or 1GB"),
    ("[tables.item]", "[limits]\nmax_rows = 0\n[tables.item]", 5, "whole number above 0"),
    ("[tables.item]", "[limits]\nsweep_hold = 2\n[tables.item]", 5, "share between 0 and 1"),
    ("[tables.item]", "[warehouse]\ncalendar = [2100, 1900]\n[tables.item]", 5, "not two years"),
]


@pytest.mark.parametrize(("said", "instead", "line", "message"), MISTAKES)
def test_a_mistake_is_named_with_file_line_and_what_to_write(
    said: str, instead: str, line: int, message: str
) -> None:
    assert said in SMALL
    with pytest.raises(ConfigurationError) as raised:
        parse(SMALL.replace(said, instead, 1), "p.toml")
    assert raised.value.message.startswith(f"p.toml, line {line}: ")
    assert message in raised.value.message
    assert raised.value.hint == "edit p.toml, then: starlift run"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[source]\nname = shop\nx = 1\n", r"not TOML: .*line 2"),
        ('[source]\nname = "s"\n', r"no table is declared"),
        ('tables = 5\n[source]\nname = "s"\n', r"line 1: \[tables\] tables is not a table"),
        ('[source]\nname = "s"\n[tables]\nitem = 5\n', r"line 4: \[tables\.item\] is not a table"),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(text, "p.toml")

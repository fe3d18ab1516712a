"""A broken law keeps the batch out, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from starlift.adapters.postgres.laws import Law, read_laws
from starlift.errors import ConfigurationError, HeldError
from tests.load.batches import design
from tests.load.conftest import Star
from tests.postgres import PostgresForTests


def own_laws(star: Star, folder: Path, **laws: str) -> Star:
    """Put other laws beside the star's DDL."""
    (folder / "checks").mkdir()
    for name, text in laws.items():
        (folder / "checks" / f"{name}.sql").write_text(text)
    star.sql = folder
    return star


def test_a_broken_law_keeps_the_batch_out_by_name_with_the_first_rows(star: Star, tmp_path: Path) -> None:
    law = (
        "-- No design is Wooden.\nSELECT design_id AS id, design_name FROM dim_design WHERE design_id < 9;\n"
    )
    own_laws(star, tmp_path, no_wood=law, a_good_one="SELECT 1 WHERE false")
    with pytest.raises(HeldError) as held:
        star.load({"dim_design": [design(number) for number in range(1, 9)]})
    assert held.value.message == (
        "batch 1 breaks the law sql/checks/no_wood.sql: id=1, design_name=Wooden; "
        "id=2, design_name=Wooden; id=3, design_name=Wooden"
    )
    assert star.value("SELECT count(*) FROM dim_design") == 0
    assert star.value("SELECT count(*) FROM starlift.applied") == 0


def test_a_law_sees_the_number_of_its_batch_and_finds_both_schemas(star: Star, tmp_path: Path) -> None:
    law = (
        "SELECT count(*) FROM ledger, dim_design "
        "WHERE seq = current_setting('starlift.seq')::bigint HAVING count(*) = 1"
    )
    own_laws(star, tmp_path, sees=law)
    with pytest.raises(HeldError, match=r"sees\.sql: count=1"):
        star.load({"dim_design": [design(1)]})


def test_a_load_bounds_its_waits_and_lets_the_server_notice_its_death(
    star: Star, tmp_path: Path, postgres: PostgresForTests
) -> None:
    law = (
        "SELECT name, setting FROM pg_settings WHERE name IN ('client_connection_check_interval', "
        "'lock_timeout', 'statement_timeout') ORDER BY 1"
    )
    own_laws(star, tmp_path, settings=law)
    shown = "name=lock_timeout, setting=30000; name=statement_timeout, setting=900000"
    if postgres.version >= 14:
        shown = f"name=client_connection_check_interval, setting=5000; {shown}"
    with pytest.raises(HeldError, match=f"settings.sql: {shown}"):
        star.load({})


def test_a_load_has_nothing_compiled(star: Star, tmp_path: Path) -> None:
    """A server that compiles long queries would at each of a load, which are asked once."""
    own_laws(star, tmp_path, compiled="SELECT setting FROM pg_settings WHERE name = 'jit'")
    with pytest.raises(HeldError, match=r"compiled\.sql: setting=off"):
        star.load({})


def test_a_law_that_is_no_query_is_named(star: Star, tmp_path: Path) -> None:
    own_laws(star, tmp_path, wrong="SELECT nothing FROM dim_design")
    with pytest.raises(ConfigurationError, match=r'sql/checks/wrong\.sql: column "nothing" does not exist'):
        star.load({})


def test_laws_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_text("SELECT 2;\n")
    (tmp_path / "a.sql").write_bytes(b"\xef\xbb\xbf-- One.\r\nSELECT 1\r\n")
    assert read_laws(tmp_path) == (Law("a.sql", "-- One.\nSELECT 1"), Law("b.sql", "SELECT 2"))


def test_a_law_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"SELECT '\xff'")
    with pytest.raises(ConfigurationError, match=r"a\.sql: 'utf-8' codec"):
        read_laws(tmp_path)

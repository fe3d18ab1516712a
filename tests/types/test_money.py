"""Money is a number: the one that the source's own database takes it for, whatever others print."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from starlift.adapters.memory import MemoryLake
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from starlift.core.config import PipelineConfig, TableSpec
from starlift.core.manifest import Manifest
from starlift.errors import ConfigurationError
from starlift.stages import log
from starlift.stages.extract import Run, extract
from starlift.stages.source_rows import read_rows
from tests.postgres import PostgresForTests, SourceDatabase, connected, server_of_this_process

SPEC = TableSpec("price", ("price",), ("price", "others"), mode="xid")

LOCALES = {"ja_JP": ["1235", "-1"], "de_DE": ["1234.50", "-0.50"], "ar_KW": ["1234.500", "-0.500"]}
"""Locales whose money has 0, 2 and 3 decimals, and what they take 1234.50 and -0.50 for."""


@pytest.fixture(scope="module")
def abroad() -> Iterator[PostgresForTests]:
    """A server that knows these locales, which are compiled for it: few machines have them."""
    folder = Path(tempfile.mkdtemp(prefix="starlift-locales-"))
    folder.chmod(0o755)
    try:
        for name in LOCALES:
            command = ["localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                pytest.skip(f"localedef cannot make {name} here")
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("LOCPATH", str(folder))
            with server_of_this_process() as server:
                running = PostgresForTests(server)
                with connected(server.url()) as admin:
                    try:
                        admin.run(f"SET lc_monetary = '{next(iter(LOCALES))}.UTF-8'")
                    except DatabaseError:
                        pytest.skip("this server finds no locales by LOCPATH")
                yield running
                running.close()
    finally:
        shutil.rmtree(folder)


def landed(source: SourceDatabase, lake: MemoryLake) -> list[dict[str, object]]:
    """Return the rows of the newest batch, once the source was polled."""
    config = PipelineConfig("abroad", "public", "public", {"price": SPEC})
    with PostgresSource(Dsn.parse(source.reader)) as opened:
        extract(opened, lake, config, Run("run", "test"))
    seq = log.head(lake)[0]
    rows = read_rows(lake, Manifest.decode(log.read(lake, seq)), "price").typed
    return list(rows.select(["price", "others", "_key"]).to_pylist())


def prices(source: SourceDatabase, locale: str) -> None:
    """Let the database have this locale, and a table of prices."""
    with connected(source.admin) as admin:
        admin.run(f"ALTER DATABASE {source.name} SET lc_monetary = '{locale}'")
        admin.run(f"SET lc_monetary = '{locale}'")
        admin.run("CREATE TABLE price (price money PRIMARY KEY, others money[])")
        for value in ("1234.50", "-0.50"):
            admin.run(
                "INSERT INTO price SELECT m, ARRAY[m, NULL] FROM CAST(CAST(:v AS numeric) AS money) AS m",
                v=value,
            )
        admin.run("GRANT SELECT ON price TO starlift_source")


@pytest.mark.parametrize("locale", LOCALES)
def test_money_is_the_number_that_its_own_database_takes_it_for(
    abroad: PostgresForTests, locale: str
) -> None:
    with abroad.source() as source:
        prices(source, f"{locale}.UTF-8")
        rows = {row["price"]: row for row in landed(source, MemoryLake())}
        assert rows == {
            number: {"price": number, "others": f"{{{number},NULL}}", "_key": f"({number})"}
            for number in LOCALES[locale]
        }


def test_where_money_gets_other_decimals_the_table_is_read_whole(abroad: PostgresForTests) -> None:
    lake = MemoryLake()
    with abroad.source() as source:
        prices(source, "de_DE.UTF-8")
        landed(source, lake)
        with connected(source.admin) as admin:
            admin.run(f"ALTER DATABASE {source.name} SET lc_monetary = 'ja_JP.UTF-8'")
        assert {row["price"] for row in landed(source, lake)} == {"123450", "-50"}


@pytest.mark.parametrize(
    "kind",
    ["priced", "priced[]", "inside", "moneys", "cash[]"],
    ids=lambda kind: kind.replace("[]", " array"),
)
def test_a_type_with_money_inside_is_refused(postgres: PostgresForTests, kind: str) -> None:
    with postgres.source() as source:
        with connected(source.admin) as admin:
            admin.run(
                "CREATE DOMAIN cash AS money; CREATE TYPE priced AS (what text, price cash);"
                "CREATE TYPE inside AS (deep priced[]); CREATE TYPE moneys AS RANGE (subtype = money);"
                f"CREATE TABLE price (price cash PRIMARY KEY, others {kind})"
            )
            admin.run("GRANT SELECT ON price TO starlift_source")
        with pytest.raises(ConfigurationError, match=r"price\.others is .* holding money, which is refused"):
            landed(source, MemoryLake())

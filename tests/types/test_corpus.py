"""The law of the type contract: a value arrives unchanged or is quarantined by name; nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core.types import column_type
from tests.postgres import PostgresForTests, connected, server_of_this_process, wheel_server
from tests.types.corpus import CASES, NEWER
from tests.types.document import FILE, MADE_ON, document
from tests.types.journey import Journey, travel
from tests.versions.choice import chosen


@pytest.fixture(scope="module")
def journey(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Every value's way through the pipeline, made once."""
    engine = DuckDBEngine()
    yield travel(postgres, tmp_path_factory.mktemp("sql"), engine)
    engine.close()


def test_the_corpus_holds_values_of_every_type(journey: Journey) -> None:
    met = {outcome.case for outcome in journey.dimension if outcome.value is not None}
    # PostgreSQL may be built without libxml
    assert {case.type for case in CASES if case not in met and case.since <= journey.version} <= {"xml"}


def test_every_value_arrives_unchanged_or_is_quarantined_by_name(journey: Journey) -> None:
    for outcome in (*journey.dimension, *journey.fact):
        assert outcome.unchanged != bool(outcome.reason), outcome
        if outcome.reason:
            shown = f"column {outcome.column}: '{outcome.value}' is not {outcome.type}"
            assert outcome.reason == shown
            assert outcome.arrived is None


@pytest.fixture
def newest() -> Iterator[PostgresForTests]:
    """The wheel's server, where the tests run on another."""
    if chosen() is None:
        pytest.skip("the tests run on the wheel's PostgreSQL: there is no other version to travel to")
    with server_of_this_process(wheel_server) as server:
        running = PostgresForTests(server)
        yield running
        running.close()


def test_between_servers_of_two_versions_too(
    postgres: PostgresForTests, newest: PostgresForTests, tmp_path: Path
) -> None:
    """What an older warehouse cannot read is quarantined as well, by the star's column."""
    engine = DuckDBEngine()
    for number, (source, warehouse) in enumerate(((postgres, newest), (newest, postgres))):
        folder = tmp_path / str(number)
        folder.mkdir()
        for outcome in travel(source, folder, engine, warehouse).dimension:
            assert outcome.unchanged != bool(outcome.reason), outcome
            assert not outcome.reason or outcome.column in outcome.reason
    engine.close()


def test_only_typed_columns_quarantine(journey: Journey) -> None:
    refusing = {outcome.type for outcome in journey.dimension if outcome.reason}
    assert {column_type(kind).arrow for kind in refusing} == {
        "decimal128",
        "date32",
        "time64",
        "timestamp",
        "timestamptz",
    }


def test_null_arrives_as_null_and_the_empty_text_as_the_empty_text(journey: Journey) -> None:
    nulls = [outcome for outcome in journey.dimension if outcome.value is None]
    assert {outcome.case for outcome in nulls} == {c for c in CASES if c.since <= journey.version}
    assert all(outcome.arrived is None and not outcome.reason for outcome in nulls)
    assert {o.case.type for o in journey.fact if o.value == "" == o.arrived} >= {
        "text",
        "mood",
        "bit varying",
    }


def test_loading_the_same_values_again_finds_each_unchanged(journey: Journey) -> None:
    """Also values of the types without an equality: json, xml, point."""
    arrived = sum(outcome.unchanged for outcome in journey.dimension)
    for counts in journey.again.star.values():
        assert (counts.unchanged, counts.inserted, counts.updated, counts.versions) == (arrived, 0, 0, 0)


def test_an_older_server_lacks_what_the_document_says(postgres: PostgresForTests) -> None:
    tried = [(case.since, case.type, None) for case in CASES if case.since > 13]
    with postgres.source() as source, connected(source.admin) as admin:
        for since, kind, value in (*tried, *NEWER):
            lacks: AbstractContextManager[Any] = pytest.raises(DatabaseError)
            with lacks if postgres.version < since else nullcontext():
                admin.run(f"SELECT CAST(CAST(:value AS text) AS {kind})::text", value=value)


def test_the_document_tells_the_table_and_these_outcomes(journey: Journey) -> None:
    if journey.version != MADE_ON:
        pytest.skip(f"docs/types.md tells of PostgreSQL {MADE_ON}, this is {journey.version}")
    assert FILE.read_text(encoding="utf-8") == document(journey), "write it: python -m tests.types.document"

"""One load at a time, each batch after its predecessor, wholly or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest

from starlift.errors import ConfigurationError, HeldError, LostRace, UnavailableError
from starlift.ports import Batch, Loaded
from tests.load.batches import History, design, sale, staff, table
from tests.load.conftest import Star
from tests.postgres import WarehouseDatabase, connected, end_sessions

LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('starlift writes starlift', 0))"
APPLY = """
INSERT INTO starlift.applied (seq, kind, manifest_sha256, clock, counts)
VALUES (1, 'incremental', :digest, now(), '{}')
"""


def outcome(star: Star, batch: Batch) -> Loaded | LostRace:
    try:
        return star.apply(batch)
    except LostRace as lost:
        return lost


def test_of_two_loads_at_once_one_applies_the_batch_and_the_other_loses(star: Star) -> None:
    rows = table("dim_design", [design(number) for number in range(2000)])
    batch = star.history.batch({"dim_design": rows})
    both = replace(batch, star={"dim_design": [rows]}), replace(batch, star={"dim_design": [rows]})
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda given: outcome(star, given), both)
    assert sorted(type(found).__name__ for found in (first, second)) == ["Loaded", "LostRace"]
    assert star.value("SELECT count(*) FROM dim_design") == 2000


def test_a_load_that_cannot_get_the_lock_in_time_loses(star: Star) -> None:
    with connected(star.database.owner) as other:
        other.run("BEGIN")
        assert other.run(LOCK) == [[True]]
        with pytest.raises(LostRace, match="another load holds the lock of schema starlift"):
            star.waiting(0.3).load({})


def test_a_load_waits_for_a_lock_that_is_given_back_in_time(star: Star) -> None:
    with connected(star.database.owner) as other:
        other.run("BEGIN")
        other.run(LOCK)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(star.load, {"dim_design": [design(1)]})
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            other.run("COMMIT")
            assert waiting.result(timeout=5).seq == 1


def test_a_race_is_lost_as_such_whatever_isolation_the_role_defaults_to(star: Star) -> None:
    """The trap: in repeatable read the load does not see what was applied while it waited."""
    batch = star.history.batch({"dim_design": [design(1)]})
    star.rows("ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'repeatable read'")
    try:
        with connected(star.database.owner) as rival, ThreadPoolExecutor() as pool:
            rival.run("BEGIN")
            rival.run(LOCK)
            waiting = pool.submit(star.apply, batch)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1)
            rival.run(APPLY, digest=batch.manifest_sha256)
            rival.run("COMMIT")
            with pytest.raises(LostRace, match="batch 1 is applied already"):
                waiting.result(timeout=10)
    finally:
        star.rows("ALTER ROLE CURRENT_USER RESET default_transaction_isolation")


def test_a_batch_that_is_applied_already_is_lost_without_a_change(star: Star) -> None:
    batch = star.history.batch({"dim_design": [design(1)]})
    star.apply(batch)
    with pytest.raises(LostRace, match="batch 1 is applied already"):
        star.apply(batch)


def test_a_batch_from_another_lake_is_held(star: Star) -> None:
    star.load({})
    star.load({})
    other = History("elsewhere")
    first, second, third = (other.batch() for _ in range(3))
    for batch in (first, second, third):
        with pytest.raises(HeldError, match="does not belong to this warehouse"):
            star.apply(batch)


def test_a_first_batch_that_names_a_predecessor_is_held(star: Star) -> None:
    star.history.previous = "a" * 64
    with pytest.raises(HeldError, match="does not belong"):
        star.load({})


def test_a_gap_in_the_numbers_is_held(star: Star) -> None:
    star.load({})
    star.history.batch()
    with pytest.raises(HeldError, match="batch 3 cannot be applied: the warehouse has come to batch 1"):
        star.load({})


def test_what_is_applied_is_remembered_with_its_counts(star: Star) -> None:
    with star.open() as warehouse:
        assert warehouse.applied() is None
    batch = star.history.batch({"dim_design": [design(1)]}, kind="bootstrap")
    star.apply(batch)
    with star.open() as warehouse:
        applied = warehouse.applied()
    assert applied is not None
    assert (applied.seq, applied.kind, applied.manifest_sha256) == (1, "bootstrap", batch.manifest_sha256)
    assert applied.complete_to == "2024-11-22 10:01:00.000000+00:00"
    assert applied.applied_at.endswith("+00:00")
    counts = star.value("SELECT counts FROM starlift.applied")
    assert counts["star"]["dim_design"]["inserted"] == 1
    assert (counts["quarantined"], counts["inferred"], counts["rejected"]) == (0, 0, {})


def test_a_batch_whose_completeness_is_unknown_is_remembered_so(star: Star) -> None:
    batch = star.history.batch()
    star.apply(replace(batch, manifest=replace(batch.manifest, complete_to=None)))
    with star.open() as warehouse:
        applied = warehouse.applied()
    assert applied is not None
    assert applied.complete_to is None


def test_a_load_killed_in_the_middle_of_a_copy_leaves_nothing(star: Star) -> None:
    """The trap: half of the rows are on the server, and its session dies."""
    rows = table("dim_design", [design(number) for number in range(100)])
    half_way = threading.Event()

    def files() -> Iterator[pa.Table]:
        yield rows.slice(0, 50)
        half_way.set()
        with connected(star.database.admin) as admin:
            end_sessions(admin, "starlift load")
        yield rows.slice(50)

    batch = star.history.batch({"dim_design": rows})
    with star.open() as warehouse:
        with pytest.raises(UnavailableError):
            warehouse.apply(replace(batch, star={"dim_design": files()}))
        assert half_way.is_set()
        assert warehouse.applied() is None
        assert star.value("SELECT count(*) FROM dim_design") == 0
        assert warehouse.apply(replace(batch, star={"dim_design": [rows]})).star["dim_design"].inserted == 100


def test_a_lake_that_fails_in_the_middle_leaves_nothing_and_the_lock_free(star: Star) -> None:
    rows = table("dim_design", [design(1)])

    def files() -> Iterator[pa.Table]:
        yield rows
        raise UnavailableError("the lake is gone")

    batch = star.history.batch({"dim_design": rows})
    with star.open() as warehouse:
        with pytest.raises(UnavailableError, match="the lake is gone"):
            warehouse.apply(replace(batch, star={"dim_design": files()}))
        assert warehouse.apply(replace(batch, star={"dim_design": [rows]})).seq == 1


def test_rows_of_a_table_without_a_model_are_held(star: Star) -> None:
    batch = star.history.batch({"dim_design": [design(1)]})
    with pytest.raises(HeldError, match="rows of dim_design but no such model"):
        star.apply(replace(batch, manifest=replace(batch.manifest, models=())))


def test_a_warehouse_that_is_not_migrated_says_so(empty_warehouse: WarehouseDatabase) -> None:
    star = Star(empty_warehouse)
    with star.open() as warehouse:
        for call in (warehouse.applied, warehouse.status, lambda: warehouse.apply(star.history.batch())):
            with pytest.raises(ConfigurationError, match="not migrated") as refused:
                call()
            assert refused.value.hint == "starlift migrate"


def test_a_star_table_that_was_never_made_is_named(star: Star) -> None:
    star.rows("DROP TABLE dim_design CASCADE")
    with pytest.raises(ConfigurationError, match=r"star table public\.dim_design does not exist"):
        star.load({"dim_design": [design(1)]})


def test_what_the_warehouse_s_server_was_not_built_for_is_a_fault_of_the_ddl(star: Star) -> None:
    """As any xml is to a server without libxml."""
    star.rows(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE 'unsupported XML feature' USING ERRCODE = '0A000', DETAIL = 'needs libxml'; END$$"
    )
    star.rows("CREATE TRIGGER no BEFORE INSERT ON dim_design FOR EACH ROW EXECUTE FUNCTION no()")
    with pytest.raises(ConfigurationError, match=r"cannot do what batch 1 needs: unsupported XML.*libxml"):
        star.load({"dim_design": [design(1)]})


def test_a_refusal_of_rows_of_several_batches_names_the_constraint_and_not_what_is_in_them(
    star: Star,
) -> None:
    star.rows("ALTER TABLE dim_staff ADD CONSTRAINT one_inbox UNIQUE (email_address)")
    star.load({"dim_staff": [staff(1, email_address="ann@home")]})
    with pytest.raises(HeldError, match=r"batch 2 is refused .*one_inbox") as held:
        star.load({"dim_staff": [staff(2, email_address="ann@home")]})
    assert "ann@home" not in held.value.message
    assert "Franey" not in held.value.message


def test_a_role_without_privileges_is_refused_with_the_script_to_run(star: Star) -> None:
    stranger = replace(star, database=replace(star.database, owner=star.database.analyst))
    with pytest.raises(UnavailableError) as refused:
        stranger.migrate()
    assert "sql/roles/warehouse.sql" in refused.value.hint


def test_a_reader_sees_the_batch_before_until_the_next_one_is_whole(star: Star) -> None:
    star.load({"dim_design": [design(1)], "fact_sales_order": [sale(1)]})
    seen: list[object] = []

    def files() -> Iterator[pa.Table]:
        yield table("fact_sales_order", [sale(2)])
        seen.append(star.rows("SELECT count(*) FROM fact_sales_order"))

    batch = star.history.batch({"fact_sales_order": [sale(2)]})
    star.apply(replace(batch, star={"fact_sales_order": files()}))
    assert seen == [[[1]]]
    assert star.value("SELECT count(*) FROM fact_sales_order") == 2

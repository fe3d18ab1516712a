"""What a poll reads and where the next one starts, decided without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from starlift.core import polling
from starlift.core.config import Limits, TableSpec
from starlift.core.manifest import Column, TableState
from starlift.core.polling import Measure, Reached
from starlift.core.source_check import SourceTable
from starlift.core.units import instant

SPEC = TableSpec("item", ("id",), ("id", "name"), cursor="changed")
COLUMNS = (
    Column("id", "integer"),
    Column("name", "text"),
    Column("changed", "timestamp(3) without time zone"),
)
FOUND = SourceTable("item", "r", COLUMNS, frozenset({frozenset({"id"})}), (100, 101), 8192)
T0, T1 = "2024-01-01 12:00:00.000000+00:00", "2024-01-01 13:30:00.500000+00:00"
STATE = TableState(
    "xid",
    ("id", "name"),
    (100, 101),
    W=T0,
    px="50",
    px_at=T0,
    count=3,
    overlap={"xid": (1, "9"), "time": (2, "7")},
)


def test_a_table_no_manifest_knows_is_read_whole() -> None:
    assert polling.plan(SPEC, None, FOUND, "xid").passes == {"whole"}


VIEW = replace(FOUND, kind="v")


def test_a_view_is_read_whole_and_then_by_time_and_never_by_xid() -> None:
    assert polling.plan(SPEC, None, VIEW, "timestamp").passes == {"whole"}
    first = polling.plan(SPEC, None, VIEW, "timestamp")
    assert polling.following(first, "timestamp", "60", T1).keys() == {"time"}
    seen = polling.advance(first, None, Reached(T1, "60", T1), Measure({}, {"time": (0, "0")}, 3))
    assert (seen.px, seen.px_at, seen.complete_to) == (None, None, T1)
    read = polling.plan(SPEC, seen, VIEW, "timestamp")
    assert polling.with_xid_pass(read, seen, T1, timedelta()).passes == {"time"}


def test_a_view_without_a_watermark_is_read_whole_again() -> None:
    assert polling.plan(SPEC, replace(STATE, W=None, px=None), VIEW, "timestamp").passes == {"whole"}


def test_a_known_table_is_read_by_its_mode() -> None:
    assert polling.plan(SPEC, STATE, FOUND, "xid").passes == {"xid"}
    assert polling.plan(SPEC, STATE, FOUND, "timestamp").passes == {"time"}


def test_timestamp_mode_without_a_watermark_reads_by_xid() -> None:
    assert polling.plan(SPEC, replace(STATE, W=None), FOUND, "timestamp").passes == {"xid"}


def test_a_new_leaf_is_read_whole_beside_the_pass() -> None:
    read = polling.plan(SPEC, replace(STATE, relations=(100,)), FOUND, "xid")
    assert read.new_relations == (101,)
    assert not polling.unchanged(read, STATE, Measure({"xid": (1, "9")}, {}, 3))


@pytest.mark.parametrize(("every", "passes"), [(1, {"time", "xid"}), (2, {"time"})])
def test_timestamp_mode_adds_a_pass_by_xid_when_px_is_old(every: int, passes: set[str]) -> None:
    read = polling.plan(SPEC, STATE, FOUND, "timestamp")
    assert polling.with_xid_pass(read, STATE, T1, timedelta(hours=every)).passes == passes


def test_a_pass_by_xid_is_added_to_reads_by_time_only() -> None:
    read = polling.plan(SPEC, STATE, FOUND, "xid")
    assert polling.with_xid_pass(read, STATE, T1, timedelta()) == read


def test_a_relation_that_vanished_is_noticed() -> None:
    assert not polling.gone_relations(STATE, (100, 101, 102))
    assert polling.gone_relations(STATE, (100, 102))


@pytest.mark.parametrize("xmin", ["50", "51", str(50 + 2**30 - 1)])
def test_a_horizon_ahead_within_reach_goes_on(xmin: str) -> None:
    assert polling.beyond_horizon({"item": STATE, "view": replace(STATE, px=None)}, xmin) == ()


def test_a_horizon_that_ran_away_has_its_table_read_whole() -> None:
    states = {"item": STATE, "late": replace(STATE, px="60")}
    assert polling.beyond_horizon(states, str(50 + 2**30)) == ("item",)


def test_a_horizon_that_went_back_has_every_table_read_whole() -> None:
    states = {"item": STATE, "early": replace(STATE, px="40"), "view": replace(STATE, px=None)}
    assert polling.beyond_horizon(states, "49") == ("item", "early", "view")


def test_rows_that_are_asked_for_by_key_are_read_beside_the_pass_and_foretell_nothing() -> None:
    read = replace(polling.plan(SPEC, STATE, FOUND, "xid"), keys=("(7)",))
    assert not polling.unchanged(read, STATE, Measure({"xid": (1, "9")}, {}, 3))
    assert polling.following(read, "xid", "60", None)["xid"].keys == ()
    assert read.only("xid").keys == ()


def watermark(previous: str | None, clock: str, oldest: str | None) -> str:
    return polling.watermark(previous, clock, oldest, timedelta(seconds=10))


def test_the_watermark_stays_a_margin_behind_the_clock_and_the_oldest_transaction() -> None:
    assert watermark(None, T1, None) == "2024-01-01 13:29:50.000000+00:00"
    assert watermark(None, T1, "2024-01-01 12:59:59.900000+00:00") == "2024-01-01 12:59:49.000000+00:00"


def test_the_watermark_never_moves_back() -> None:
    assert watermark(T1, T0, None) == T1


def test_the_watermark_is_cut_below_any_rounding_of_the_cursor() -> None:
    assert instant(watermark(None, "2024-01-01 12:00:10.999999+00:00", None)).microsecond == 0


@pytest.mark.parametrize(
    ("spec", "sound", "moves"),
    [(SPEC, True, True), (SPEC, False, False), (replace(SPEC, cursor=None), True, False)],
)
def test_the_watermark_moves_only_on_a_sound_barrier_and_with_a_cursor(
    spec: TableSpec, sound: bool, moves: bool
) -> None:
    moved = polling.next_watermark(spec, STATE, (T1, None), sound, Limits())
    assert (moved != STATE.W) is moves
    assert polling.next_watermark(spec, None, (T1, None), False, Limits()) is None


def test_what_the_next_poll_reads_again_is_measured_for_the_passes_that_moved() -> None:
    by_xid = polling.plan(SPEC, STATE, FOUND, "xid")
    assert {kind: part.px for kind, part in polling.following(by_xid, "xid", "60", T1).items()} == {
        "xid": "60"
    }
    by_time = polling.plan(SPEC, STATE, FOUND, "timestamp")
    assert {kind: part.W for kind, part in polling.following(by_time, "timestamp", "60", T1).items()} == {
        "time": T1
    }
    assert polling.following(by_time, "timestamp", "60", None) == {}


XID_READ = polling.plan(SPEC, STATE, FOUND, "xid")


def test_a_poll_that_sees_what_was_foretold_is_unchanged() -> None:
    assert polling.unchanged(XID_READ, STATE, Measure({"xid": (1, "9")}, {}, 3))


@pytest.mark.parametrize(
    "measure",
    [Measure({"xid": (2, "9")}, {}, 3), Measure({"xid": (1, "8")}, {}, 3), Measure({"xid": (1, "9")}, {}, 2)],
)
def test_another_count_or_sum_of_the_overlap_or_of_the_table_is_a_change(measure: Measure) -> None:
    assert not polling.unchanged(XID_READ, STATE, measure)


def test_a_whole_read_is_always_a_change() -> None:
    assert not polling.unchanged(polling.plan(SPEC, None, FOUND, "xid"), None, Measure({}, {}, 3))


def test_px_moves_in_a_read_by_xid_and_completes_the_table_to_the_clock() -> None:
    moved = polling.advance(XID_READ, STATE, Reached(T1, "60", T1), Measure({}, {"xid": (0, "0")}, 4))
    assert (moved.px, moved.px_at, moved.W, moved.complete_to, moved.count) == ("60", T1, T1, T1, 4)
    assert moved.overlap == {"xid": (0, "0")}


def test_px_and_its_digest_stay_in_a_read_by_time_which_completes_to_the_watermark() -> None:
    read = polling.plan(SPEC, STATE, FOUND, "timestamp")
    W = "2024-01-01 13:29:50.000000+00:00"  # noqa: N806 - the protocol's name
    moved = polling.advance(read, STATE, Reached(T1, "60", W), Measure({}, {"time": (5, "5")}, None))
    assert (moved.px, moved.px_at, moved.W, moved.complete_to, moved.count) == ("50", T0, W, W, 3)
    assert moved.overlap == {"xid": (1, "9"), "time": (5, "5")}


def test_a_table_without_state_starts_from_what_was_read() -> None:
    read = polling.plan(SPEC, None, FOUND, "xid")
    moved = polling.advance(read, None, Reached(T1, "60", None), Measure({}, {"xid": (0, "0")}, 4))
    assert (moved.px, moved.W, moved.columns) == ("60", None, ("id", "name"))

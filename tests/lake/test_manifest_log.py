"""The log of manifests: where its head is, who wins a number, and that what is read is what was written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.manifest import sha256
from starlift.errors import HeldError, LostRace, UnavailableError
from starlift.stages import log

PART = "data/payment/seq=00000000000000000001/run-00000.jsonl.zst"


class CountingLake(MemoryLake):
    """Counts what a lake is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0

    def get(self, key: str) -> bytes | None:
        self.gets += 1
        return super().get(key)


class AnswerLost(MemoryLake):
    """Stores and reports the key as taken, as S3 does when the client had to try twice."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        super().put_if_absent(key, data)
        return False


class HintRefused(MemoryLake):
    """Lets nobody replace an object."""

    def put(self, key: str, data: bytes) -> None:  # noqa: ARG002
        raise UnavailableError(f"cannot write {key}", "allow it, then: starlift run")


class TakenAndGone(MemoryLake):
    """Reports a key as taken that a reader then does not find."""

    def put_if_absent(self, key: str, data: bytes) -> bool:  # noqa: ARG002
        return False


def manifest(seq: int) -> bytes:
    return b'{"seq":%d}\n' % seq


def filled(lake: MemoryLake, last: int) -> MemoryLake:
    for seq in range(1, last + 1):
        log.commit(lake, seq, manifest(seq))
    return lake


def test_an_empty_lake_has_head_zero() -> None:
    assert log.head(MemoryLake()) == (0, None)


def test_the_head_is_the_last_manifest_committed() -> None:
    lake = MemoryLake()
    for seq in range(1, 12):
        log.commit(lake, seq, manifest(seq))
        assert log.head(lake) == (seq, manifest(seq))


def test_a_right_hint_makes_the_head_cost_three_gets_however_long_the_log() -> None:
    lake = CountingLake()
    filled(lake, 500)
    lake.gets = 0

    assert log.head(lake)[0] == 500
    assert lake.gets == 3


@pytest.mark.parametrize(
    "hint",
    [
        b"",
        b"0",
        b"-1",
        b"2",
        b"4\n",
        b" 5 ",
        b"6",
        b"999",
        b"9" * 20,
        b"9" * 5000,
        b"1e0",
        b"\xff\xfe5",
        "٣".encode(),
        b'{"seq":5}',
    ],
    ids=lambda hint: ascii(hint)[:20],
)
def test_a_wrong_hint_does_not_change_the_head(hint: bytes) -> None:
    lake = filled(MemoryLake(), 5)
    lake.put(paths.HEAD, hint)

    assert log.head(lake) == (5, manifest(5))


def test_a_missing_hint_does_not_change_the_head() -> None:
    lake = MemoryLake()
    for seq in range(1, 13):
        assert lake.put_if_absent(paths.manifest(seq), manifest(seq))

    assert log.head(lake) == (12, manifest(12))


def test_a_hint_in_a_lake_without_manifests_leads_nowhere() -> None:
    lake = MemoryLake()
    lake.put(paths.HEAD, b"7")

    assert log.head(lake) == (0, None)


def test_a_hint_that_lags_far_behind_costs_a_listing_and_not_a_walk() -> None:
    lake = CountingLake()
    filled(lake, 1000)
    lake.put(paths.HEAD, b"1")
    lake.gets = 0

    assert log.head(lake) == (1000, manifest(1000))
    assert lake.gets < 110


@pytest.mark.parametrize("hint", [None, b"garbage", b"999"], ids=ascii)
def test_a_hint_that_leads_nowhere_costs_a_listing_and_not_a_walk(hint: bytes | None) -> None:
    lake = CountingLake()
    for seq in range(1, 91):
        lake.put_if_absent(paths.manifest(seq), manifest(seq))
    if hint:
        lake.put(paths.HEAD, hint)

    assert log.head(lake) == (90, manifest(90))
    assert lake.gets <= 4


@pytest.mark.parametrize("lag", [98, 99, 100, 101, 102])
def test_the_head_is_found_at_the_very_step_where_the_walk_gives_up(lag: int) -> None:
    lake = filled(MemoryLake(), 1 + lag)
    lake.put(paths.HEAD, b"1")

    assert log.head(lake) == (1 + lag, manifest(1 + lag))


def test_only_manifests_count_in_a_listing() -> None:
    lake = MemoryLake()
    lake.put_if_absent(paths.manifest(1), manifest(1))
    for stray in ("manifests/9.json", f"{paths.manifest(9)}.bak", f"manifests/old/{9:020}.json"):
        lake.put(stray, b"{}")

    assert log.head(lake) == (1, manifest(1))


def test_a_run_killed_between_manifest_and_hint_has_committed() -> None:
    lake = filled(MemoryLake(), 3)
    lake.put_if_absent(paths.manifest(4), manifest(4))

    assert log.head(lake) == (4, manifest(4))


def test_a_commit_stores_the_manifest_and_moves_the_hint() -> None:
    lake = filled(MemoryLake(), 2)

    assert lake.get("manifests/00000000000000000002.json") == manifest(2)
    assert lake.get("manifests/head") == b"2\n"


def test_a_commit_whose_answer_was_lost_is_a_commit() -> None:
    lake = AnswerLost()

    log.commit(lake, 1, manifest(1))

    assert log.head(lake) == (1, manifest(1))
    assert lake.get(paths.HEAD) == b"1\n"


def test_a_number_that_another_run_took_is_a_lost_race_that_changes_nothing() -> None:
    lake = filled(MemoryLake("ingestion"), 2)
    lake.put(paths.HEAD, b"1\n")

    with pytest.raises(LostRace) as lost:
        log.commit(lake, 2, b"mine")

    assert lost.value.message == "another run has committed batch 2 to the lake memory://ingestion"
    assert lost.value.hint.endswith(": starlift status")
    assert lake.get(paths.manifest(2)) == manifest(2)
    assert lake.get(paths.HEAD) == b"1\n"


def test_of_many_runs_that_commit_a_number_one_wins_and_the_others_lose_the_race() -> None:
    lake = MemoryLake()

    def run(number: int) -> bool:
        try:
            log.commit(lake, 1, manifest(number))
        except LostRace:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(run, range(16)))

    assert won.count(True) == 1
    assert log.head(lake) == (1, manifest(won.index(True)))


def test_a_hint_that_cannot_be_written_is_a_warning_and_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lake = HintRefused()

    with caplog.at_level(logging.WARNING):
        log.commit(lake, 1, manifest(1))

    assert log.head(lake) == (1, manifest(1))
    assert "hint stays behind batch 1: cannot write manifests/head" in caplog.text
    assert caplog.messages[0].endswith(": starlift run")


def test_a_number_that_is_taken_by_nothing_to_be_seen_is_an_error_and_no_commit() -> None:
    with pytest.raises(UnavailableError, match="is missing from the lake"):
        log.commit(TakenAndGone(), 1, manifest(1))


def test_a_manifest_that_must_be_there_and_is_not_is_named_with_its_lake() -> None:
    lake = filled(MemoryLake("processed"), 3)

    assert log.read(lake, 3) == manifest(3)
    with pytest.raises(UnavailableError) as error:
        log.read(lake, 4)

    assert error.value.message == (
        "manifest manifests/00000000000000000004.json is missing from the lake memory://processed"
    )
    assert error.value.hint.endswith("starlift run")


def test_what_follows_is_read_in_order_up_to_the_head() -> None:
    lake = filled(MemoryLake(), 11)

    assert list(log.following(lake, 8)) == [(seq, manifest(seq)) for seq in (9, 10, 11)]
    assert list(log.following(lake, 11)) == []
    assert list(log.following(MemoryLake(), 0)) == []


def test_a_data_object_reads_back_as_it_was_stored() -> None:
    lake = MemoryLake()

    file = log.store(lake, "payment", PART, b"a row\n", rows=1)

    assert (file.table, file.key, file.bytes, file.rows) == ("payment", PART, 6, 1)
    assert file.sha256 == sha256(b"a row\n")
    assert log.fetch(lake, file) == b"a row\n"


def test_to_store_equal_bytes_again_is_no_error_and_other_bytes_are_held() -> None:
    lake = MemoryLake()
    file = log.store(lake, "payment", PART, b"a row\n", rows=1)

    assert log.store(lake, "payment", PART, b"a row\n", rows=1) == file
    with pytest.raises(HeldError, match=PART):
        log.store(lake, "payment", PART, b"b row\n", rows=1)

    assert log.fetch(lake, file) == b"a row\n"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-1], "has 5 bytes instead of 6"),
        (lambda data: data + b"\n", "has 7 bytes instead of 6"),
        (lambda data: b"b" + data[1:], "has other content than was written"),
    ],
    ids=["cut", "longer", "altered"],
)
def test_a_damaged_data_object_is_held_by_name(damage: Callable[[bytes], bytes], said: str) -> None:
    lake = MemoryLake("ingestion")
    file = log.store(lake, "payment", PART, b"a row\n", rows=1)
    lake.put(PART, damage(b"a row\n"))

    with pytest.raises(HeldError) as held:
        log.fetch(lake, file)

    assert held.value.message == (f"object {PART} of table payment in the lake memory://ingestion {said}")
    assert held.value.hint.endswith("starlift run")


def test_a_missing_data_object_is_held_by_name() -> None:
    lake = MemoryLake("ingestion")
    file = replace(log.store(lake, "payment", PART, b"a row\n", rows=1), key=PART + ".gone")

    with pytest.raises(HeldError, match=r"\.gone of table payment in the lake .* is missing"):
        log.fetch(lake, file)

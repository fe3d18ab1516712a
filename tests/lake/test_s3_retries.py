"""What may pass is tried again, up to an end: lost answers, broken bodies, conflicts, moments of trouble."""

from __future__ import annotations

from itertools import repeat

import boto3
import pytest
from botocore.config import Config

from starlift.adapters.s3 import S3Lake
from starlift.stages import log
from tests.lake.s3_calls import calls_on, error_of
from tests.s3_door import Fault, Refusal, S3Door

BUSY = Refusal(409, "ConditionalRequestConflict")


def test_a_put_whose_answer_was_lost_reports_a_taken_key_that_holds_its_bytes(
    s3_lake: S3Lake, s3_door: S3Door
) -> None:
    s3_door.plan(["lose the answer"])

    assert s3_lake.put_if_absent("manifests/1.json", b"mine") is False

    assert s3_lake.get("manifests/1.json") == b"mine"


def test_a_commit_whose_answer_was_lost_is_a_commit(s3_lake: S3Lake, s3_door: S3Door) -> None:
    s3_door.plan(["lose the answer"])

    log.commit(s3_lake, 1, b"{}\n")

    assert log.head(s3_lake) == (1, b"{}\n")


def test_a_conflict_with_another_put_under_way_is_tried_again(s3_lake: S3Lake, s3_door: S3Door) -> None:
    s3_door.plan([BUSY, BUSY, Refusal(409)])

    assert s3_lake.put_if_absent("manifests/1.json", b"x") is True

    assert len(s3_door.requests) == 4


def test_a_conflict_that_never_ends_is_an_error(s3_lake: S3Lake, s3_door: S3Door) -> None:
    s3_door.plan(repeat(BUSY))

    error = error_of(lambda: s3_lake.put_if_absent("manifests/1.json", b"x"))

    assert "ConditionalRequestConflict" in error.message
    assert len(s3_door.requests) == 5
    s3_door.plan([])
    assert s3_lake.get("manifests/1.json") is None


PASSING: list[Fault] = [
    "drop the request",
    "lose the answer",
    Refusal(500, "InternalError", "We encountered an internal error. Please try again."),
    Refusal(503, "SlowDown", "Please reduce your request rate."),
    Refusal(503),
    Refusal(400, "RequestTimeout", "Your socket connection to the server was not read from or written to."),
]
"""What befalls any request now and then."""


@pytest.mark.parametrize("fault", [*PASSING, "cut the body", "alter the body"], ids=str)
def test_an_object_is_read_again_where_that_failed_in_passing(
    s3_lake: S3Lake, s3_door: S3Door, fault: Fault
) -> None:
    data = bytes(range(256)) * 1000
    s3_lake.put("data/a", data)
    s3_door.plan([fault])

    assert s3_lake.get("data/a") == data

    assert len(s3_door.requests) == 2


@pytest.mark.parametrize("fault", ["cut the body", "alter the body"])
def test_an_object_that_is_not_there_is_asked_for_again_where_the_answer_was_broken(
    s3_lake: S3Lake, s3_door: S3Door, fault: Fault
) -> None:
    s3_door.plan([fault])

    assert s3_lake.get("data/a") is None

    assert len(s3_door.requests) == 2


@pytest.mark.parametrize("fault", [*PASSING, "cut the body"], ids=str)
def test_a_page_of_a_listing_is_asked_for_again_where_that_failed_in_passing(
    s3_lake: S3Lake, s3_door: S3Door, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    keys = [f"manifests/{number}.json" for number in range(5)]
    for key in keys:
        s3_lake.put(key, b"")
    s3_door.plan([None, fault])

    assert list(s3_lake.keys("manifests/")) == keys

    assert len(s3_door.requests) == 4


@pytest.mark.parametrize("fault", [*PASSING, "alter the upload"], ids=str)
def test_an_object_is_written_again_where_that_failed_in_passing(
    s3_lake: S3Lake, s3_door: S3Door, fault: Fault
) -> None:
    s3_door.plan([fault])
    # False: the answer was lost, and the second try found the first one's object
    assert s3_lake.put_if_absent("manifests/1.json", b"first") is (fault != "lose the answer")
    assert len(s3_door.requests) == 2

    s3_door.plan([fault])
    s3_lake.put("manifests/head", b"second")

    assert s3_lake.get("manifests/1.json") == b"first"
    assert s3_lake.get("manifests/head") == b"second"


def test_a_server_that_does_not_answer_in_time_is_asked_again_and_then_given_up(
    bucket: str, s3_door: S3Door
) -> None:
    config = Config(read_timeout=0.3, retries={"mode": "standard"})
    lake = S3Lake(f"s3://{bucket}", boto3.session.Session().client("s3", config=config))
    s3_door.plan(["hang"])
    assert lake.put_if_absent("manifests/1.json", b"x") is True

    for call in calls_on(lake):
        s3_door.plan(repeat("hang"))
        error = error_of(call)

        assert "does not answer" in error.message
        assert "Read timeout" in error.message
        assert len(s3_door.requests) == 2


@pytest.mark.parametrize("fault", ["cut the body", "alter the body"])
def test_bytes_that_always_break_on_the_way_are_an_error(
    s3_lake: S3Lake, s3_door: S3Door, fault: Fault
) -> None:
    s3_lake.put("data/a", b"0123456789")
    s3_door.plan(repeat(fault))

    error = error_of(lambda: s3_lake.get("data/a"))

    assert f"cannot read data/a in {s3_lake.root}" in error.message
    assert error.hint.endswith("starlift run")


def test_an_upload_that_always_arrives_altered_is_an_error_and_no_object(
    s3_lake: S3Lake, s3_door: S3Door
) -> None:
    s3_door.plan(repeat("alter the upload"))

    error = error_of(lambda: s3_lake.put_if_absent("data/a", b"0123456789"))

    assert "(BadDigest: The SHA256 you specified did not match the calculated checksum.)" in error.message
    s3_door.plan([])
    assert list(s3_lake.keys("")) == []

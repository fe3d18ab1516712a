"""An object too large for one request goes to S3 in parts: it is there whole or not at all, and no part of
an upload that failed stays behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from starlift.adapters.s3 import S3Lake, connect
from starlift.adapters.s3_parts import PART_BYTES
from starlift.errors import UnavailableError
from tests.s3_door import Fault, Refusal, Request, S3Door

KEY = "snapshots/staff/seq=00000000000000000001/0123456789abcdef.parquet"
DATA = bytes(range(256)) * (PART_BYTES // 256) + b"and one part more"

STEPS = ("begin", "part 1", "part 2", "complete")


def step(request: Request) -> str:
    """Which of the steps of an upload a request is, its method where it is none."""
    query = parse_qs(urlsplit(request.path).query, keep_blank_values=True)
    if request.method == "POST":
        return "begin" if "uploads" in query else "complete"
    return f"part {query['partNumber'][0]}" if "partNumber" in query else request.method


def at(place: str, faults: list[Fault]) -> Any:
    """A rule for the door: the requests of one step meet these faults, one each, then none."""
    coming = iter(faults)
    return lambda request: next(coming, None) if step(request) == place else None


@pytest.fixture
def uploads(bucket: str, s3_client: Any, s3_door: S3Door) -> Iterator[list[Any]]:
    """Filled after the test's last request with the uploads that are neither complete nor removed; a test
    that expects none of them has nothing to do."""
    found: list[Any] = []
    yield found
    s3_door.plan([])
    left = s3_client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert [upload["Key"] for upload in left] == found


@pytest.mark.usefixtures("uploads")
def test_a_large_object_is_put_together_of_parts_and_has_one_checksum(
    s3_lake: S3Lake, s3_door: S3Door, bucket: str, s3_client: Any
) -> None:
    s3_door.plan([])

    assert s3_lake.put_if_absent(KEY, DATA) is True

    assert [request.split()[0] for request in s3_door.requests] == ["POST", "PUT", "PUT", "POST"]
    assert s3_lake.get(KEY) == DATA
    stored = s3_client.head_object(Bucket=bucket, Key=KEY, ChecksumMode="ENABLED")
    assert (stored["ChecksumType"], "-" in stored["ChecksumCRC32"]) == ("FULL_OBJECT", False)


def test_an_object_of_one_part_is_one_request(s3_lake: S3Lake, s3_door: S3Door) -> None:
    s3_door.plan([])

    assert s3_lake.put_if_absent(KEY, DATA[:PART_BYTES]) is True

    assert len(s3_door.requests) == 1


@pytest.mark.parametrize("fault", ["cut the body", "alter the body"])
def test_a_large_object_that_broke_on_the_way_is_fetched_again(
    s3_lake: S3Lake, s3_door: S3Door, fault: Fault
) -> None:
    s3_lake.put_if_absent(KEY, DATA)
    s3_door.plan([fault])

    assert s3_lake.get(KEY) == DATA

    assert len(s3_door.requests) == 2


@pytest.mark.usefixtures("uploads")
def test_a_large_object_does_not_replace_one_that_is_there(s3_lake: S3Lake) -> None:
    s3_lake.put_if_absent(KEY, b"first")

    assert s3_lake.put_if_absent(KEY, DATA) is False

    assert s3_lake.get(KEY) == b"first"


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("begin", "drop the request"),
        ("part 1", "lose the answer"),
        ("part 2", "alter the upload"),
        ("part 2", Refusal(503, "SlowDown")),
        ("complete", "drop the request"),
        ("complete", "lose the answer"),
        ("complete", "cut the body"),
        ("complete", Refusal(409, "ConditionalRequestConflict")),
        ("complete", Refusal(200, "InternalError", "We encountered an internal error. Please try again.")),
    ],
    ids=str,
)
@pytest.mark.usefixtures("uploads")
def test_an_upload_goes_on_where_a_request_failed_in_passing(
    s3_lake: S3Lake, s3_door: S3Door, place: str, fault: Fault
) -> None:
    s3_door.rule(at(place, [fault]))

    assert s3_lake.put_if_absent(KEY, DATA) is True

    assert s3_door.met == [fault]
    assert s3_lake.get(KEY) == DATA


@pytest.mark.parametrize(
    ("data", "place"), [(DATA, "part 1"), (b"a small one", "PUT")], ids=["large", "small"]
)
def test_bytes_are_sent_with_a_checksum_whatever_the_settings_of_aws_say(
    bucket: str, s3_door: S3Door, monkeypatch: pytest.MonkeyPatch, data: bytes, place: str
) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    lake = S3Lake(f"s3://{bucket}", connect())
    s3_door.rule(at(place, ["alter the upload"]))

    assert lake.put_if_absent(KEY, data) is True

    assert s3_door.met == ["alter the upload"]
    assert lake.get(KEY) == data


@pytest.mark.usefixtures("uploads")
def test_an_upload_that_was_completed_and_forgotten_is_found_to_be_there(
    s3_lake: S3Lake, s3_door: S3Door
) -> None:
    gone = Refusal(404, "NoSuchUpload", "The specified upload does not exist.")
    s3_door.rule(at("complete", ["lose the answer", gone]))

    assert s3_lake.put_if_absent(KEY, DATA) is False

    assert s3_lake.get(KEY) == DATA


@pytest.mark.parametrize("place", STEPS)
@pytest.mark.usefixtures("uploads")
def test_an_upload_that_cannot_go_on_leaves_nothing(s3_lake: S3Lake, s3_door: S3Door, place: str) -> None:
    denied = Refusal(403, "AccessDenied", "Access Denied")
    s3_door.rule(at(place, [denied]))

    with pytest.raises(UnavailableError, match="denies access"):
        s3_lake.put_if_absent(KEY, DATA)

    assert s3_door.met == [denied]
    assert list(s3_lake.keys("")) == []


@pytest.mark.usefixtures("uploads")
def test_an_interrupted_upload_leaves_nothing(s3_lake: S3Lake, s3_client: Any) -> None:
    def interrupt(params: dict[str, Any], **_: Any) -> None:
        if params["PartNumber"] == 2:
            raise KeyboardInterrupt

    s3_client.meta.events.register("before-parameter-build.s3.UploadPart", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            s3_lake.put_if_absent(KEY, DATA)
    finally:
        s3_client.meta.events.unregister("before-parameter-build.s3.UploadPart", interrupt)

    assert list(s3_lake.keys("")) == []


def test_parts_that_cannot_be_removed_are_named_with_the_command_that_does(
    s3_lake: S3Lake, s3_door: S3Door, bucket: str, uploads: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    expired = Refusal(400, "ExpiredToken", "The provided token has expired.")
    s3_door.rule(lambda request: None if step(request) in ("begin", "part 1") else expired)

    with caplog.at_level(logging.WARNING), pytest.raises(UnavailableError, match="have expired"):
        s3_lake.put_if_absent(KEY, DATA)

    uploads.append(KEY)
    (message,) = caplog.messages
    assert "The provided token has expired" in message
    assert f": aws s3api abort-multipart-upload --bucket {bucket} --key {KEY} --upload-id " in message

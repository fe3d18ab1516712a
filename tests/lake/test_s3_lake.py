"""What S3 adds to the contract: answers that get lost or broken, refusals, credentials, regions."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import boto3
import pytest

from starlift.adapters.s3 import S3Lake, connect
from starlift.errors import ConfigurationError, UnavailableError
from starlift.stages import log
from tests.s3_door import Fault, Refusal, S3Door

BUSY = Refusal(409, "ConditionalRequestConflict")


def calls_on(lake: S3Lake) -> list[Callable[[], object]]:
    return [
        lambda: lake.get("manifests/1.json"),
        lambda: list(lake.keys("manifests/")),
        lambda: lake.put_if_absent("manifests/1.json", b"x"),
        lambda: lake.put("manifests/head", b"x"),
    ]


def error_of(call: Callable[[], object]) -> UnavailableError:
    with pytest.raises(UnavailableError) as raised:
        call()
    assert "\n" not in raised.value.message + raised.value.hint
    return raised.value


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


@pytest.mark.parametrize("fault", ["cut the body", "alter the body", "lose the answer"])
def test_bytes_that_broke_on_the_way_are_fetched_again(
    s3_lake: S3Lake, s3_door: S3Door, fault: Fault
) -> None:
    data = bytes(range(256)) * 1000
    s3_lake.put("data/a", data)
    s3_door.plan([fault])

    assert s3_lake.get("data/a") == data

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


def test_a_moment_of_trouble_is_tried_again(s3_lake: S3Lake, s3_door: S3Door) -> None:
    s3_door.plan([Refusal(503, "SlowDown")])
    assert s3_lake.put_if_absent("manifests/1.json", b"x") is True

    s3_door.plan([Refusal(500, "InternalError")])
    assert s3_lake.get("manifests/1.json") == b"x"


@pytest.mark.parametrize(
    ("refusal", "meaning", "command"),
    [
        (Refusal(403, "AccessDenied"), "denies access", "head-bucket"),
        (Refusal(403), "denies access", "head-bucket"),
        (Refusal(403, "InvalidAccessKeyId"), "wrong or expired", "starlift run"),
        (Refusal(403, "SignatureDoesNotMatch"), "wrong or expired", "starlift run"),
        (Refusal(400, "ExpiredToken"), "wrong or expired", "starlift run"),
        (Refusal(400, "AuthorizationHeaderMalformed"), "another region", "head-bucket"),
        (Refusal(301, "PermanentRedirect"), "another region", "head-bucket"),
        (Refusal(403, "RequestTimeTooSkewed"), "clock is wrong", "starlift run"),
        (Refusal(501, "NotImplemented"), "without conditional PUT", "starlift run"),
        (Refusal(503, "SlowDown"), "told to refuse", "starlift run"),
        (Refusal(403, "InvalidObjectState"), "told to refuse", "starlift run"),
    ],
    ids=str,
)
def test_a_refusal_is_named_and_says_what_to_type(
    s3_lake: S3Lake, s3_door: S3Door, bucket: str, refusal: Refusal, meaning: str, command: str
) -> None:
    for call in calls_on(s3_lake):
        s3_door.plan(repeat(refusal))
        error = error_of(call)

        assert f"S3 bucket {bucket} " in error.message
        assert meaning in error.message
        assert f"({refusal.code or refusal.status})" in error.message
        ending = f"aws s3api {command} --bucket {bucket}" if "bucket" in command else command
        assert error.hint.endswith(ending)


def test_a_missing_bucket_is_an_error_and_no_absent_object(s3_door: S3Door) -> None:
    lake = S3Lake("s3://never-made", connect(), "STARLIFT_PROCESSED")

    for call in calls_on(lake):
        error = error_of(call)
        assert "S3 bucket never-made does not exist" in error.message
        assert "STARLIFT_PROCESSED" in error.hint
        assert error.hint.endswith("aws s3api head-bucket --bucket never-made")


@contextmanager
def permissions_enforced(door: S3Door) -> Iterator[None]:
    """Let moto check credentials and policies from here on; it is lenient otherwise."""
    _reset_auth(door, b"0")
    try:
        yield
    finally:
        _reset_auth(door, b"inf")


def _reset_auth(door: S3Door, after: bytes) -> None:
    # `after`: the number of requests which moto still serves to anyone
    url, headers = f"{door.url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, after, headers)).close()  # noqa: S310


def test_unknown_credentials_are_an_error(s3_lake: S3Lake, s3_door: S3Door) -> None:
    with permissions_enforced(s3_door):
        for call in calls_on(s3_lake):
            assert "credentials, which are wrong or expired" in error_of(call).message


def test_an_identity_without_permission_is_an_error(
    bucket: str, s3_door: S3Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam: Any = boto3.session.Session().client("iam")
    iam.create_user(UserName=bucket)
    key = iam.create_access_key(UserName=bucket)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    lake = S3Lake(f"s3://{bucket}", connect())

    with permissions_enforced(s3_door):
        for call in calls_on(lake):
            error = error_of(call)
            assert f"S3 bucket {bucket} denies access (AccessDenied)" in error.message
            assert "s3:ListBucket" in error.hint


def test_absent_credentials_are_an_error(s3_door: S3Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    lake = S3Lake("s3://some-bucket", connect())

    for call in calls_on(lake):
        error = error_of(call)
        assert "no usable AWS credentials for the S3 bucket some-bucket" in error.message
        assert error.hint.endswith("starlift run")


def test_a_token_file_that_is_gone_is_an_error(s3_door: S3Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/extract")
    lake = S3Lake("s3://some-bucket", connect())

    for call in calls_on(lake):
        assert "/nowhere/token" in error_of(call).message


def test_an_endpoint_that_nobody_serves_is_an_error(s3_door: S3Door, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening, so nobody else gets it
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        lake = S3Lake("s3://some-bucket", connect())

        for call in calls_on(lake):
            error = error_of(call)
            assert f"S3 at {url} does not answer for the bucket some-bucket" in error.message
            assert "AWS_ENDPOINT_URL" in error.hint
            assert error.hint.endswith("starlift run")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ENDPOINT_URL", "not a url"),
        ("AWS_PROFILE", "no-such-profile"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_DEFAULT_REGION", "no region!"),
    ],
)
def test_settings_that_make_no_client_are_a_configuration_error(
    s3_door: S3Door, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError) as error:
        connect()

    assert error.value.hint.endswith("starlift run")


def test_objects_lie_under_the_prefix_with_a_sha256_checksum(bucket: str, s3_client: Any) -> None:
    lake = S3Lake(f"s3://{bucket}/some/lake/", s3_client)
    lake.put_if_absent("manifests/1.json", b"x")
    lake.put("manifests/head", b"1")

    for name in ("some/lake/manifests/1.json", "some/lake/manifests/head"):
        stored = s3_client.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")
        assert "ChecksumSHA256" in stored
    assert list(lake.keys("")) == ["manifests/1.json", "manifests/head"]


def test_a_prefix_does_not_reach_into_one_that_it_begins(bucket: str, s3_client: Any) -> None:
    S3Lake(f"s3://{bucket}/lake2", s3_client).put("manifests/head", b"2")

    lake = S3Lake(f"s3://{bucket}/lake", s3_client)

    assert list(lake.keys("")) == []
    assert lake.get("manifests/head") is None


def test_a_folder_is_no_s3_lake(s3_client: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"file:///lake is not in S3"):
        S3Lake("file:///lake", s3_client)

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
from botocore.config import Config

from starlift.adapters.s3 import S3Lake, connect
from starlift.errors import ConfigurationError, UnavailableError
from starlift.stages import log
from tests.s3_door import Fault, Page, Refusal, S3Door

IDENTITY, BUCKET = ": aws sts get-caller-identity", ": aws s3api head-bucket --bucket {bucket}"

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


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_that_is_no_s3_is_an_error(s3_lake: S3Lake, s3_door: S3Door, status: int) -> None:
    s3_door.plan(repeat(Page(status)))

    error = error_of(lambda: list(s3_lake.keys("manifests/")))

    assert f"{s3_door.url} does not answer as S3 does" in error.message
    assert "AWS_ENDPOINT_URL" in error.hint
    assert error.hint.endswith("then: starlift run")


@pytest.mark.parametrize("answer", [Page(301), Refusal(301, "PermanentRedirect", region="")], ids=str)
def test_a_server_that_sends_every_request_elsewhere_is_an_error(
    s3_lake: S3Lake, s3_door: S3Door, answer: Fault
) -> None:
    s3_door.plan(repeat(answer))

    error = error_of(lambda: s3_lake.get("manifests/1.json"))

    assert f"{s3_door.url} redirects every request to another address" in error.message
    assert error.hint == "set AWS_ENDPOINT_URL to that address (https?), then: starlift run"


def test_a_well_formed_page_of_the_web_is_no_empty_lake(s3_lake: S3Lake, s3_door: S3Door) -> None:
    s3_door.plan([Page(200, b"<html><body>Welcome</body></html>")])

    assert "does not answer as S3 does" in error_of(lambda: list(s3_lake.keys("manifests/"))).message


@pytest.mark.parametrize(
    ("refusal", "meaning", "command"),
    [
        (Refusal(403, "AccessDenied"), "denies access (AccessDenied: told to refuse)", IDENTITY),
        (Refusal(403), "denies access (403: Forbidden)", IDENTITY),
        (Refusal(403, "InvalidAccessKeyId"), "credentials, which are wrong (InvalidAccessKeyId: ", "run"),
        (Refusal(403, "SignatureDoesNotMatch"), "credentials, which are wrong (SignatureDoesNot", "run"),
        (Refusal(400, "InvalidToken"), "credentials, which are wrong (InvalidToken: ", "run"),
        (Refusal(400, "ExpiredToken"), "credentials, which have expired (ExpiredToken: ", "run"),
        (Refusal(400, "AuthorizationHeaderMalformed"), "is in another region, eu-west-2 (Author", BUCKET),
        (Refusal(301, "PermanentRedirect"), "is in another region, eu-west-2 (PermanentRedirect: ", BUCKET),
        (Refusal(403, "RequestTimeTooSkewed"), "machine, whose clock is wrong (RequestTimeTooSkewed", "run"),
        (Refusal(501, "NotImplemented"), "a store without conditional PUT", "run"),
        (Refusal(503, "SlowDown"), "is busy or out of order (SlowDown: told to refuse)", "run"),
        (Refusal(500), "is busy or out of order (500: Internal Server Error)", "run"),
        (Refusal(403, "InvalidObjectState"), "refuses (InvalidObjectState: told to refuse)", "run"),
    ],
    ids=lambda value: value.code or value.status if isinstance(value, Refusal) else "",
)
def test_a_refusal_is_named_and_says_what_to_type(
    s3_lake: S3Lake, s3_door: S3Door, bucket: str, refusal: Refusal, meaning: str, command: str
) -> None:
    for call in calls_on(s3_lake):
        s3_door.plan(repeat(refusal))
        error = error_of(call)

        assert f"S3 bucket {bucket} " in error.message
        assert meaning in error.message
        assert error.hint.endswith(command.format(bucket=bucket))


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(301, "PermanentRedirect"),
        Refusal(400, "AuthorizationHeaderMalformed", extra="<Region>eu-west-2</Region>", region=""),
    ],
    ids=["a redirect", "a signature for the wrong region"],
)
def test_a_region_that_s3_names_is_gone_to(
    s3_lake: S3Lake, s3_door: S3Door, monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    s3_lake.put("manifests/head", b"1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    elsewhere = S3Lake(s3_lake.root, connect())
    s3_door.rule(lambda request: None if request.region == "eu-west-2" else refusal)

    assert elsewhere.put_if_absent("manifests/1.json", b"x") is True
    assert elsewhere.get("manifests/1.json") == b"x"
    assert list(elsewhere.keys("manifests/")) == ["manifests/1.json", "manifests/head"]


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
            assert "credentials, which are wrong" in error_of(call).message


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
            assert f"S3 bucket {bucket} denies access (AccessDenied: Access Denied)" in error.message
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
    ("endpoint", "said", "remedy"),
    [
        ("http://nowhere.invalid", "whose name is not known", "check the network and AWS_ENDPOINT_URL"),
        ("https://127.0.0.1:{port}", "SSL validation failed", "AWS_CA_BUNDLE"),
    ],
    ids=["no such name", "no TLS"],
)
def test_an_endpoint_that_cannot_be_spoken_to_says_why(
    s3_door: S3Door, monkeypatch: pytest.MonkeyPatch, endpoint: str, said: str, remedy: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.format(port=s3_door.server_address[1]))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    error = error_of(lambda: S3Lake("s3://some-bucket", connect()).get("manifests/head"))

    assert said in error.message
    assert remedy in error.hint
    assert error.hint.endswith("then: starlift run")


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

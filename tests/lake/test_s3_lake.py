"""What S3 adds to the contract: refusals, credentials, regions, endpoints that are no S3."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import boto3
import pytest

from starlift.adapters.s3 import S3Lake, connect
from starlift.adapters.s3_parts import PART_BYTES
from starlift.errors import ConfigurationError
from tests.lake.s3_calls import calls_on, error_of
from tests.s3_door import Fault, Page, Refusal, S3Door

DOCUMENT = Path(__file__).parents[2] / "docs" / "s3.md"

IDENTITY, BUCKET = ": aws sts get-caller-identity", ": aws s3api head-bucket --bucket {bucket}"


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


def give(user: str, name: str, policy: str) -> None:
    iam: Any = boto3.session.Session().client("iam")
    iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=policy)


def become_a_user(monkeypatch: pytest.MonkeyPatch, name: str, policy: str = "") -> None:
    iam: Any = boto3.session.Session().client("iam")
    iam.create_user(UserName=name)
    if policy:
        give(name, "lake", policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


def test_an_identity_without_permission_is_an_error(
    bucket: str, s3_door: S3Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_a_user(monkeypatch, bucket)
    lake = S3Lake(f"s3://{bucket}", connect())

    with permissions_enforced(s3_door):
        for call in calls_on(lake):
            error = error_of(call)
            assert f"S3 bucket {bucket} denies access (AccessDenied: Access Denied)" in error.message
            assert "s3:ListBucket" in error.hint


def test_the_policies_of_the_document_are_enough_and_only_that_of_gc_lets_remove_rows(
    bucket: str, s3_door: S3Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    policy, of_gc = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    become_a_user(monkeypatch, bucket, policy.replace("totesys-ingestion", bucket))
    lake = S3Lake(f"s3://{bucket}", connect())

    with permissions_enforced(s3_door):
        for call in calls_on(lake):
            call()
        large = bytes(PART_BYTES + 1)
        assert lake.put_if_absent("data/large", large) is True
        assert lake.put_if_absent("data/large", large) is False
        assert lake.get("data/nothing") is None
        assert "s3:DeleteObject" in error_of(lambda: lake.delete("data/large")).hint
    give(bucket, "gc", of_gc.replace("totesys-ingestion", bucket))
    with permissions_enforced(s3_door):
        lake.delete("data/large")
    assert caplog.messages == [], "parts stayed"


def test_the_rule_of_the_document_removes_what_killed_uploads_left(bucket: str, s3_client: Any) -> None:
    (rules,) = re.findall(r"--lifecycle-configuration \\\n  '(.*?)'", DOCUMENT.read_text())
    s3_client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=json.loads(rules))

    (rule,) = s3_client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (rule["Status"], rule["AbortIncompleteMultipartUpload"]) == ("Enabled", {"DaysAfterInitiation": 1})


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

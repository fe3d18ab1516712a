"""The key under which columns are hashed comes from a secret or a variable, and is in no message."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from starlift.adapters.secrets import parse_key
from starlift.bootstrap import Pipeline
from starlift.core.hmac_key import HmacKey
from starlift.errors import ConfigurationError
from starlift.settings import Settings
from tests.cli.conftest import Here
from tests.cli.project import Project, assert_refused
from tests.e2e.privacy import of_lake
from tests.postgres import connected

KEY = "canary of the key: " + "0123456789abcdef" * 2
OTHER = "another canary of the key: " + "0123456789abcdef" * 2
HASHED = {'drop = ["company_ac_number", "counterparty_ac_number"]': 'hmac = ["company_ac_number"]'}
"""A change to pipeline.toml, after which there is something to hash."""

NAME = "STARLIFT_HMAC_KEY"
SECRET = "STARLIFT_HMAC_SECRET"


@pytest.fixture
def hashing(untouched: Project) -> str:
    """A configuration of the untouched project that hashes a column."""
    return untouched.config("hashing", HASHED)


def test_the_secret_wins_and_its_key_is_that_of_the_hashes(
    project: Project, manager: Any, aws: dict[str, str], here: Here
) -> None:
    manager.create_secret(Name="starlift/hmac", SecretString=json.dumps({"key": f"{KEY}\n"}))
    values = {**aws, NAME: OTHER, SECRET: "starlift/hmac", "STARLIFT_CONFIG": project.config("h", HASHED)}
    said = here(project.folder, "extract", "--json", **values)
    assert (said.code, said.json["outcome"]) == (0, "extracted"), said
    with connected(project.source.admin) as source:
        clear = {text for (text,) in source.run("SELECT company_ac_number::text FROM payment")}
    (landed,) = (text for name, text in of_lake(project.lake) if "/payment/" in name)
    found = {json.loads(line)["company_ac_number"] for line in landed.splitlines()}
    assert found == {hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest() for text in clear}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (KEY, "it is not JSON"),
        ("", "it is not JSON"),
        (json.dumps([KEY]), "it is not a JSON object"),
        (json.dumps({"hmac_key": KEY}), "key is missing"),
        (json.dumps({"key": ""}), "key is missing"),
        (json.dumps({"key": [KEY]}), "key is no text"),
        (json.dumps({"key": KEY[:31]}), "it has 31 bytes of the 32"),
        (json.dumps({"key": f"{KEY}\ud800"}), "it is not text in UTF-8"),
    ],
)
def test_a_secret_that_is_no_key_is_refused_and_not_repeated(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_key(text, "my secret")
    assert raised.value.message.startswith(f"the secret my secret is no key to hash with: {reason}")
    assert raised.value.hint.startswith(
        "put key, with the output of `openssl rand -hex 32`, into secret.json"
    )
    assert raised.value.hint.endswith("--secret-id 'my secret' --secret-string file://secret.json")
    assert KEY[:31] not in raised.value.message + raised.value.hint
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_key_in_a_secret_that_is_not_there_is_refused_before_anything_is_written(
    untouched: Project, aws: dict[str, str], hashing: str, here: Here
) -> None:
    said = here(untouched.folder, "run", "--json", **aws, STARLIFT_CONFIG=hashing, STARLIFT_HMAC_SECRET="no")
    assert_refused(said, 2, "the secret no cannot be fetched", "list-secrets")


def test_a_secret_without_text_is_refused(
    untouched: Project, aws: dict[str, str], hashing: str, here: Here, manager: Any
) -> None:
    manager.create_secret(Name="hmac/binary", SecretBinary=KEY.encode())
    values = {**aws, "STARLIFT_CONFIG": hashing, SECRET: "hmac/binary"}
    said = here(untouched.folder, "run", "--json", **values)
    assert_refused(said, 2, "the secret hmac/binary is no key to hash with: it is not JSON")
    assert KEY not in said.out + said.err


def test_who_may_not_read_the_secret_is_told_the_right_that_is_missing(
    untouched: Project, aws: dict[str, str], hashing: str, here: Here, manager: Any
) -> None:
    manager.create_secret(Name="hmac/denied", SecretString=json.dumps({"key": KEY}))
    values = {**aws, **keys_of_somebody(), "STARLIFT_CONFIG": hashing, SECRET: "hmac/denied"}
    with authorization(aws["AWS_ENDPOINT_URL"]):
        said = here(untouched.folder, "run", "--json", **values)
    assert_refused(said, 5, "the secret hmac/denied cannot be fetched", "GetSecretValue", "describe-secret")
    assert "not authorized" in said.err


def keys_of_somebody() -> dict[str, str]:
    """Return the environment of a user without any right."""
    iam = boto3.client("iam")
    iam.create_user(UserName="somebody")
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@contextmanager
def authorization(endpoint: str) -> Iterator[None]:
    """Have moto ask for rights in a block; else it lets everybody do everything."""
    try:
        set_free_requests(endpoint, b"0")
        yield
    finally:
        set_free_requests(endpoint, b"inf")


def set_free_requests(endpoint: str, number: bytes) -> None:
    door = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    door.request("POST", "/moto-api/reset-auth", number, {"Content-Type": "text/plain"})
    assert door.getresponse().status == 200
    door.close()


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (KEY[:31], "STARLIFT_HMAC_KEY is no key to hash with: it has 31 bytes of the 32"),
        ("  ", "STARLIFT_HMAC_KEY is not set, nor is STARLIFT_HMAC_SECRET"),
    ],
)
def test_a_key_in_the_environment_that_is_weak_or_empty_is_refused_and_not_repeated(
    untouched: Project, hashing: str, here: Here, key: str, reason: str
) -> None:
    said = here(untouched.folder, "run", "--json", STARLIFT_CONFIG=hashing, STARLIFT_HMAC_KEY=key)
    assert_refused(said, 2, reason, "openssl rand -hex 32")
    assert KEY[:31] not in said.err


def test_a_key_in_env_is_named_by_its_line(untouched: Project, hashing: str) -> None:
    values = {NAME: "weak", "STARLIFT_CONFIG": hashing}
    with pytest.raises(ConfigurationError, match=r"^\.env, line 9: STARLIFT_HMAC_KEY is no key"):
        _ = Pipeline(Settings(values, places={NAME: ".env, line 9"})).hmac_key


def test_a_key_of_blanks_around_is_the_same_key(untouched: Project, hashing: str) -> None:
    found = Pipeline(Settings({NAME: f" {KEY}\n", "STARLIFT_CONFIG": hashing})).hmac_key
    assert found is not None
    assert found.name == HmacKey(KEY).name


def test_a_pipeline_that_hashes_nothing_asks_for_no_key(untouched: Project) -> None:
    config = str(untouched.folder / "sql" / "pipeline.toml")
    assert Pipeline(Settings({NAME: "weak", SECRET: "nowhere", "STARLIFT_CONFIG": config})).hmac_key is None

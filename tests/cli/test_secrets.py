"""A database's address may be a secret; what is secret is in no message, no answer and no lake."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import zstandard

from starlift.adapters.secrets import fetch_dsn, parse
from starlift.entrypoints.initialise import LAKES
from starlift.errors import ConfigurationError
from tests.cli.conftest import Here
from tests.cli.project import Project, assert_refused

CANARY = "canary-in-the-password"
WHOLE = {"host": "h", "port": 5433, "dbname": "shop", "username": "me", "password": CANARY}


def secret_of(url: str) -> str:
    parts = urlsplit(url)
    fields = {
        "engine": "postgres",
        "host": parts.hostname,
        "port": parts.port,
        "dbname": parts.path[1:],
        "username": parts.username,
        "password": parts.password,
    }
    return json.dumps(fields)


def test_a_pipeline_runs_on_secrets_and_buckets(
    project: Project, manager: Any, aws: dict[str, str], here: Here
) -> None:
    urls = {"source": project.source.reader, "warehouse": project.warehouse.owner}
    values = dict(aws)
    for role, url in urls.items():
        manager.create_secret(Name=f"starlift/{role}", SecretString=secret_of(url))
        values[f"STARLIFT_{role.upper()}_SECRET"] = f"starlift/{role}"
        values[f"STARLIFT_{role.upper()}_URL"] = "postgresql://me:wrong@nowhere.invalid/db"
    location = {"LocationConstraint": aws["AWS_DEFAULT_REGION"]}
    boto3.client("s3").create_bucket(Bucket="starlift-lakes", CreateBucketConfiguration=location)
    for lake in LAKES:
        values[f"STARLIFT_{lake.upper()}"] = f"s3://starlift-lakes/{lake}"
    said = project.starlift("run", "--json", **values)
    assert said.code == 0, said
    assert (said.json["outcome"], said.errors) == ("applied", [])
    status = here(project.folder, "status", "--json", **values)
    assert (status.code, status.json["applied_seq"], status.json["head_seq"]) == (0, 1, 1)
    assert not list(project.lake.rglob("*.json")), "a folder was used"


def test_a_secret_that_is_not_there_is_a_mistake_of_the_configuration(manager: Any) -> None:
    with pytest.raises(ConfigurationError, match="the secret nothing/here cannot be fetched") as raised:
        fetch_dsn("nothing/here")
    assert raised.value.hint.endswith("aws secretsmanager list-secrets")


def test_a_secrets_manager_that_does_not_answer_is_exit_code_5(
    untouched: Project, aws: dict[str, str]
) -> None:
    values = {**aws, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "STARLIFT_WAREHOUSE_SECRET": "starlift/w"}
    said = untouched.starlift("run", "--json", **values)
    assert_refused(said, 5, "the secret starlift/w cannot be fetched", "describe-secret")


def test_aws_settings_that_make_no_sense_are_a_mistake_of_the_configuration(
    manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(ConfigurationError, match="cannot be asked for"):
        fetch_dsn("any")


def test_a_secret_without_text_is_refused(manager: Any) -> None:
    manager.create_secret(Name="binary", SecretBinary=b"\x00")
    with pytest.raises(ConfigurationError, match="it is not JSON"):
        fetch_dsn("binary")


@pytest.mark.parametrize(
    ("change", "port", "sslmode"),
    [
        ({}, 5433, "verify-full"),
        ({"port": "5434"}, 5434, "verify-full"),
        ({"port": None}, 5432, "verify-full"),
    ],
)
def test_a_secret_is_an_address(change: dict[str, Any], port: int, sslmode: str) -> None:
    dsn = parse(json.dumps({**WHOLE, **change, "sslrootcert": "/etc/ca.pem"}), "name")
    assert (dsn.host, dsn.port, dsn.database, dsn.user) == ("h", port, "shop", "me")
    assert (dsn.password, dsn.sslmode, dsn.sslrootcert) == (CANARY, sslmode, "/etc/ca.pem")


def test_a_password_may_hold_any_character() -> None:
    odd = "p@ss/w:rd?#%40 ü"
    assert parse(json.dumps({**WHOLE, "password": odd}), "name").password == odd
    assert parse(json.dumps({**WHOLE, "host": "127.0.0.1"}), "name").sslmode == "disable"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CANARY, "it is not JSON"),
        (json.dumps([CANARY]), "it is not a JSON object"),
        (json.dumps({**WHOLE, "host": ""}), "host is missing"),
        (json.dumps({"password": CANARY}), "host, dbname, username is missing"),
        (json.dumps({**WHOLE, "port": CANARY}), "port is not a number"),
        (json.dumps({**WHOLE, "port": [CANARY]}), "port is not a number"),
    ],
)
def test_a_malformed_secret_is_refused_and_not_repeated(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as raised:
        parse(text, "my secret")
    assert CANARY not in everything_of(raised.value)
    assert "--secret-id 'my secret'" in raised.value.hint


def everything_of(error: BaseException) -> str:
    """What a log could show of an error, its causes included."""
    said = [repr(error), str(getattr(error, "hint", ""))]
    if error.__cause__ is not None:
        said.append(everything_of(error.__cause__))
    if error.__context__ is not None and not error.__suppress_context__:
        said.append(everything_of(error.__context__))
    return "\n".join(said)


@pytest.mark.parametrize(
    "values",
    [
        {"STARLIFT_SOURCE_URL": f"postgresql://me:{CANARY}#1@h/db"},
        {"STARLIFT_SOURCE_URL": f"postgresql://me:{CANARY}"},
        {"STARLIFT_SOURCE_URL": f"postgresql://me:{CANARY}@nowhere.invalid/db?sslmode=odd"},
        {"STARLIFT_INGESTION": f"postgresql://me:{CANARY}@h/db"},
        {"STARLIFT_PROCESSED": f"postgresql://me:{CANARY}@h/db"},
        {"STARLIFT_WAREHOUSE_URL": f"mysql://me:{CANARY}@h/db"},
        {"STARLIFT_CONFIG": f"postgresql://me:{CANARY}@h/db"},
    ],
)
@pytest.mark.parametrize("words", [("run",), ("run", "--json"), ("status",)])
def test_a_password_in_the_wrong_place_is_not_repeated(
    untouched: Project, here: Here, values: dict[str, str], words: tuple[str, ...]
) -> None:
    said = here(untouched.folder, *words, **values)
    assert said.code != 1
    assert said.err or words == ("status",), "nothing was wrong"
    assert CANARY not in said.out + said.err


def test_the_watch_for_secrets_is_awake(untouched: Project) -> None:
    told = Project(untouched.folder, untouched.source, untouched.warehouse, ["applied"])
    with pytest.raises(AssertionError):
        told.starlift("migrate", "--json")


def test_no_password_and_no_account_number_is_in_a_lake(standing: Project) -> None:
    files = [file for file in standing.lake.rglob("*") if file.is_file()]
    held = [plain(file.name, file.read_bytes()) for file in files]
    assert [data for data in held if b"payment_amount" in data], "nothing was looked at"
    assert not [data for data in held for secret in standing.secrets if secret.encode() in data]
    assert not [data for data in held if b"127.0.0.1" in data]


def plain(name: str, data: bytes) -> bytes:
    if not name.endswith(".zst"):
        return data
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)

"""What each function asks of AWS, and nothing else."""

from __future__ import annotations

import pytest

from tests.lambdas.recorded import ACCOUNT, SUFFIX, Call, record, summarized
from tests.postgres import PostgresForTests
from tests.s3_door import S3Door


@pytest.fixture(scope="module")
def calls(postgres: PostgresForTests, s3_server: S3Door) -> dict[str, set[Call]]:
    """The calls of a Totesys that is moved from end to end."""
    return record(postgres, s3_server)


def on(lake: str, *parts: str) -> set[str]:
    return {f"arn:aws:s3:::{lake}/{part}/*" for part in parts}


def granted(calls: set[Call], action: str) -> set[str]:
    return {arn for found, arn in summarized(calls) if found == action}


def secrets(*names: str) -> set[str]:
    return {f"{ACCOUNT}{name}{SUFFIX}" for name in names}


def test_extract_and_reconcile_know_the_ingestion_lake_and_the_source(calls: dict[str, set[Call]]) -> None:
    for stage in ("extract", "reconcile"):
        assert granted(calls[stage], "secretsmanager:GetSecretValue") <= secrets("source", "hmac")
        assert granted(calls[stage], "s3:ListBucket") == {"arn:aws:s3:::ingestion"}
        assert granted(calls[stage], "s3:GetObject") <= on("ingestion", "manifests", "requests")
        assert granted(calls[stage], "s3:PutObject") <= on("ingestion", "manifests", "data", "inventory")
        assert granted(calls[stage], "s3:DeleteObject") <= on("ingestion", "requests")
    both = calls["extract"] | calls["reconcile"]
    assert granted(both, "secretsmanager:GetSecretValue") == secrets("source", "hmac")
    assert granted(both, "s3:PutObject") == on("ingestion", "manifests", "data", "inventory")
    assert granted(both, "s3:DeleteObject") == on("ingestion", "requests")


def test_transform_reads_one_lake_and_writes_the_other_and_knows_no_secret(
    calls: dict[str, set[Call]],
) -> None:
    found = calls["transform"]
    assert {action for action, _ in found} == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
    assert not [arn for action, arn in found if action == "s3:PutObject" and ":processed/" not in arn]
    assert granted(found, "s3:GetObject") >= on("ingestion", "manifests", "data")


def test_load_writes_nothing_but_requests(calls: dict[str, set[Call]]) -> None:
    found = calls["load"]
    assert {action for action, _ in found} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "secretsmanager:GetSecretValue",
    }
    assert granted(found, "s3:PutObject") == on("ingestion", "requests")
    assert granted(found, "secretsmanager:GetSecretValue") == secrets("warehouse")
    assert not [arn for action, arn in found if action == "s3:GetObject" and ":processed/" not in arn]
    assert granted(found, "s3:ListBucket") == {"arn:aws:s3:::processed"}

"""Every call to AWS that each function makes while it moves a Totesys from end to end, as IAM names it.

    from tests.lambdas.recorded import record
    calls = record(postgres, s3_server)     # {"extract": {("s3:GetObject", "arn:aws:s3:::ingestion/…")}, …}

The ARNs name buckets and secrets by what they are for: `ingestion`, `processed`; `source`, `warehouse`,
`hmac`. An object that is not there is asked for with `s3:ListBucket` as well: without it, S3 says "denied".
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlift.entrypoints import lambdas
from tests import totesys_extract, totesys_small
from tests.e2e.project import calm_sql
from tests.lambdas.events import SCHEDULE, SWEEP, messages
from tests.lambdas.place import Place, new_place
from tests.lambdas.requests import Note, watched
from tests.postgres import PostgresForTests
from tests.s3_door import S3Door

Call = tuple[str, str]
"""Action and ARN."""

ACTIONS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "GetSecretValue": "secretsmanager:GetSecretValue",
}
"""The permission that each operation asks for. One that is not here fails the recording."""

ACCOUNT = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:"
SUFFIX = "-AbCdEf"
"""What Secrets Manager adds to a secret's name in its ARN."""


@cache
def record(postgres: PostgresForTests, door: S3Door) -> dict[str, set[Call]]:
    """Move the real Totesys, or a generated one where that is not, and return the calls of each function.
    Once in a process, because it takes a while."""
    real = totesys_extract.folder() is not None
    template, fill = (
        ("totesys_extract", totesys_extract.fill) if real else ("totesys_small", totesys_small.fill)
    )
    lambdas._ADDRESSES.forget()
    with TemporaryDirectory() as folder, new_place(postgres, door, template, fill) as place:
        place.sql = _with_a_hash(Path(folder))
        place.manager.create_secret(Name=place.secret("hmac"), SecretString='{"key": "' + 64 * "k" + '"}')
        calls: dict[str, set[Call]] = {}
        _play(place, calls)
        assert place.differences() == {}
    lambdas._ADDRESSES.forget()
    return calls


def _with_a_hash(folder: Path) -> Path:
    """Return files of a pipeline that hashes a column, so that the key is asked for."""
    sql = Path(shutil.copytree(calm_sql(), folder / "sql"))
    text = (sql / "pipeline.toml").read_text()
    drop = 'drop = ["commercial_contact", "delivery_contact"]'
    assert drop in text
    (sql / "pipeline.toml").write_text(
        text.replace(drop, 'drop = ["commercial_contact"]\nhmac = ["delivery_contact"]')
    )
    return sql


def _play(place: Place, calls: dict[str, set[Call]]) -> None:
    """A first load, a change, deleted rows until they are carried over, a reconciliation, and idle calls."""

    def invoke(stage: str, event: Mapping[str, Any]) -> None:
        needed = {"STARLIFT_HMAC_SECRET": place.secret("hmac")} if stage in ("extract", "reconcile") else {}
        with watched(_noting(place, calls.setdefault(stage, set()))):
            place.invoke(stage, event, more=needed)

    def chain() -> None:
        invoke("transform", messages(*place.nudges("ingestion")[-10:]))
        invoke("load", messages(*place.nudges("processed")[-10:]))

    invoke("extract", SCHEDULE)
    chain()
    place.change("UPDATE department SET department_name = 'Renamed' WHERE department_id = 1")
    place.change("DELETE FROM payment WHERE payment_id IN (SELECT max(payment_id) FROM payment)")
    for _ in range(3):
        invoke("extract", SCHEDULE)
        chain()
    invoke("reconcile", SCHEDULE)
    chain()
    invoke("extract", SCHEDULE)
    invoke("transform", SWEEP)
    invoke("load", SWEEP)


def _noting(place: Place, found: set[Call]) -> Note:
    def note(operation: str, values: Mapping[str, Any], code: str) -> None:
        found.add((ACTIONS[operation], _arn(place, values)))
        if code == "NoSuchKey":
            found.add(("s3:ListBucket", _arn(place, {"Bucket": values["Bucket"]})))

    return note


def _arn(place: Place, values: Mapping[str, Any]) -> str:
    if "SecretId" in values:
        return f"{ACCOUNT}{str(values['SecretId']).removeprefix(place.secret(''))}{SUFFIX}"
    bucket = str(values["Bucket"]).removeprefix(place.bucket(""))
    return f"arn:aws:s3:::{bucket}/{values['Key']}" if "Key" in values else f"arn:aws:s3:::{bucket}"


def summarized(calls: set[Call]) -> set[Call]:
    """Return the calls with what is behind the first part of a key as `*`."""
    return {(action, re.sub(r"(s3:::[^/]+/[^/]+/).+", r"\1*", arn)) for action, arn in calls}

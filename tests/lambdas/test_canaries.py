"""No secret, and no value that is personal, is in anything that the functions say or leave.

What is dropped or hashed may be nowhere; what is taken may be in the objects of rows, and in no line of log,
metric, manifest or traceback, whatever goes wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.cli.test_secrets import secret_of
from tests.lambdas.place import environment_of
from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase, connected
from tests.privacy.club import HERE, KEY, make_folder
from tests.privacy.marks import Mark, key_forms
from tests.privacy.search import Places, hits, of_bucket
from tests.privacy.story import AMOUNT, CAST, DROPPED, EMAIL, HASHED, IBAN, NOTE, PHONE, PURPOSE, TAKEN
from tests.s3_door import S3Door

MANY = 150
"""Refused rows of a batch: enough that it is held, with examples."""


@dataclass
class Club:
    """The club's pipeline as functions. said: what each invocation printed, in order."""

    source: SourceDatabase
    warehouse: WarehouseDatabase
    folder: Path
    aws: dict[str, str]
    name: str = field(default_factory=lambda: f"club-{uuid4().hex[:12]}")
    said: list[str] = field(default_factory=list)

    def invoke(self, *stages: str, fails: bool = False, **more: str) -> None:
        """Invoke functions one after another; the last one fails, or none."""
        for stage in stages:
            values = {
                **self.aws,
                **{f"STARLIFT_{part.upper()}_SECRET": f"{self.name}/{part}" for part in _PARTS[stage]},
                **{
                    f"STARLIFT_{lake.upper()}": f"s3://{self.name}/{lake}"
                    for lake in ("ingestion", "processed")
                },
                "POWERTOOLS_LOG_LEVEL": "DEBUG",
                **more,
            }
            ended = subprocess.run(
                [sys.executable, "-m", "tests.lambdas.runtime", stage],
                input='{"trigger": "sweep"}\n',
                cwd=self.folder,
                env=environment_of(values),
                capture_output=True,
                text=True,
                check=False,
            )
            self.said.append(ended.stdout + ended.stderr)
            failed = "Traceback" in ended.stdout
            assert failed == (fails and stage == stages[-1]), ended.stdout

    def clerk(self, sql: str, **values: str) -> None:
        """Change the source."""
        with connected(self.source.admin) as connection:
            connection.run(sql, **values)


_PARTS = {"extract": ("source", "hmac"), "transform": (), "load": ("warehouse",)}
CHAIN = ("extract", "transform", "load")
PASSWORDS = ("a-password-that-was-never-right", "another-password-of-nobody")


@dataclass(frozen=True)
class Left:
    """What is left when everything has happened. said: by the functions. kept: in the buckets."""

    club: Club
    said: Places
    kept: Places


@pytest.fixture(scope="module")
def left(
    postgres: PostgresForTests, s3_server: S3Door, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Left]:
    """Everything that is left once everything has happened."""
    s3_server.plan([])
    folder = tmp_path_factory.mktemp("club")
    make_folder(folder)
    schema = (HERE / "sql" / "schema.sql").read_text()
    with postgres.other_source("club", schema, ("public",)) as source, postgres.warehouse() as warehouse:
        club = Club(source, warehouse, folder, s3_server.environment)
        s3 = _prepare(club)
        _play(club)
        said = {f"invocation {number}": text.encode() for number, text in enumerate(club.said)}
        yield Left(club, said, of_bucket(s3, club.name))


def _client(club: Club, service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=club.aws["AWS_ENDPOINT_URL"],
        region_name=club.aws["AWS_DEFAULT_REGION"],
        aws_access_key_id=club.aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=club.aws["AWS_SECRET_ACCESS_KEY"],
    )


def _prepare(club: Club) -> Any:
    s3, manager = _client(club, "s3"), _client(club, "secretsmanager")
    location = {"LocationConstraint": club.aws["AWS_DEFAULT_REGION"]}
    s3.create_bucket(Bucket=club.name, CreateBucketConfiguration=location)
    manager.create_secret(Name=f"{club.name}/hmac", SecretString=json.dumps({"key": KEY}))
    for role, url in (("source", club.source.reader), ("warehouse", club.warehouse.owner)):
        manager.create_secret(Name=f"{club.name}/{role}", SecretString=secret_of(url))
    ended = subprocess.run(
        [sys.executable, "-m", "starlift", "migrate"],
        cwd=club.folder,
        env=environment_of({"STARLIFT_WAREHOUSE_URL": club.warehouse.owner}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return s3


def _play(club: Club) -> None:
    _members_join(club)
    _rows_are_refused(club)
    _the_star_refuses(club)
    _a_view_stumbles(club)
    _passwords_are_wrong(club)
    _too_many_rows_are_refused(club)


def _members_join(club: Club) -> None:
    club.clerk(
        "INSERT INTO member (member_id, name, email, phone) VALUES (1, :name, :email, :phone), "
        "(2, 'Bob', :cast, NULL)",
        name=TAKEN.value,
        email=EMAIL.value,
        cast=CAST.value,
        phone=PHONE.value,
    )
    _pay(club, 1, "10.00", "fee")
    club.invoke(*CHAIN)


def _pay(club: Club, first: int, amount: str, purpose: str, rows: int = 1) -> None:
    club.clerk(
        "INSERT INTO payment SELECT n, 1, :amount, :purpose, :iban, :note "
        f"FROM generate_series({first}, {first + rows - 1}) AS n",
        amount=amount,
        purpose=purpose,
        iban=IBAN.value,
        note=NOTE.value,
    )


def _rows_are_refused(club: Club) -> None:
    """One by transform, for its amount; one by load, for the length of its purpose."""
    _pay(club, 2, AMOUNT.value, "fee")
    _pay(club, 3, "10.00", PURPOSE.value)
    club.invoke(*CHAIN)


def _the_star_refuses(club: Club) -> None:
    """By a constraint that the pipeline has not made."""
    with connected(club.warehouse.owner) as owner:
        owner.run("ALTER TABLE dim_member ADD CONSTRAINT nobody CHECK (name <> 'Nobody')")
        club.clerk("UPDATE member SET name = 'Nobody' WHERE member_id = 1")
        club.invoke(*CHAIN)
        club.clerk("UPDATE member SET name = :name WHERE member_id = 1", name=TAKEN.value)
        owner.run("ALTER TABLE dim_member DROP CONSTRAINT nobody")


def _a_view_stumbles(club: Club) -> None:
    club.clerk(
        "CREATE OR REPLACE VIEW card AS SELECT member_id, "
        "CASE WHEN member_id = 2 THEN email::int::text ELSE name END AS label, email, changed FROM member"
    )
    club.clerk("UPDATE member SET changed = now() WHERE member_id < 3")
    club.invoke("extract", fails=True)
    club.clerk("CREATE OR REPLACE VIEW card AS SELECT member_id, name AS label, email, changed FROM member")


def _passwords_are_wrong(club: Club) -> None:
    manager = _client(club, "secretsmanager")
    for role, stage, password in zip(("source", "warehouse"), ("extract", "load"), PASSWORDS, strict=True):
        name, url = f"{club.name}/{role}", getattr(club, role).admin
        secret = json.loads(secret_of(url))
        manager.put_secret_value(SecretId=name, SecretString=json.dumps({**secret, "password": password}))
        club.invoke(stage, fails=True)
        right = club.source.reader if role == "source" else club.warehouse.owner
        manager.put_secret_value(SecretId=name, SecretString=secret_of(right))


def _too_many_rows_are_refused(club: Club) -> None:
    _pay(club, 100, AMOUNT.value, "fee", MANY)
    club.invoke("extract")
    club.invoke("transform", fails=True)


def manifests(left: Left) -> Places:
    return {place: data for place, data in left.kept.items() if "/manifests/" in place}


@pytest.mark.parametrize("mark", [*DROPPED, *HASHED, CAST], ids=lambda mark: mark.name)
def test_what_may_not_leave_is_nowhere(left: Left, mark: Mark) -> None:
    assert hits({**left.said, **left.kept}, mark.forms()) == []


@pytest.mark.parametrize("mark", [TAKEN, AMOUNT, PURPOSE], ids=lambda mark: mark.name)
def test_what_is_taken_is_in_no_log_and_no_manifest(left: Left, mark: Mark) -> None:
    assert hits({**left.said, **manifests(left)}, mark.forms()) == []
    assert hits(left.kept, {mark.words[0].encode(): "itself"}), "the search is not blind"


def test_no_key_and_no_password_is_anywhere(left: Left) -> None:
    passwords = [
        json.loads(secret_of(url))["password"] for url in (left.club.source.reader, left.club.warehouse.owner)
    ]
    forms = key_forms(KEY) | {password.encode(): "a password" for password in (*PASSWORDS, *passwords)}
    assert hits({**left.said, **left.kept}, forms) == []


def test_everything_went_wrong_that_was_to(left: Left) -> None:
    said = b"".join(left.said.values()).decode()
    for text in (
        "may quote the row and is not repeated",
        "password authentication failed",
        "the secret is fetched once more",
        "151 of 153 rows of payment would go into quarantine",
        '"QuarantinedRows":[2.0]',
    ):
        assert text in said, said
    assert len(manifests(left)) > 6

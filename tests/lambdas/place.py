"""A pipeline in AWS: buckets, secrets, two databases, and its functions as Lambda would call them."""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pg8000.native
import pytest

from starlift.adapters.postgres.turn import take_lock
from starlift.adapters.postgres.warehouse import PIPELINE_SCHEMA
from starlift.bootstrap import Pipeline
from starlift.entrypoints import lambdas
from starlift.settings import Settings
from tests.e2e import oracle
from tests.e2e.project import calm_sql
from tests.lambdas import events
from tests.postgres import SQL, Fill, PostgresForTests, SourceDatabase, WarehouseDatabase, connected
from tests.s3_door import S3Door

STAGES = ("extract", "transform", "load", "reconcile")
ALL_DAY = 900_000
"""Milliseconds: the longest that Lambda lets a function run."""

EMPTY: Mapping[str, str] = MappingProxyType({})

_POINTING = ("STARLIFT_", "AWS_", "POWERTOOLS_")

_NEEDS = {
    "extract": ("SOURCE_SECRET",),
    "transform": (),
    "load": ("WAREHOUSE_SECRET",),
    "reconcile": ("SOURCE_SECRET",),
}
"""What of the pipeline's variables each function has beside lakes and configuration."""


@dataclass
class Context:
    """What Lambda tells a function. left: milliseconds that remain, one after another, then the last."""

    left: tuple[int, ...] = (ALL_DAY,)
    asked: int = 0
    function_name: str = "starlift"
    aws_request_id: str = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's."""
        self.asked += 1
        return self.left[min(self.asked, len(self.left)) - 1]


@dataclass
class Place:
    """One pipeline. secrets: all that were ever in a secret. said: what each invocation printed."""

    source: SourceDatabase
    warehouse: WarehouseDatabase
    aws: dict[str, str]
    sql: Path = field(default_factory=calm_sql)
    name: str = field(default_factory=lambda: f"starlift-{uuid4().hex[:12]}")
    passwords: list[str] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.s3: Any = self.client("s3")
        self.manager: Any = self.client("secretsmanager")
        location = {"LocationConstraint": self.aws["AWS_DEFAULT_REGION"]}
        for lake in ("ingestion", "processed"):
            self.s3.create_bucket(Bucket=self.bucket(lake), CreateBucketConfiguration=location)
        for role, url in (("source", self.source.reader), ("warehouse", self.warehouse.owner)):
            self.manager.create_secret(Name=self.secret(role), SecretString=self._secret_of(url))
        pipeline = self.pipeline()
        with pipeline.warehouse as warehouse:
            warehouse.migrate(pipeline.models)

    def client(self, service: str, endpoint: str = "") -> Any:
        """A client of AWS, by its door or past it."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=endpoint or self.aws["AWS_ENDPOINT_URL"],
            region_name=self.aws["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.aws["AWS_SECRET_ACCESS_KEY"],
        )

    def bucket(self, lake: str) -> str:
        """The name of a lake's bucket."""
        return f"{self.name}-{lake}"

    def secret(self, role: str) -> str:
        """The name of a secret."""
        return f"{self.name}/{role}"

    def _secret_of(self, url: str, **changes: str) -> str:
        parts = urlsplit(url)
        address = {"host": parts.hostname, "port": parts.port, "dbname": parts.path[1:]}
        fields = {**address, "username": parts.username, "password": parts.password, **changes}
        self.passwords.append(str(fields["password"]))
        return json.dumps(fields)

    def put_secret(self, role: str, **changes: str) -> None:
        """Change the secret of a database, not the database."""
        url = self.source.reader if role == "source" else self.warehouse.owner
        self.manager.put_secret_value(
            SecretId=self.secret(role), SecretString=self._secret_of(url, **changes)
        )

    def values(self, stage: str) -> dict[str, str]:
        """The environment of a function."""
        roles = {"SOURCE_SECRET": self.secret("source"), "WAREHOUSE_SECRET": self.secret("warehouse")}
        return {
            **self.aws,
            **{f"STARLIFT_{name}": roles[name] for name in _NEEDS[stage]},
            "STARLIFT_INGESTION": f"s3://{self.bucket('ingestion')}",
            "STARLIFT_PROCESSED": f"s3://{self.bucket('processed')}",
            "STARLIFT_CONFIG": str(self.sql / "pipeline.toml"),
            "POWERTOOLS_SERVICE_NAME": stage,
            "POWERTOOLS_METRICS_NAMESPACE": "totesys",
        }

    def invoke(
        self, stage: str, event: object, context: Context | None = None, more: Mapping[str, str] = EMPTY
    ) -> dict[str, Any]:
        """Invoke a function; its answer is JSON, or Lambda could not return it."""
        printed = io.StringIO()
        with (
            in_environment({**self.values(stage), **more}),
            redirect_stdout(printed),
            redirect_stderr(printed),
        ):
            try:
                with fresh_loggers():
                    answer = getattr(lambdas, stage)(event, context or Context())
            finally:
                self.said.append((stage, printed.getvalue()))
        found: dict[str, Any] = json.loads(json.dumps(answer))
        return found

    def pipeline(self) -> Pipeline:
        """The pipeline by its addresses, for what leads up to a test."""
        values = {
            "STARLIFT_SOURCE_URL": self.source.reader,
            "STARLIFT_WAREHOUSE_URL": self.warehouse.owner,
            "STARLIFT_CONFIG": str(self.sql / "pipeline.toml"),
        }
        return Pipeline(Settings(values))

    def own_limits(self, **limits: str) -> None:
        """Give the pipeline files of its own, with these limits."""
        folder = Path(tempfile.mkdtemp(prefix="starlift-sql-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.sql = Path(shutil.copytree(self.sql, folder, dirs_exist_ok=True))
        file = self.sql / "pipeline.toml"
        lines = [line for line in file.read_text().splitlines() if line.partition(" = ")[0] not in limits]
        at = lines.index("[limits]") + 1
        lines[at:at] = [
            f"{name} = {value if value.isdigit() else json.dumps(value)}" for name, value in limits.items()
        ]
        file.write_text("\n".join(lines) + "\n")

    def take_lock(self, connection: pg8000.native.Connection) -> None:
        """Hold what a load holds while it works, until the connection ends."""
        take_lock(connection, PIPELINE_SCHEMA, timedelta())

    def stored(self, lake: str) -> list[dict[str, Any]]:
        """The objects of a bucket, as S3 lists them."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket(lake))
        return [entry for page in pages for entry in page.get("Contents", ())]

    def keys(self, lake: str, prefix: str = "") -> list[str]:
        """What a bucket holds."""
        return [entry["Key"] for entry in self.stored(lake) if entry["Key"].startswith(prefix)]

    def manifest(self, seq: int) -> dict[str, Any]:
        """The manifest of a batch that was landed."""
        answer = self.s3.get_object(Bucket=self.bucket("ingestion"), Key=f"manifests/{seq:020d}.json")
        found: dict[str, Any] = json.loads(answer["Body"].read())
        return found

    def nudges(self, lake: str) -> list[str]:
        """An event for each manifest that a lake has, and for its head, oldest first."""
        return [events.created(self.bucket(lake), key) for key in self.keys(lake, "manifests/")]

    def chain(self) -> None:
        """Let the events of every manifest reach the functions behind."""
        self.invoke("transform", events.messages(*self.nudges("ingestion")))
        self.invoke("load", events.messages(*self.nudges("processed")))

    def change(self, sql: str) -> None:
        """Change the source, as its application."""
        with connected(self.source.admin) as connection:
            connection.run(sql)

    def applied(self) -> int:
        """The number of the last batch in the warehouse."""
        with connected(self.warehouse.owner) as connection:
            return int(connection.run("SELECT coalesce(max(seq), 0) FROM starlift.applied")[0][0])

    def differences(self) -> dict[str, Any]:
        """In what the star is not what the source says."""
        star = oracle.read_star(self.warehouse.analyst)
        used = oracle.dates_of_versions(self.warehouse.analyst)
        return oracle.differences(oracle.expected_star(oracle.read_source(self.source.reader), used), star)

    def log(self, number: int = -1) -> list[dict[str, Any]]:
        """The lines of log of an invocation, metrics left out."""
        return [line for line in self._lines(number) if "_aws" not in line]

    def metrics(self, number: int = -1) -> dict[str, Any]:
        """The line of metrics of an invocation."""
        (line,) = [line for line in self._lines(number) if "_aws" in line]
        return line

    def _lines(self, number: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said[number][1].splitlines()]


def environment_of(values: dict[str, str]) -> dict[str, str]:
    """The environment of a process that is a function: that of the tests, but for what points anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_POINTING)}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(SQL.parent), *sys.path]), **values}


@contextmanager
def in_environment(values: dict[str, str]) -> Iterator[None]:
    """An environment that points nowhere but where these variables do, for a block."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_POINTING)]:
            patch.delenv(name)
        for name, value in values.items():
            patch.setenv(name, value)
        yield


@contextmanager
def fresh_loggers() -> Iterator[None]:
    """Loggers as in a process that is new, for a block: what the functions set up is undone."""
    try:
        yield
    finally:
        _forget_loggers()


def _forget_loggers() -> None:
    for name in (*STAGES, "starlift"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)
        for attribute in [name for name in vars(logger) if name == "init" or name.startswith("powertools_")]:
            delattr(logger, attribute)


@contextmanager
def new_place(postgres: PostgresForTests, door: S3Door, template: str, fill: Fill) -> Iterator[Place]:
    """A pipeline in AWS that has never run, over a source that is filled so, for a block."""
    door.plan([])
    with postgres.source(template, fill) as source, postgres.warehouse() as warehouse:
        yield Place(source, warehouse, door.environment)

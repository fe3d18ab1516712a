"""A club on a server that logs all it can, what happened there, and everything that is left of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.postgres import SETTINGS, PostgresForTests, connected, new_server, server_of_this_process
from tests.privacy import search
from tests.privacy.club import BUCKET, HERE, KEY, Club, Watch, make_folder
from tests.privacy.search import Places
from tests.privacy.story import CAST, DROPPED, HASHED, play
from tests.s3_door import S3Door
from tests.versions.choice import chosen

LOGS_ALL = {
    **SETTINGS,
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_duration": "on",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_min_messages": "debug1",
    "log_error_verbosity": "verbose",
}
EXTENSIONS = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "pg_stat_statements.track": "all",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_verbose": "on",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_parameter_max_length": "-1",
}


@dataclass(frozen=True)
class Left:
    """What is left of the club's story. log: the server's. places: everything else. watched: the query texts
    among them. numbers: what PostgreSQL's own hashes make of each value that may not leave."""

    club: Club
    log: Places
    places: Places
    watched: set[str]
    numbers: dict[bytes, str]


@pytest.fixture(scope="module")
def left(s3_server: S3Door, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """Everything that is left once everything has happened."""
    folder = tmp_path_factory.mktemp("club")
    make_folder(folder)
    s3_server.plan([])
    aws = s3_server.environment
    extensions = EXTENSIONS if chosen() is None else {}
    with ExitStack() as stack:
        settings = {**LOGS_ALL, **extensions}
        server = server_of_this_process(lambda folder: new_server(folder, settings))
        postgres = PostgresForTests(stack.enter_context(server))
        stack.callback(postgres.close)
        schema = (HERE / "sql" / "schema.sql").read_text()
        source = stack.enter_context(postgres.other_source("club", schema, ("public",)))
        club = Club(folder, source, stack.enter_context(postgres.warehouse()), aws)
        s3 = _prepare_aws(aws)
        if extensions:
            with connected(source.admin) as admin:
                admin.run("CREATE EXTENSION pg_stat_statements")
        with Watch(postgres.url("postgres")) as watch:
            play(club)
        log, places = _gather(club, bool(extensions))
        places |= search.of_bucket(s3, BUCKET)
        places["pg_stat_activity"] = "\n".join(watch.seen).encode()
        yield Left(club, log, places, watch.seen, _numbers(club))


def _prepare_aws(aws: dict[str, str]) -> Any:
    """Make bucket and secret; return a client of S3."""
    region = aws["AWS_DEFAULT_REGION"]
    login: dict[str, Any] = {
        "endpoint_url": aws["AWS_ENDPOINT_URL"],
        "region_name": region,
        "aws_access_key_id": aws["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": aws["AWS_SECRET_ACCESS_KEY"],
    }
    s3 = boto3.client("s3", **login)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": region})
    secrets = boto3.client("secretsmanager", **login)
    secrets.create_secret(Name="club/hmac", SecretString=json.dumps({"key": KEY}))
    return s3


def _gather(club: Club, has_statements: bool) -> tuple[Places, Places]:
    """Return the server's log, and all else but what is in S3."""
    places = search.of_folder(club.folder)
    for number, said in enumerate(club.said):
        name = f"{number}. starlift {said.words}"
        places[f"{name}: stdout"] = said.stdout.encode()
        places[f"{name}: stderr"] = said.stderr.encode()
    with connected(club.warehouse.admin) as admin:
        places |= search.of_database(admin, "warehouse")
        data = Path(admin.run("SHOW data_directory")[0][0])
    if has_statements:
        with connected(club.source.admin) as admin:
            places["pg_stat_statements"] = search.copied(admin, "TABLE pg_stat_statements")
    return {"the server's log": (data.parent / "log").read_bytes()}, places


def _numbers(club: Club) -> dict[bytes, str]:
    """Return PostgreSQL's hashes of what may not leave, as the decimals in which they would be stored."""
    found: dict[bytes, str] = {}
    with connected(club.source.admin) as admin:
        for mark in (*DROPPED, *HASHED, CAST):
            numbers = admin.run(
                "SELECT hashtextextended(v, 0), hashtextextended(ROW(v)::text, 0) "
                "FROM CAST(:value AS text) AS v",
                value=mark.value,
            )[0]
            found |= {str(number).encode(): f"a hash of {mark.name}" for number in numbers}
    return found

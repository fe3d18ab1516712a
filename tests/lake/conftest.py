"""Lakes of every kind to test, empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from starlift.adapters.folder import FolderLake
from starlift.adapters.memory import MemoryLake
from starlift.adapters.s3 import S3Lake, connect
from starlift.ports import Lake
from tests.s3_door import S3Door

OpenLake = Callable[[], Lake]


def _lead_to(door: S3Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in door.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def s3_client(s3_server: S3Door) -> Any:
    """A client for that server. One, because making a client takes longer than most tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _lead_to(s3_server, monkeypatch)
        return connect()


@pytest.fixture
def s3_door(s3_server: S3Door, monkeypatch: pytest.MonkeyPatch) -> S3Door:
    """The door without faults planned, and an AWS environment that leads to it."""
    _lead_to(s3_server, monkeypatch)
    s3_server.plan([])
    return s3_server


@pytest.fixture
def bucket(s3_door: S3Door, s3_client: Any) -> str:
    """The name of a new bucket."""
    name = f"lake-{uuid4().hex}"
    s3_client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3_client.meta.region_name}
    )
    s3_door.plan([])
    return name


@pytest.fixture
def s3_lake(bucket: str, s3_client: Any) -> S3Lake:
    """An empty lake in S3 that is the whole bucket."""
    return S3Lake(f"s3://{bucket}", s3_client)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    path = tmp_path / "the lake"
    path.mkdir()
    return path


@pytest.fixture(params=["memory", "folder", "s3 bucket", "s3 prefix"])
def open_same(request: pytest.FixtureRequest) -> OpenLake:
    """Opens one lake, empty at first, as often as it is called: as several runs would."""
    if request.param == "memory":
        shared = MemoryLake()
        return lambda: shared
    if request.param == "folder":
        path: Path = request.getfixturevalue("folder")
        return lambda: FolderLake(path)
    url = f"s3://{request.getfixturevalue('bucket')}"
    client = request.getfixturevalue("s3_client")
    if request.param == "s3 prefix":
        S3Lake(url, client).put("another-lake/manifests/head", b"99")
        url += "/some/lake"
    return lambda: S3Lake(url, client)


@pytest.fixture
def lake(open_same: OpenLake) -> Lake:
    """An empty lake of each kind."""
    return open_same()

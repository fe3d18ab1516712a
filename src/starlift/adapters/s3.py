"""A lake in an S3 bucket, or in a store that speaks S3 and has conditional PUT."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar

import boto3.session
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from urllib3.exceptions import HTTPError

from starlift.adapters.addresses import EITHER, S3Address, parse
from starlift.adapters.keys import checked, checked_prefix
from starlift.adapters.s3_errors import code, explained
from starlift.errors import ConfigurationError, UnavailableError

_T = TypeVar("_T")
_PAUSES = (0.1, 0.2, 0.4, 0.8)  # seconds between tries
_BROKEN_OFF = (HTTPClientError, IncompleteReadError, FlexibleChecksumError, HTTPError)


def connect() -> Any:
    """Return an S3 client as the usual AWS_* variables and files describe it, AWS_ENDPOINT_URL and
    AWS_MAX_ATTEMPTS included. Asks nothing of S3. Raises ConfigurationError where they make no sense."""
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        tcp_keepalive=True,
        retries={"mode": "standard"},
    )
    try:
        settings = botocore.session.get_session()
        settings.register_component("data_loader", _descriptions())
        return boto3.session.Session(botocore_session=settings).client("s3", config=config)
    except (BotoCoreError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"the AWS settings make no S3 client: {error}",
            "correct the AWS_* variables or ~/.aws/config, then: starlift run",
        ) from error


@cache
def _descriptions() -> Any:
    """Return what reads botocore's descriptions of AWS, and keeps them: reading takes most of the time
    of making a client, and a run makes two."""
    return botocore.session.get_session().get_component("data_loader")


class S3Lake:
    """Keeps the promises of `starlift.ports.Lake` with S3's own: strong consistency, durability before
    the answer, and a PUT that fails where the key is taken. Objects carry SHA-256 checksums.

    Raises UnavailableError, which names the bucket, and no error of botocore.
    """

    def __init__(self, root: str, client: Any, variable: str = EITHER) -> None:
        address = parse(root, variable)
        if not isinstance(address, S3Address):
            raise ConfigurationError(
                f"{root} is not in S3", f"write s3://bucket to {variable}, then: starlift run"
            )
        self._root = root
        self._bucket, self._prefix = address.bucket, address.prefix
        self._client = client
        self._variable = variable

    @property
    def root(self) -> str:
        """`s3://bucket[/prefix]`, as configured."""
        return self._root

    def get(self, key: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        name = checked(self._prefix + key)
        with self._explained(f"read {key}"):
            return _persist(lambda: self._download(name))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store an object under a free key (True); leave a taken one as it is (False).

        False also where this call stored it, the answer was lost and botocore tried once more."""
        name = checked(self._prefix + key)
        with self._explained(f"write {key}"):
            return _persist(lambda: self._create(name, data))

    def put(self, key: str, data: bytes) -> None:
        """Store or replace an object."""
        name = checked(self._prefix + key)
        with self._explained(f"write {key}"):
            self._upload(name, data)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix`, in ascending order."""
        start = self._prefix + checked_prefix(prefix)
        pages = self._client.get_paginator("list_objects_v2")
        with self._explained(f"list {prefix or 'everything'}"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=start):
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix)

    def _download(self, name: str) -> bytes | None:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name, ChecksumMode="ENABLED")
        except ClientError as error:
            if code(error) == "NoSuchKey":
                return None
            raise
        try:
            # A body used as a context manager itself gives the raw stream, which checks nothing.
            with closing(answer["Body"]) as body:
                data: bytes = body.read()
        except _BROKEN_OFF as error:  # botocore repeats a request, but not the reading of its answer
            raise _TryAgain(error) from error
        return data

    def _create(self, name: str, data: bytes) -> bool:
        try:
            self._upload(name, data, IfNoneMatch="*")
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == HTTPStatus.PRECONDITION_FAILED:
                return False
            if status == HTTPStatus.CONFLICT:  # another conditional PUT of this key is under way
                raise _TryAgain(error) from error
            raise
        return True

    def _upload(self, name: str, data: bytes, **condition: str) -> None:
        self._client.put_object(
            Bucket=self._bucket, Key=name, Body=data, ChecksumAlgorithm="SHA256", **condition
        )

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except _TryAgain as again:
            raise self._unavailable(action, again.error) from again.error
        except (BotoCoreError, ClientError, HTTPError, OSError) as error:
            raise self._unavailable(action, error) from error

    def _unavailable(self, action: str, error: Exception) -> UnavailableError:
        endpoint = self._client.meta.endpoint_url
        return explained(f"{action} in {self._root}", self._bucket, endpoint, self._variable, error)


class _TryAgain(Exception):
    """A failure that a moment's pause may cure and that botocore does not repeat by itself."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _persist(attempt: Callable[[], _T]) -> _T:
    for pause in _PAUSES:
        try:
            return attempt()
        except _TryAgain:
            time.sleep(pause)
    return attempt()

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
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from starlift.adapters.addresses import EITHER, S3Address, parse
from starlift.adapters.keys import checked, checked_prefix
from starlift.adapters.s3_errors import BROKEN_UPLOADS, code, explained, status
from starlift.adapters.s3_parts import PART_BYTES, upload_in_parts
from starlift.errors import ConfigurationError, UnavailableError
from starlift.ports import Stored

_T = TypeVar("_T")
_PAUSES = (0.1, 0.2, 0.4, 0.8)  # seconds between tries, each of which may be several of botocore's
_CONNECT_TIMEOUT, _READ_TIMEOUT = 5, 30  # seconds without a sign of life
_READING_FAILED = (HTTPClientError, IncompleteReadError, FlexibleChecksumError, HTTPError)


def connect() -> Any:
    """Return an S3 client as the usual AWS_* variables and files describe it, AWS_ENDPOINT_URL and
    AWS_MAX_ATTEMPTS (3 where it is not set) included. Asks nothing of S3. Raises ConfigurationError where
    they make no sense."""
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
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
    the answer, and a write that fails where the key is taken.

    Every object carries a checksum that S3 compares when it is written and botocore when it is read. One of
    more than `PART_BYTES` is uploaded in parts. Objects are handed over whole, because the stages bound
    them: 8 MiB of lines, 250,000 rows of Parquet.

    What may pass is tried again: by botocore a request that got no answer, a 5xx or "slow down"; here what
    botocore leaves (a body that breaks off or arrives altered, a conflict of two writers). Then, and for
    all else, UnavailableError names the bucket. No error of botocore leaves this class.
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

        False also where this call stored it, the answer was lost and a second try found it taken."""
        name = checked(self._prefix + key)
        with self._explained(f"write {key}"):
            return _persist(lambda: self._create(name, data))

    def put(self, key: str, data: bytes) -> None:
        """Store or replace an object."""
        name = checked(self._prefix + key)
        with self._explained(f"write {key}"):
            _persist(lambda: self._upload(name, data))

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix`, in ascending order."""
        return (stored.key for stored in self.stored(prefix))

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects whose keys start with `prefix`, in the order of `keys`; with versions, the newest
        of each."""
        start = self._prefix + checked_prefix(prefix)
        pages = self._client.get_paginator("list_objects_v2")
        with self._explained(f"list {prefix or 'everything'}"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=start):
                if "IsTruncated" not in page:  # or any well-formed page of the web would be an empty lake
                    raise ResponseParserError("a listing without IsTruncated")
                for entry in page.get("Contents", ()):
                    key = entry["Key"].removeprefix(self._prefix)
                    yield Stored(key, entry["Size"], entry["LastModified"].timestamp())

    def delete(self, key: str) -> None:
        """Remove an object, if it is there; in a bucket with versions, its newest one."""
        name = checked(self._prefix + key)
        with self._explained(f"remove {key}"):
            _persist(lambda: self._client.delete_object(Bucket=self._bucket, Key=name))

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
        except _READING_FAILED as error:
            raise _BrokeOff(error) from error
        return data

    def _create(self, name: str, data: bytes) -> bool:
        try:
            if len(data) > PART_BYTES:
                upload_in_parts(self._client, self._bucket, name, data)
            else:
                self._upload(name, data, IfNoneMatch="*")
        except ClientError as error:
            if status(error) == HTTPStatus.PRECONDITION_FAILED:
                return False
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
        except _BrokeOff as broken:
            raise self._unavailable(action, broken.error) from broken.error
        except (BotoCoreError, ClientError, ResponseParserError, RecursionError, HTTPError, OSError) as error:
            raise self._unavailable(action, error) from error

    def _unavailable(self, action: str, error: Exception) -> UnavailableError:
        endpoint = self._client.meta.endpoint_url
        return explained(f"{action} in {self._root}", self._bucket, endpoint, self._variable, error)


class _BrokeOff(Exception):
    """The reading of an answer failed, which botocore does not repeat as it does a request."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _persist(attempt: Callable[[], _T]) -> _T:
    for pause in _PAUSES:
        try:
            return attempt()
        except _BrokeOff:
            time.sleep(pause)
        except ClientError as error:
            if not _may_pass(error):
                raise
            time.sleep(pause)
    return attempt()


def _may_pass(error: ClientError) -> bool:
    """Whether a refusal that is final for botocore is worth another try: another conditional PUT of the key
    is under way, the bytes were altered on their way, an upload's parts are gone, most likely because they
    were put together and that answer was lost, or what is not there (object? bucket?) broke off unread."""
    codes = {*BROKEN_UPLOADS, "NoSuchUpload", "404"}
    return status(error) == HTTPStatus.CONFLICT or code(error) in codes

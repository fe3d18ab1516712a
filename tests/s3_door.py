"""A door before an S3 server: lets requests through one at a time, and misbehaves when told to.

One at a time, because S3 decides conditional PUTs of a key one after another and moto does not: two of
its threads may both find the key free. And what moto takes on trust, the door checks as S3 does: that the
bytes sent have the checksum sent with them.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import threading
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

HANG = 20.0
"""Seconds for which a request hangs, unless the test ends before: longer than any client here waits."""

Manner = Literal[
    "drop the request", "hang", "lose the answer", "cut the body", "alter the body", "alter the upload"
]
"""How a request goes wrong, in the order of its way. An upload that is altered arrives with a byte changed;
an answer that is lost is that to a request which was carried out."""


@dataclass(frozen=True)
class Refusal:
    """An answer in the form of S3's own, given in the server's place. Without a code it has no body.

    region: the bucket's, which S3 names in a header, and in `extra` where that has its element."""

    status: int
    code: str = ""
    message: str = "told to refuse"
    extra: str = ""
    region: str = "eu-west-2"

    @property
    def body(self) -> bytes:
        """The XML of the error."""
        if not self.code:
            return b""
        parts = f"<Code>{self.code}</Code><Message>{self.message}</Message>{self.extra}"
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{parts}</Error>'.encode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those that S3 sends with an error."""
        named = [("x-amz-bucket-region", self.region)] if self.region else []
        return [("Content-Type", "application/xml"), *named]


@dataclass(frozen=True)
class Page:
    """An answer of a server that is no S3."""

    status: int
    body: bytes = b"<!doctype html><title>It works!</title><p>Welcome to nginx<br></p>"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those of a page."""
        return [("Content-Type", "text/html")]


Fault = Refusal | Page | Manner


@dataclass(frozen=True)
class Request:
    """What a client asks. path: with the query, as sent. region: the one it signed for."""

    method: str
    path: str
    region: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class S3Door(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1 until closed."""

    request_queue_size = 64
    daemon_threads = True

    def __init__(self, backend: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.requests: list[str] = []
        self.met: list[Fault] = []
        self.one_at_a_time = threading.Lock()
        self.let_go = threading.Event()
        self.plan([])
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The endpoint, for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a client here, and nowhere else whatever this machine has set up."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-2",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "2",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def plan(self, faults: Iterable[Fault | None]) -> None:
        """Let each of the next requests meet one of these faults, then none."""
        coming = iter(faults)
        self.rule(lambda _: next(coming, None))

    def rule(self, fault: Callable[[Request], Fault | None]) -> None:
        """Let every request from here on meet the fault that a rule gives it; forget those seen so far, and
        the faults they met."""
        self.let_go.set()
        self.let_go = threading.Event()
        self.fault = fault
        self.requests = []
        self.met = []

    def close(self) -> None:
        """Stop serving."""
        self.let_go.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # with it the client's `Expect: 100-continue` is answered
    server: S3Door

    def _serve(self) -> None:
        self.close_connection = True
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        let_go = self.server.let_go
        with self.server.one_at_a_time:
            request = Request(self.command, self.path, self._region())
            self.server.requests.append(str(request))
            fault = self.server.fault(request)
            self.server.met += [fault] if fault else []
            if fault != "hang":
                self._serve_alone(sent, fault)
                return
        let_go.wait(HANG)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

    def _region(self) -> str:
        scope = self.headers.get("Authorization", "").partition("Credential=")[2].split("/")
        return scope[2] if len(scope) > 2 else ""

    def _serve_alone(self, sent: bytes, fault: Fault | None) -> None:
        if fault == "drop the request":
            return
        if fault == "alter the upload":
            sent = _altered(sent)
        if isinstance(fault, Refusal | Page):
            self._answer(fault.status, fault.headers, fault.body)
            return
        if wrong := self._wrong_checksum(sent):
            self._answer(wrong.status, wrong.headers, wrong.body)
            return
        status, headers, body = self._forward(sent)
        if fault == "lose the answer":
            return
        if fault == "alter the body":
            body = _altered(body)
        self._answer(status, headers, body, cut=fault == "cut the body")

    def _wrong_checksum(self, sent: bytes) -> Refusal | None:
        if self.command != "PUT":
            return None
        actual = {"sha256": hashlib.sha256(sent).digest(), "crc32": zlib.crc32(sent).to_bytes(4, "big")}
        for name, digest in actual.items():
            promised = self.headers.get(f"x-amz-checksum-{name}")
            if promised not in (None, base64.b64encode(digest).decode()):
                said = f"The {name.upper()} you specified did not match the calculated checksum."
                return Refusal(400, "BadDigest", said)
        return None

    def _forward(self, sent: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        backend = http.client.HTTPConnection(*self.server.backend)
        try:
            headers = {name: value for name, value in self.headers.items() if name != "Expect"}
            backend.request(self.command, self.path, sent, headers)
            answer = backend.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            backend.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)


def _altered(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]

"""A door before an S3 server: lets requests through one at a time, and misbehaves when told to.

One at a time, because S3 decides conditional PUTs of a key one after another and moto does not: two of
its threads may both find the key free.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Forwarded = Literal["lose the answer", "cut the body", "alter the body"]


@dataclass(frozen=True)
class Refusal:
    """An answer in the form of S3's own, given in the server's place. Without a code it has no body."""

    status: int
    code: str = ""

    @property
    def body(self) -> bytes:
        """The XML of the error."""
        if not self.code:
            return b""
        return f"<Error><Code>{self.code}</Code><Message>told to refuse</Message></Error>".encode()


Fault = Refusal | Forwarded


class S3Door(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1 until closed. Each fault planned befalls one request."""

    request_queue_size = 64

    def __init__(self, backend: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.faults: Iterator[Fault] = iter(())
        self.requests: list[str] = []
        self.one_at_a_time = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The endpoint, for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def plan(self, faults: Iterable[Fault]) -> None:
        """Let the next requests meet these faults, then none; forget the requests seen so far."""
        self.faults = iter(faults)
        self.requests = []

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # with it the client's `Expect: 100-continue` is answered
    server: S3Door

    def _serve(self) -> None:
        self.close_connection = True
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.one_at_a_time:
            self._serve_alone(sent)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

    def _serve_alone(self, sent: bytes) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        fault = next(self.server.faults, None)
        if isinstance(fault, Refusal):
            self._answer(fault.status, [("x-amz-bucket-region", "eu-west-2")], fault.body)
            return
        status, headers, body = self._forward(sent)
        if fault == "lose the answer":
            return
        if fault == "alter the body":
            body = bytes([body[0] ^ 1]) + body[1:]
        self._answer(status, headers, body, cut=fault == "cut the body")

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

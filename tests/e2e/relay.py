"""A network between starlift and a database that breaks at the worst moment: at a COMMIT, or in a COPY."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
COPY = b"COPY "
"""Messages of PostgreSQL's protocol: one whole, and what begins the text of another."""


class Relay:
    """Passes connections on to a server. `cut` has it break the one that sends the n-th COMMIT or COPY from
    then on: before the server gets it, or when the server has done it and the answer is on its way."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = parts._replace(
            netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self._door.getsockname()[1]}"
        ).geturl()
        self._left = 0
        self._at = COMMIT
        self._answered = False
        self.broke = False

    def __enter__(self) -> Relay:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def cut(self, number: int, *, answered: bool, at: bytes = COMMIT) -> None:
        """Break at the n-th such message. answered: the server has done it; of a COPY it has begun it."""
        self._left, self._answered, self._at, self.broke = number, answered, at, False

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # the door was closed
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection(self._server)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                broken = threading.Event()
                self._begin(self._pass_on, client, server, broken)
                self._begin(self._pass_back, server, client, broken)

    def _pass_on(self, client: socket.socket, server: socket.socket, broken: threading.Event) -> None:
        with suppress(OSError), client:
            while data := client.recv(65536):
                if self._at in data and self._is_the_one():
                    self.broke = True
                    broken.set()  # what comes back from here on is lost
                    if not self._answered:
                        break
                server.sendall(data)
            end(client, server)

    def _pass_back(self, server: socket.socket, client: socket.socket, broken: threading.Event) -> None:
        with suppress(OSError), server:
            while data := server.recv(65536):
                if broken.is_set():
                    break
                client.sendall(data)
            end(client, server)

    def _is_the_one(self) -> bool:
        self._left -= 1
        return self._left == 0


def end(*sockets: socket.socket) -> None:
    """Break connections, whichever of them still stand."""
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)

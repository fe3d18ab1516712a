"""What the server works, for whomever: no part of a client's figures, shown beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pg8000.native

STATEMENTS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    "pg_stat_statements.max": "10000",
}
"""Settings of a server that is to tell its costliest statements."""

_TICKS = os.sysconf("SC_CLK_TCK")

_COSTLIEST = r"""
SELECT total_exec_time / 1000, calls, rows, regexp_replace(query, '\s+', ' ', 'g')
FROM pg_stat_statements WHERE query !~ 'pg_stat_statements' ORDER BY 1 DESC LIMIT :most
"""


@dataclass
class Work:
    """What a server did. cpu: user and system seconds of its processes. statements: the costliest, with
    seconds, calls and rows; what one runs of its own (a foreign key's checks) is in its seconds too."""

    cpu: float = 0.0
    statements: tuple[str, ...] = ()


class Meter:
    """Measures a server on this machine. most: how many statements it is to tell."""

    def __init__(self, connection: pg8000.native.Connection, most: int = 0) -> None:
        self._connection = connection
        self._most = most
        self._root = int(_stat(connection.run("SELECT pg_backend_pid()")[0][0])[1])
        if most:
            connection.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    @contextmanager
    def measured(self) -> Iterator[Work]:
        """What it does during a block; known when that has ended."""
        work = Work()
        if self._most:
            self._connection.run("SELECT pg_stat_statements_reset()")
        began = self._cpu()
        yield work
        work.cpu = self._cpu() - began
        if self._most:
            found = self._connection.run(_COSTLIEST, most=self._most)
            work.statements = tuple(
                f"{seconds:8.2f} s {calls:7} calls {rows:9} rows  {query}"
                for seconds, calls, rows, query in found
            )

    def _cpu(self) -> float:
        """Seconds so far, also of processes that have ended: those the first one has."""
        own = sum(int(ticks) for ticks in _stat(self._root)[11:15])
        children = Path(f"/proc/{self._root}/task/{self._root}/children").read_text().split()
        return (own + sum(_alive(int(child)) for child in children)) / _TICKS


def _alive(child: int) -> int:
    try:
        return sum(int(ticks) for ticks in _stat(child)[11:13])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended; the first process has its seconds


def _stat(pid: int) -> list[str]:
    """Return a process's figures from its state on: what is before may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()

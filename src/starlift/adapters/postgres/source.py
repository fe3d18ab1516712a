"""The source behind `ports.Source`: one pg8000 connection, only ever reading."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pg8000.native

from starlift.adapters.postgres import chunk_sql, withholding
from starlift.adapters.postgres import source_sql as sql
from starlift.adapters.postgres.chunk_sql import KeyColumn
from starlift.adapters.postgres.connection import Dsn, connect, sqlstate, translated
from starlift.core.config import TableSpec
from starlift.core.hmac_key import HmacKey
from starlift.core.inventory import Sums
from starlift.core.manifest import Column, Digest, Identity
from starlift.core.polling import Measure, Pass, Read
from starlift.core.source_check import SourceTable
from starlift.errors import ConfigurationError, DriftError, HeldError, StarliftError, UnavailableError
from starlift.ports import Barrier, Bound, Preflight

CHUNK = 1 << 18
"""Bytes gathered from the server before they are handed on."""


FLUSH_TIMEOUT = 60.0
FLUSH_INTERVAL = 0.02
"""Seconds to wait for the source to flush its write-ahead log, and between two looks at it."""


_NO_TEXT = "22021"
"""SQLSTATE of bytes that the encoding does not know."""


class PostgresSource:
    """Keeps the promises of `ports.Source` for PostgreSQL 13 and later."""

    def __init__(self, dsn: Dsn, hmac_key: HmacKey | None = None) -> None:
        """`hmac_key`: the secret under which columns are hashed in the source's own query."""
        self.dsn = dsn
        self._hmac = hmac_key
        self._open: pg8000.native.Connection | None = None

    def __enter__(self) -> PostgresSource:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            with translated(self.dsn, "source"):
                self._open.close()

    @property
    def _connection(self) -> pg8000.native.Connection:
        if self._open is None:
            self._open = connect(self.dsn, "source")
        return self._open

    def _run(self, statement: str, **values: Any) -> list[list[Any]]:
        rows: list[list[Any]] | None = self._connection.run(statement, **values)
        return rows or []

    def preflight(self, tables: Sequence[TableSpec]) -> Preflight:
        with translated(self.dsn, "source"):
            version, standby, clock, sees_all = self._run(sql.SERVER)[0]
            if int(version) < 130000 or standby:
                raise ConfigurationError(
                    f"the source {self.dsn} is "
                    + (
                        "a standby, which shows neither its primary's open transactions nor its xids"
                        if standby
                        else f"PostgreSQL {int(version) // 10000}; 13 is the oldest supported"
                    ),
                    "point STARLIFT_SOURCE_URL at the primary, then: starlift run",
                )
            system, timeline, lsn = self._run(sql.IDENTITY)[0]
            catalogue = self._catalogue(tables)
        identity = Identity(system, int(timeline, 16), lsn)
        return Preflight(identity, clock, sees_all, catalogue, self._hmac.name if self._hmac else None)

    def _catalogue(self, tables: Sequence[TableSpec]) -> dict[str, SourceTable]:
        self._begin("BEGIN READ ONLY")
        wanted = {"addresses": json.dumps([spec.address for spec in tables], ensure_ascii=False)}
        relations = self._run(sql.RELATIONS, **wanted)
        columns: dict[int, list[Column]] = {}
        shapes: dict[int, dict[str, str]] = {}
        for oid, name, kind, shape in self._run(sql.COLUMNS, **wanted):
            columns.setdefault(oid, []).append(Column(name, kind))
            shapes.setdefault(oid, {})[name] = shape
        keys: dict[int, set[frozenset[str]]] = {}
        for oid, key in self._run(sql.UNIQUE_KEYS, **wanted):
            keys.setdefault(oid, set()).add(frozenset(key))
        self._run("COMMIT")
        at = {(schema, name): (oid, *rest) for schema, name, oid, *rest in relations}
        found = {}
        for spec in (spec for spec in tables if spec.address in at):
            oid, kind, oids, size, foreign = at[spec.address]
            shape = tuple(columns.get(oid, ())), frozenset(keys.get(oid, ()))
            found[spec.name] = SourceTable(
                spec.name, kind, *shape, tuple(oids), size, shapes.get(oid, {}), foreign
            )
        return found

    def barrier(self) -> Barrier:
        with translated(self.dsn, "source"):
            clock, oldest, blind, pid, user = self._run(sql.BARRIER)[0]
            prepared = self._run(sql.PREPARED)[0][0]
        holder = {"pid": pid, "user": user, "since": oldest} if oldest else None
        return Barrier(clock, oldest, blind, prepared, holder)

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        with translated(self.dsn, "source"):
            self._begin(sql.BEGIN_SNAPSHOT)
            xmin, text = self._run(sql.SNAPSHOT)[0]
            position = self._run(sql.POSITION)[0][0]
            self._hand_over_key()
        yield PostgresSnapshot(self, xmin, text, position)
        with translated(self.dsn, "source"):
            self._run("COMMIT")

    def settle(self, position: str) -> None:
        deadline = time.monotonic() + FLUSH_TIMEOUT
        nudged = False
        with translated(self.dsn, "source"):
            while not self._run(sql.FLUSHED, position=position)[0][0]:
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"the source {self.dsn} has not written its log to disk for {FLUSH_TIMEOUT:.0f} s",
                        "see to its disk, then: starlift run",
                    )
                if not nudged:
                    self._run(sql.NUDGE)
                    nudged = True
                time.sleep(FLUSH_INTERVAL)

    def _begin(self, begin: str) -> None:
        """Every setting is SET LOCAL inside the transaction: a pooler may drop those of a session. All in
        one message, since each would be a way to the server and back."""
        self._run("; ".join((begin, *sql.SETTINGS)))

    def _hand_over_key(self) -> None:
        """To the transaction alone, and in a form that a log of statements and parameters may have."""
        if self._hmac is not None:
            mask = bytes.fromhex(self._run(sql.MASK)[0][0])
            self._run(sql.PADS, masked=self._hmac.under(mask).hex())

    @contextmanager
    def reading(self, read: Read) -> Iterator[pg8000.native.Connection]:
        """Give the connection for one read of a table; one that changed shape since preflight drifted."""
        try:
            with translated(self.dsn, "source"), withholding.withheld():
                yield self._connection
        except StarliftError as error:
            state = sqlstate(error.__cause__) if error.__cause__ else ""
            if state in ("42P01", "42703", "42704"):
                raise DriftError(
                    f"table {read.table} changed its shape while it was being read", "starlift run"
                ) from error
            if type(error) is StarliftError:
                raise _stopped(read, self.dsn, state) from error
            raise


def _stopped(read: Read, dsn: Dsn, state: str) -> HeldError:
    stop = f"the source {dsn} cannot print a row of table {read.table}: {withholding.said(state)}"
    if state in (_NO_TEXT, "22P05"):
        return HeldError(
            f'{stop} (bytes need not be text where the encoding is SQL_ASCII, nor in a "char" before '
            "PostgreSQL 15)",
            "correct the value there, as text in UTF-8, then: starlift run",
        )
    rows = f"SELECT * {sql.origin(read)}"
    return HeldError(
        stop,
        f"see there what is wrong: psql -d {shlex.quote(dsn.database)} -c {shlex.quote(rows)}",
    )


def _repeated(read: Read, key: str) -> HeldError:
    """A batch with such rows would be committed for ever, and no star could be made of it."""
    columns = ", ".join(read.apart)
    if read.has_xids:
        return HeldError(
            f"table {read.table}: two rows have the key {key} ({columns}); one is of a table that inherits "
            "from it, whose keys no index holds apart from its own",
            "correct one there, or take each by a view of its own (FROM ONLY), then: starlift run",
        )
    return HeldError(
        f"table {read.table}: ({columns}) does not tell its rows apart: {key} is two of them, or has a NULL",
        f"choose another key under [tables.{read.table}] in sql/pipeline.toml, then: starlift run",
    )


class PostgresSnapshot:
    """Keeps the promises of `ports.SourceSnapshot`."""

    def __init__(self, source: PostgresSource, xmin: str, text: str, position: str) -> None:
        self._source = source
        self.position = position
        self.xmin = xmin
        self.text = text

    def measure(
        self, read: Read, following: Mapping[Pass, Read], foretold: Mapping[str, Digest] | None = None
    ) -> Measure:
        parts = {("now", kind): read.only(kind) for kind in sorted(read.passes - {"whole"})}
        expected = [(foretold or {}).get(kind) for _, kind in parts]
        parts |= {("following", kind): part for kind, part in following.items()}
        count, digests = self._measured(read, tuple(parts.values()), expected)
        found: dict[str, dict[Pass, Digest]] = {"now": {}, "following": {}}
        for (when, kind), digest in zip(parts, digests, strict=True):
            found[when][kind] = digest
        return Measure(found["now"], found["following"], count)

    def _measured(
        self, read: Read, parts: Sequence[Read], expected: Sequence[Digest | None]
    ) -> tuple[int | None, list[Digest]]:
        """Return the row count, of a read that scans, and count and sum of hashes of each of its parts.

        expected: what was foretold of the first of them. Where the counts differ the sum is left out."""
        values = [sql.values(part, number) for number, part in enumerate(parts)]
        with self._source.reading(read) as connection:
            _set(connection, {name: value for each in values for name, value in each.items()})
            if not read.scans:
                return None, _digests(connection, read, dict(enumerate(parts)))
            count, *rows = connection.run(sql.counts(read, parts))[0]
            wanted = {n: part for n, part in enumerate(parts) if rows[n] and _tells(expected[n:], rows[n])}
            hashed = dict(zip(wanted, _digests(connection, read, wanted), strict=True)) if wanted else {}
        return count, [hashed.get(n, (each, "" if each else "0")) for n, each in enumerate(rows)]

    def copy(self, read: Read, sink: Callable[[bytes], None], bound: Bound | None = None) -> int:
        values = sql.values(read, 0)
        # of a read in chunks all rows are looked at before the first of them is taken
        if read.apart and read.after is None:
            with self._source.reading(read) as connection:
                _set(connection, values)
                if found := connection.run(sql.repeated(read)):
                    raise _repeated(read, found[0][0])
        if bound is None:
            return self._stream(read, sql.copy(read), values, sink)
        with self._source.reading(read) as connection:
            key = _key(connection, read)
            utf8 = connection.parameter_statuses.get("server_encoding") == "UTF8"
        statement = chunk_sql.first_lines(read, key, bound, utf8=utf8)
        return self._stream(read, statement, {**values, **chunk_sql.settings(read)}, sink)

    def sums(self, read: Read) -> Sums:
        with self._source.reading(read) as connection:
            return [(bucket, rows, total) for bucket, rows, total in connection.run(sql.sums(read))]

    def keys(
        self,
        read: Read,
        buckets: Collection[int] | None,
        sink: Callable[[bytes], None],
        *,
        selected: bool = False,
    ) -> int:
        settings = sql.values(read, 0) if selected else {}
        if buckets is not None:
            settings[sql.BUCKETS] = "{" + ",".join(map(str, buckets)) + "}"
        statement = sql.keys(read, of_buckets=buckets is not None, selected=selected)
        return self._stream(read, statement, settings, sink)

    def _stream(
        self, read: Read, statement: str, settings: Mapping[str, str], sink: Callable[[bytes], None]
    ) -> int:
        gathered = _Gathered(sink)
        with self._source.reading(read) as connection:
            _set(connection, settings)
            connection.run(statement, stream=gathered)
        gathered.flush()
        if not gathered.is_text:
            raise _stopped(read, self._source.dsn, _NO_TEXT)
        return int(connection.row_count)


def _tells(expected: Sequence[Digest | None], rows: int) -> bool:
    """Whether the hashes of some rows can tell more than their number does. expected: first, what was
    foretold of them, if that is known."""
    return not expected or (expected[0] is not None and expected[0][0] == rows)


def _digests(connection: pg8000.native.Connection, read: Read, parts: Mapping[int, Read]) -> list[Digest]:
    found = connection.run(sql.measure(read, parts))[0]
    return list(zip(found[::2], found[1::2], strict=True))


def _key(connection: pg8000.native.Connection, read: Read) -> list[KeyColumn]:
    schema, relation = read.address
    found = connection.run(chunk_sql.KEY, schema=schema, relation=relation or read.table)
    columns = {name: KeyColumn(name, kind, natural) for name, kind, natural in found}
    return [
        # what is cast before it is printed does not read back as what it is
        replace(columns[name], natural=columns[name].natural and name not in read.forms)
        for name in read.key
    ]


def _set(connection: pg8000.native.Connection, settings: Mapping[str, str]) -> None:
    """Values reach a statement as settings of the transaction, never inside SQL text."""
    if settings:
        calls = ", ".join(f"set_config(:name{n}, :value{n}, true)" for n in range(len(settings)))
        names = {f"name{n}": name for n, name in enumerate(settings)}
        values = {f"value{n}": value for n, value in enumerate(settings.values())}
        connection.run(f"SELECT {calls}", **names, **values)


class _Gathered:
    """The stream pg8000 writes to, one message a row, handed on in larger pieces of whole lines.

    is_text: whether all was UTF-8. A server in that encoding sends what it has without looking at it.
    """

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self.is_text = True

    def write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= CHUNK:
            self.flush()

    def flush(self) -> None:
        if self._buffer:
            self.is_text = self.is_text and _is_text(self._buffer)
            self._sink(bytes(self._buffer))
            self._buffer.clear()


def _is_text(data: bytearray) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True

"""Looks at source and warehouse for what `starlift doctor` reports; reads catalogues and settings only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pg8000.native

from starlift.adapters.postgres.connection import Dsn, connect, translated
from starlift.adapters.postgres.migrate import Step
from starlift.adapters.postgres.schemas import Schemas
from starlift.core.config import TableSpec
from starlift.core.diagnosis import Session, SourceFacts, TableFacts, WarehouseFacts
from starlift.core.manifest import Mode
from starlift.core.source_check import SourceTable

PROBES = 5
"""Transactions in which a session is looked for again."""

_SERVER = """
SELECT current_database()::text, current_user::text, current_setting('server_encoding'),
       current_setting('client_encoding'), current_setting('TimeZone'),
       CAST(extract(timezone FROM date_trunc('year', now()) + interval '14 days') AS integer),
       CAST(extract(timezone FROM date_trunc('year', now()) + interval '195 days') AS integer),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
       current_setting('synchronous_commit') <> 'off', inet_server_port()
"""

_SESSION = """
SELECT pg_backend_pid(), current_setting('starlift.doctor', true)
"""

_IDLE = """
SELECT pid::text, usename::text, CAST(extract(epoch FROM clock_timestamp() - xact_start) AS double precision)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
ORDER BY xact_start
"""

_PREPARED = """
SELECT gid, owner::text, CAST(extract(epoch FROM clock_timestamp() - prepared) AS double precision)
FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
"""

_BLIND = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'disabled'
"""

# tgtype: 2 is BEFORE, 16 is UPDATE; a trigger of C code has the column among its arguments
_TABLES = """
SELECT n.nspname::text, c.relname::text, row_security_active(c.oid),
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND NOT (has_schema_privilege(n.oid, 'USAGE')
                        AND has_column_privilege(c.oid, a.attnum, 'SELECT'))),
       ARRAY(SELECT a.attname::text FROM pg_index i
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL),
       (SELECT coalesce(json_agg(json_build_array(t.tgname, p.prosrc || ' ' || encode(t.tgargs, 'escape'))
                                 ORDER BY t.tgname), '[]')
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 18 = 18)
FROM json_array_elements(CAST(:addresses AS json)) AS address
JOIN pg_namespace n ON n.nspname = address->>0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = address->>1
"""

_ROWS = """
SELECT coalesce(sum(n_dead_tup), 0)::bigint, coalesce(sum(n_live_tup), 0)::bigint
FROM pg_stat_all_tables WHERE relid = ANY (CAST(:oids AS bigint[]))
"""

_WAREHOUSE = """
SELECT current_database()::text, current_user::text, current_setting('server_encoding'), pg_is_in_recovery(),
       current_setting('default_transaction_read_only') = 'on', pg_database_size(current_database()),
       EXISTS (SELECT FROM pg_settings WHERE name = 'client_connection_check_interval')
           AND version() LIKE '%linux%',
       has_database_privilege(current_database(), 'TEMPORARY'),
       has_database_privilege(current_database(), 'CREATE'),
       (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = :star),
       (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = :pipeline),
       to_regclass(:migration) IS NOT NULL
"""


@dataclass(frozen=True)
class Read:
    """A table that a poll would read, and how."""

    spec: TableSpec
    found: SourceTable
    mode: Mode


def examine_source(dsn: Dsn, reads: Mapping[str, Read]) -> SourceFacts:
    """Look at a source. Raises UnavailableError, ConfigurationError."""
    with translated(dsn, "source"):
        connection = connect(dsn, "source", "starlift doctor")
        try:
            skew = _skew(connection)
            database, role, encoding, client, zone, winter, summer, sees_all, waits, port = connection.run(
                _SERVER
            )[0]
            return SourceFacts(
                database=database,
                role=role,
                encoding=encoding,
                client_encoding=client,
                time_zone=zone,
                offsets=(winter, summer),
                sees_all=sees_all,
                blind=connection.run(_BLIND)[0][0],
                commits_wait=waits,
                skew=skew,
                elsewhere=port != dsn.port,
                pooled=is_pooled(connection),
                idle=tuple(Session(*row) for row in connection.run(_IDLE)),
                prepared=tuple(Session(*row) for row in connection.run(_PREPARED)),
                tables=_tables(connection, reads),
            )
        finally:
            connection.close()


def _skew(connection: pg8000.native.Connection) -> float:
    """Seconds that the server's clock is ahead, but for half of the way there and back."""
    before = datetime.now(UTC)
    theirs: datetime = connection.run("SELECT clock_timestamp()")[0][0]
    after = datetime.now(UTC)
    return (theirs - (before + (after - before) / 2)).total_seconds()


class Statements(Protocol):
    """What runs a statement, each in a transaction of its own."""

    def run(self, statement: str) -> Any:
        """Return its rows."""
        ...


def is_pooled(connection: Statements) -> bool:
    """Whether another session answers, or a session's setting is gone, from one transaction to the next."""
    connection.run("SELECT set_config('starlift.doctor', 'here', false)")
    sessions = {tuple(connection.run(_SESSION)[0]) for _ in range(PROBES)}
    return len(sessions) > 1 or any(setting != "here" for _, setting in sessions)


def _tables(connection: pg8000.native.Connection, reads: Mapping[str, Read]) -> dict[str, TableFacts]:
    addresses = json.dumps([read.spec.address for read in reads.values()], ensure_ascii=False)
    found = {(schema, name): row for schema, name, *row in connection.run(_TABLES, addresses=addresses)}
    return {
        name: _table(
            read, found[read.spec.address], connection.run(_ROWS, oids=list(read.found.relations))[0]
        )
        for name, read in reads.items()
        if read.spec.address in found
    }


def _table(read: Read, row: Sequence[Any], rows: Sequence[int]) -> TableFacts:
    hidden, unreadable, leading, triggers = row
    spec, cursor = read.spec, read.spec.cursor
    taken = {*spec.taken, cursor}
    kind = read.found.type_of(cursor) or ""
    return TableFacts(
        unreadable=tuple(name for name in unreadable if name in taken),
        hidden=hidden,
        mode=read.mode,
        kind=read.found.kind,
        size=read.found.bytes,
        dead=rows[0],
        live=rows[1],
        indexed=cursor in leading,
        naive="with time zone" not in kind,
        triggers=tuple(name for name, code in triggers if cursor and _names(code, cursor)),
    )


def _names(code: str, column: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", code, re.IGNORECASE) is not None


def examine_warehouse(dsn: Dsn, schemas: Schemas, steps: Sequence[Step]) -> WarehouseFacts:
    """Look at a warehouse. Raises UnavailableError, ConfigurationError."""
    with translated(dsn, "warehouse"):
        connection = connect(dsn, "warehouse", "starlift doctor")
        try:
            names = {"star": schemas.star, "pipeline": schemas.pipeline, "migration": schemas.migration}
            skew = _skew(connection)
            database, role, encoding, standby, read_only, size, notices, *given = connection.run(
                _WAREHOUSE, **names
            )[0]
            temporary, create, star, own, migrated = given
            done = _applied(connection, schemas) if migrated and own else set()
            rights = {
                "make temporary tables": temporary,
                f"create schemas in database {database}": create,
                f"create in schema {schemas.star}": star is not False,
                f"create in schema {schemas.pipeline}": own is not False,
            }
            return WarehouseFacts(
                database=database,
                role=role,
                encoding=encoding,
                standby=standby,
                read_only=read_only,
                missing=tuple(right for right, given in rights.items() if not given),
                pending=tuple(step.file for step in steps if step.file not in done),
                notices_gone=notices,
                size=size,
                skew=skew,
            )
        finally:
            connection.close()


def _applied(connection: pg8000.native.Connection, schemas: Schemas) -> set[str]:
    return {file for (file,) in connection.run(f"SELECT file FROM {schemas.migration}")}  # noqa: S608 identifiers

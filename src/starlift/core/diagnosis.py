"""What a doctor makes of the facts about source and warehouse: findings, each with its remedy.

Pure: the facts come from the adapters. A finding says no more than its facts do; what cannot be told from
outside is called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from starlift.core.config import Limits, TableSpec
from starlift.core.manifest import Mode
from starlift.core.units import offset

Level = Literal["ok", "note", "bad"]

SKEW = 60.0
"""Seconds that two clocks may be apart before it is worth a word: freshness is told by them."""

NEAR_BUDGET = 0.8
"""Share of scan_budget from which on a table is near it."""

MANY_DEAD = 10_000
"""Dead rows of a table from which on they are worth a word, if they are more than the live ones."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    level: ok, note (worth knowing), bad (something fails or is not safe). part: where. remedy: what to do,
    ending in a command; empty for ok. code: the exit code that a run meets, 0 unless bad.
    """

    level: Level
    part: str
    what: str
    remedy: str = ""
    code: int = 0


@dataclass(frozen=True)
class TableFacts:
    """A source table. unreadable: taken columns that may not be selected. hidden: row-level security may hide
    rows from this role. mode: how it is read. size: bytes. dead, live: rows as the statistics have them.
    indexed: whether an index begins with the cursor. naive: the cursor has no time zone. triggers: BEFORE
    UPDATE triggers whose function names the cursor."""

    unreadable: tuple[str, ...]
    hidden: bool
    mode: Mode
    kind: str
    size: int
    dead: int
    live: int
    indexed: bool
    naive: bool
    triggers: tuple[str, ...]


@dataclass(frozen=True)
class Session:
    """A transaction that is open and idle, or prepared. name: pid or gid. seconds: since it began."""

    name: str
    user: str
    seconds: float


@dataclass(frozen=True)
class SourceFacts:
    """What a look at a source shows. skew: seconds its clock is ahead of this machine's. offsets: those of
    its TimeZone in winter and summer, in seconds. elsewhere: the server listens at another port than the
    one dialled. pooled: sessions change between transactions."""

    database: str
    role: str
    encoding: str
    client_encoding: str
    time_zone: str
    offsets: tuple[int, int]
    sees_all: bool
    blind: int
    commits_wait: bool
    skew: float
    elsewhere: bool
    pooled: bool
    idle: tuple[Session, ...]
    prepared: tuple[Session, ...]
    tables: Mapping[str, TableFacts]


@dataclass(frozen=True)
class WarehouseFacts:
    """What a look at a warehouse shows. missing: rights that the role lacks. pending: files of sql/warehouse
    that are not applied. notices_gone: a client that is gone is noticed while a statement runs. skew: as of
    a source."""

    database: str
    role: str
    encoding: str
    standby: bool
    read_only: bool
    missing: tuple[str, ...]
    pending: tuple[str, ...]
    notices_gone: bool
    size: int
    skew: float


def of_source(facts: SourceFacts, specs: Mapping[str, TableSpec], limits: Limits) -> list[Finding]:
    """Return the findings about a source, in a fixed order."""
    by_cursor = [name for name, table in facts.tables.items() if table.mode == "timestamp"]
    return [
        *_visibility(facts, by_cursor),
        *_transactions(facts, by_cursor, limits),
        *_connection("source", facts),
        *_text(facts),
        *(
            finding
            for name, table in facts.tables.items()
            for finding in _table(facts, specs[name], table, limits)
        ),
    ]


def of_warehouse(facts: WarehouseFacts) -> list[Finding]:
    """Return the findings about a warehouse, in a fixed order."""
    part = "warehouse"
    found = []
    if facts.standby or facts.read_only:
        why = "a standby" if facts.standby else "read-only (default_transaction_read_only)"
        remedy = "point STARLIFT_WAREHOUSE_URL at a server that takes writes, then: starlift run"
        found.append(Finding("bad", part, f"it is {why}", remedy, 5))
    if facts.missing:
        what = f"role {facts.role} may not {', '.join(facts.missing)}"
        remedy = f"grant it: {_script(facts.database, 'warehouse')}"
        found.append(Finding("bad", part, what, remedy, 5))
    else:
        found.append(Finding("ok", part, f"role {facts.role} may do what a load does"))
    if facts.pending:
        what = f"not applied yet: {', '.join(facts.pending)}"
        found.append(Finding("bad", part, what, "apply it: starlift migrate", 2))
    else:
        found.append(Finding("ok", part, "migrated; no extension is needed"))
    if facts.encoding != "UTF8":
        what = f"its encoding is {facts.encoding}: a row with a character that it has not is quarantined"
        remedy = "see which: starlift quarantine list"
        found.append(Finding("note", part, what, remedy))
    if not facts.notices_gone:
        what = "the server does not notice that a client is gone: a killed load may keep the lock for minutes"
        remedy = "PostgreSQL 14 on Linux does; till then wait longer (lock_wait), then: starlift run"
        found.append(Finding("note", part, what, remedy))
    what = f"the database has {_size(facts.size)}; how much disk is left cannot be told from here"
    found.append(Finding("ok", part, what))
    return [*found, *_clock(part, facts.skew)]


def _visibility(facts: SourceFacts, by_cursor: Sequence[str]) -> Iterator[Finding]:
    part, needs = "source", f" ({', '.join(by_cursor)})" if by_cursor else ""
    if facts.sees_all:
        yield Finding("ok", part, f"role {facts.role} sees every session (pg_read_all_stats)")
    else:
        what = f"role {facts.role} lacks pg_read_all_stats, which mode timestamp needs{needs}"
        grant = f"GRANT pg_read_all_stats TO {_quoted(facts.role)}"
        yield _worse(bool(by_cursor), part, what, f"grant it: {_psql(facts.database, grant)}", 2)
    if facts.sees_all and facts.blind:
        what = (
            f"sessions that hide their state (track_activities off): {facts.blind}; no watermark moves "
            f"meanwhile{needs}; mode xid is not concerned"
        )
        query = "SELECT pid, usename FROM pg_stat_activity WHERE state = 'disabled'"
        remedy = f"see whose, and have it turned on: {_psql(facts.database, query)}"
        yield _worse(bool(by_cursor), part, what, remedy, 4)


def _transactions(facts: SourceFacts, by_cursor: Sequence[str], limits: Limits) -> Iterator[Finding]:
    """An open transaction holds watermarks back, and vacuum too; none is lost by it."""
    stale = limits.stale_after.total_seconds()
    for session in facts.prepared:
        what = f"transaction {session.name} of {session.user} is prepared since {session.seconds:.0f} s"
        end = f"ROLLBACK PREPARED {_literal(session.name)}"
        remedy = f"commit it, or roll it back: {_psql(facts.database, end)}"
        yield _worse(bool(by_cursor) and session.seconds > stale, "source", f"{what}: {_HOLDS}", remedy, 4)
    for session in facts.idle:
        what = f"pid {session.name} of {session.user} is idle in a transaction since {session.seconds:.0f} s"
        end = f"SELECT pg_terminate_backend({session.name})"
        remedy = f"have it committed, or end it: {_psql(facts.database, end)}"
        yield _worse(bool(by_cursor) and session.seconds > stale, "source", f"{what}: {_HOLDS}", remedy, 4)
    if not facts.prepared and not facts.idle:
        yield Finding("ok", "source", "no transaction is prepared or idle")
    if not facts.commits_wait:
        what = "synchronous_commit is off: each poll waits until what it shows is on the source's disk"
        yield Finding("ok", "source", what)


_HOLDS = "it holds watermarks and vacuum back"


def _connection(part: str, facts: SourceFacts) -> Iterator[Finding]:
    if facts.pooled:
        what = "a pooler gives each transaction another session, and starlift's statements need one"
        remedy = "name the server itself, or a pool by session, in STARLIFT_SOURCE_URL, then: starlift run"
        yield Finding("bad", part, what, remedy, 2)
    elif facts.elsewhere:
        what = "the server is at another port than the one dialled: a pooler, a proxy or a tunnel is between"
        remedy = "if it pools by transaction, name the server in STARLIFT_SOURCE_URL, then: starlift run"
        yield Finding("note", part, what, remedy)
    else:
        yield Finding("ok", part, "the session stays the same: no pooler by transaction shows")
    yield from _clock(part, facts.skew)


def _clock(part: str, skew: float) -> Iterator[Finding]:
    if abs(skew) <= SKEW:
        yield Finding("ok", part, "its clock and this machine's agree")
        return
    what = f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    remedy = "freshness is wrong by as much; set the clock that is wrong (NTP), then: starlift doctor"
    yield Finding("note", part, what, remedy)


def _text(facts: SourceFacts) -> Iterator[Finding]:
    if facts.client_encoding != "UTF8":
        what = f"the session's client_encoding is {facts.client_encoding} though UTF8 was asked for"
        remedy = "a pooler overrides it: name the server itself in STARLIFT_SOURCE_URL, then: starlift run"
        yield Finding("bad", "source", what, remedy, 2)
    if facts.encoding == "SQL_ASCII":
        what = "its encoding is SQL_ASCII, which checks nothing: a row that is no UTF-8 stops the poll"
        remedy = "correct such values when a poll names their table, then: starlift run"
        yield Finding("note", "source", what, remedy)
    else:
        yield Finding("ok", "source", f"its encoding {facts.encoding} is read as UTF-8")


def _table(facts: SourceFacts, spec: TableSpec, table: TableFacts, limits: Limits) -> list[Finding]:
    found = [*_readable(facts, spec, table), *_size_of(facts, spec, table, limits)]
    if table.mode == "timestamp" and spec.cursor:
        found += _cursor(facts, spec, spec.cursor, table)
    if not any(finding.level != "ok" for finding in found):
        found.append(Finding("ok", "source", f"table {spec.name} is read by {table.mode}"))
    return found


def _readable(facts: SourceFacts, spec: TableSpec, table: TableFacts) -> Iterator[Finding]:
    place = ".".join(map(_quoted, spec.address))
    if table.unreadable:
        what = f"table {spec.name}: role {facts.role} may not select {', '.join(table.unreadable)}"
        grant = f"GRANT SELECT ON {place} TO {_quoted(facts.role)}"
        yield Finding("bad", "source", what, f"grant it: {_psql(facts.database, grant)}", 5)
    if table.hidden:
        what = f"table {spec.name}: row-level security hides rows of it from role {facts.role}"
        bypass = f"ALTER ROLE {_quoted(facts.role)} BYPASSRLS"
        yield Finding("bad", "source", what, f"let it see all: {_psql(facts.database, bypass)}", 5)


def _size_of(facts: SourceFacts, spec: TableSpec, table: TableFacts, limits: Limits) -> Iterator[Finding]:
    share = table.size / limits.scan_budget
    if table.mode == "xid" and share > NEAR_BUDGET:
        what = (
            f"table {spec.name} has {_size(table.size)}, {share:.0%} of scan_budget, and every poll scans it"
        )
        remedy = (
            f"give it a cursor under [tables.{spec.name}], or a larger scan_budget under [limits], of "
            "sql/pipeline.toml, then: starlift run"
        )
        yield Finding("note", "source", what, remedy)
    if table.dead > max(table.live, MANY_DEAD):
        what = (
            f"table {spec.name} has {table.dead:,} dead rows, which a scan reads too, to {table.live:,} live"
        )
        vacuum = f"VACUUM (ANALYZE) {'.'.join(map(_quoted, spec.address))}"
        yield Finding("note", "source", what, f"vacuum it: {_psql(facts.database, vacuum)}")


def _cursor(facts: SourceFacts, spec: TableSpec, cursor: str, table: TableFacts) -> Iterator[Finding]:
    name = f"{spec.name}.{cursor}"
    place = ".".join(map(_quoted, spec.address))
    if table.kind in ("r", "p", "m") and not table.indexed:
        index = f"CREATE INDEX CONCURRENTLY ON {place} ({_quoted(cursor)})"
        what = f"no index begins with the cursor {name}: every poll scans the table"
        yield Finding("note", "source", what, f"make one: {_psql(facts.database, index)}")
    xid = f'where that misses edits, write mode = "xid" under [tables.{spec.name}] of sql/pipeline.toml'
    if table.triggers:
        yield Finding("ok", "source", f"the cursor {name} is in trigger {', '.join(table.triggers)}")
    elif table.kind in ("v", "f"):
        what = f"whether the cursor {name} moves with every change cannot be told of {spec.name}"
        yield Finding("note", "source", what, f"reconcile by cron: starlift reconcile {spec.name}")
    else:
        what = (
            f"whether the cursor {name} moves on update cannot be told: no trigger moves it, so the "
            "application has to; what does not move it is seen by the pass by xid (xid_every)"
        )
        yield Finding("note", "source", what, f"{xid}, then: starlift run")
    if table.naive:
        yield from _zone(facts, spec, name)


def _zone(facts: SourceFacts, spec: TableSpec, name: str) -> Iterator[Finding]:
    """Who writes may have another TimeZone than the server's, which cannot be told."""
    declared = offset(spec.cursor_zone).total_seconds()
    if set(facts.offsets) == {declared}:
        yield Finding("ok", "source", f"the cursor {name} is taken in {spec.cursor_zone}, the server's zone")
        return
    summer = ", which has summer time" if len(set(facts.offsets)) > 1 else ""
    what = (
        f"the cursor {name} has no time zone and is taken in {spec.cursor_zone}, while the server's TimeZone "
        f"is {facts.time_zone}{summer}; in which zone the application writes cannot be told"
    )
    remedy = (
        f"if it writes in the server's, set cursor_zone under [tables.{spec.name}] of sql/pipeline.toml, or "
        'mode = "xid" where the zone has summer time, then: starlift run'
    )
    yield Finding("note", "source", what, remedy)


def _worse(bad: bool, part: str, what: str, remedy: str, code: int) -> Finding:
    return Finding("bad" if bad else "note", part, what, remedy, code if bad else 0)


def _psql(database: str, statement: str) -> str:
    return f"psql -d {_shell(database)} -c {_shell(statement)}"


def _script(database: str, role: str) -> str:
    return f"psql -d {_shell(database)} -f sql/roles/{role}.sql"


def _shell(text: str) -> str:
    plain = re.fullmatch(r"[\w@%+=:,./-]+", text, re.ASCII)
    return text if plain else "'" + text.replace("'", "'\"'\"'") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _size(count: int) -> str:
    for unit, one in (("GB", 10**9), ("MB", 10**6)):
        if count >= one:
            return f"{count / one:,.1f} {unit}"
    return f"{count / 1000:,.0f} kB"

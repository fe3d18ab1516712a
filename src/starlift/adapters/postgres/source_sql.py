"""The statements the source is asked, and nothing else. docs/protocol.md says why each is as it is.

Table and column names enter through `identifier`, values through `set_config`/`current_setting`, because
COPY takes no parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.domains import BASE_TYPE
from starlift.adapters.postgres.json_lines import json_lines
from starlift.adapters.postgres.key_text import key_bytes, whole_text
from starlift.core.polling import Read
from starlift.core.types import HOLDING_MONEY
from starlift.core.units import instant, offset

_UTC = "'YYYY-MM-DD HH24:MI:SS.US+00:00'"

SERVER = f"""
    SELECT current_setting('server_version_num'), pg_is_in_recovery(),
           to_char(now() AT TIME ZONE 'UTC', {_UTC}),
           pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"""

IDENTITY = """
    SELECT (SELECT system_identifier::text FROM pg_control_system()),
           substr(pg_walfile_name(lsn), 1, 8), lsn::text
    FROM pg_current_wal_lsn() AS lsn"""

# as JSON, because the driver writes an array's 'null' as NULL
_WANTED = """
    wanted (schema, name) AS (
        SELECT address->>0, address->>1 FROM json_array_elements(CAST(:addresses AS json)) AS address)"""

RELATIONS = f"""
    WITH RECURSIVE {_WANTED}, relation (root, oid) AS (
        SELECT c.oid, c.oid
        FROM wanted JOIN pg_namespace AS n ON n.nspname = wanted.schema
        JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
        UNION
        SELECT relation.root, i.inhrelid
        FROM relation JOIN pg_inherits AS i ON i.inhparent = relation.oid)
    SELECT n.nspname::text, c.relname::text, c.oid::int8, c.relkind::text,
           array_agg(relation.oid::int8 ORDER BY relation.oid),
           coalesce(sum(pg_relation_size(relation.oid)), 0)::int8,
           min(leaf.relname::text) FILTER (WHERE leaf.relkind = 'f' AND leaf.oid <> c.oid)
    FROM relation JOIN pg_class AS c ON c.oid = relation.root
    JOIN pg_class AS leaf ON leaf.oid = relation.oid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    GROUP BY n.nspname, c.oid, c.relname, c.relkind"""  # noqa: S608 - no value in it

_TABLES = """
    FROM wanted
    JOIN pg_namespace AS n ON n.nspname = wanted.schema
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"""

# only a type of one's own can have it inside: composite, domain, array or range of such
_HOLDS_MONEY = """
    base.type >= 16384 AND (
        WITH RECURSIVE inside (type) AS (
            SELECT base.type
            UNION
            SELECT deeper.type
            FROM inside CROSS JOIN LATERAL (
                SELECT t.typelem FROM pg_type AS t WHERE t.oid = inside.type AND t.typelem <> 0
                UNION ALL
                SELECT t.typbasetype FROM pg_type AS t WHERE t.oid = inside.type AND t.typbasetype <> 0
                UNION ALL
                SELECT part.atttypid FROM pg_type AS t JOIN pg_attribute AS part ON part.attrelid = t.typrelid
                WHERE t.oid = inside.type AND part.attnum > 0 AND NOT part.attisdropped
                UNION ALL
                SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = inside.type) AS deeper (type))
        SELECT bool_or(type = 'money'::regtype) FROM inside)"""

COLUMNS = f"""
    WITH {_WANTED}
    SELECT c.oid::int8, a.attname::text,
           format_type(base.type, base.modifier)
           || CASE WHEN {_HOLDS_MONEY} THEN '{HOLDING_MONEY}' ELSE '' END,
           concat_ws(
               ' ', a.attnum,
               -- a yen is no cent: how many decimals money has is the database's lc_monetary
               CASE WHEN base.type IN ('money'::regtype, 'money[]'::regtype) THEN
                   scale(CAST(CAST(1 AS money) AS numeric)) END,
               (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder)
                FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid IN (t.oid, t.typelem, t.typbasetype)
                WHERE t.oid = a.atttypid),
               CASE WHEN a.attgenerated <> '' THEN
                   (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d
                    WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END)
    {_TABLES}
    {BASE_TYPE}
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY c.oid, a.attnum"""  # noqa: S608 - no value in it

UNIQUE_KEYS = f"""
    WITH {_WANTED}
    SELECT c.oid::int8, array_agg(a.attname::text)
    {_TABLES}
    JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisunique AND i.indisvalid
     AND i.indpred IS NULL AND i.indexprs IS NULL
    JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
      ON k.attnum = a.attnum AND k.position <= i.indnkeyatts
    GROUP BY c.oid, i.indexrelid
    HAVING bool_and(a.attnotnull)"""

BARRIER = f"""
    WITH session AS MATERIALIZED (
        SELECT pid, usename,
               least(xact_start, CASE WHEN state = 'active' THEN query_start END) AS since,
               state = 'disabled'
               OR state IS NULL AND coalesce(backend_type, 'client backend') = 'client backend' AS blind
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND coalesce(backend_type, '') NOT IN ('walsender', 'autovacuum worker')),
    oldest AS (SELECT pid, usename, since FROM session WHERE since IS NOT NULL ORDER BY since LIMIT 1)
    SELECT to_char(now() AT TIME ZONE 'UTC', {_UTC}),
           (SELECT to_char(since AT TIME ZONE 'UTC', {_UTC}) FROM oldest),
           (SELECT count(*) FILTER (WHERE blind) FROM session),
           (SELECT pid FROM oldest), (SELECT usename::text FROM oldest)"""  # noqa: S608 - no value in it

PREPARED = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"

BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

SNAPSHOT = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text, pg_current_snapshot()::text"""

POSITION = "SELECT pg_current_wal_insert_lsn()::text"

FLUSHED = "SELECT pg_current_wal_flush_lsn() >= CAST(:position AS pg_lsn)"

# Takes an xid and writes nothing but its commit record, which has the log writer flush all before it; it
# needs no privilege, in a read-only transaction too. Records that no commit follows may wait for long.
NUDGE = "SELECT pg_current_xact_id()"

# A server may log statements and their parameters, never its answers. So the mask is made there and told in
# an answer, and what is sent under it tells a log nothing.
MASK = """
    SELECT set_config('starlift.mask', string_agg(encode(sha256(
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), ''), true)
    FROM generate_series(1, 2)"""

PADS = """
    SELECT count(set_config('starlift.' || pad, value, true))
    FROM (SELECT pad, string_agg(lpad(to_hex(get_byte(masked, i) # get_byte(mask, i) # byte), 2, '0'), ''
                                 ORDER BY i) AS value
          FROM (VALUES ('ipad', 54), ('opad', 92)) AS constant (pad, byte),
               (SELECT decode(:masked, 'hex'), decode(current_setting('starlift.mask'), 'hex'))
               AS sent (masked, mask),
               generate_series(0, 63) AS i
          GROUP BY pad) AS pads"""

SETTINGS = (
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    # hidden rows are an error, not an absence
    "SET LOCAL row_security = off",
    "SET LOCAL search_path = ''",
    # compiling takes longer than what is asked of each row
    "SET LOCAL jit = off",
    "SET LOCAL lock_timeout = '30s'",
    "SET LOCAL statement_timeout = '1h'",
)


def values(read: Read, number: int) -> dict[str, str]:
    """Return the settings that carry the values of the read's predicate; `number` tells reads apart."""
    settings = {}
    if "xid" in read.passes and read.px is not None:
        settings[f"starlift.px{number}"] = read.px
    if "time" in read.passes and read.W is not None:
        local = instant(read.W).replace(tzinfo=None) + offset(read.cursor_zone)
        zoned = f"{read.W}" if _zoned(read) else local.isoformat(sep=" ")
        settings[f"starlift.w{number}"] = zoned
    if read.new_relations:
        settings[f"starlift.oids{number}"] = "{" + ",".join(map(str, read.new_relations)) + "}"
    if read.keys:
        settings[f"starlift.keys{number}"] = json.dumps([key.encode().hex() for key in read.keys])
    return settings


def _zoned(read: Read) -> bool:
    return read.cursor_type is not None and "with time zone" in read.cursor_type


def predicate(read: Read, number: int) -> str:
    """Return the condition that selects the rows of a read, on the alias t.

    Each value is fetched in a scalar subquery: it is computed once.
    """
    if "whole" in read.passes:
        return "true"
    conditions = []
    if "xid" in read.passes:
        # the cast through xid8: a plain xid fails on PostgreSQL 18; from 1: past 2^31 transactions a
        # frozen row has a negative age
        horizon = f"(SELECT age(current_setting('starlift.px{number}')::xid8::xid))"
        # what few rows meet comes first: it is asked of every row
        conditions.append(f"age(t.xmin) <= {horizon} AND age(t.xmin) >= 1")
    if "time" in read.passes:
        cursor, kind = f"t.{identifier(read.cursor or '')}", read.cursor_type or "timestamp"
        bound = f"current_setting('starlift.w{number}')::{kind}"
        # twice the same: the first is computed once, the second is what the planner can compare with its
        # statistics, and is computed for the rows that meet the first
        conditions.append(f"{cursor} >= (SELECT {bound}) AND {cursor} >= {bound} OR {cursor} IS NULL")
    if read.new_relations:
        oids = f"CAST((SELECT current_setting('starlift.oids{number}')) AS oid[])"
        conditions.append(f"t.tableoid = ANY ({oids})")
    if read.keys:
        keys = f"json_array_elements_text(CAST(current_setting('starlift.keys{number}') AS json)) AS hex"
        conditions.append(f"{_key(read)} IN (SELECT decode(hex, 'hex') FROM {keys})")  # noqa: S608 - identifiers only
    return "(" + " OR ".join(conditions) + ")"


def _key(read: Read) -> str:
    return key_bytes(_value(read, name) for name in read.key)


def _bucket(read: Read) -> str:
    """Return the expression of a row's bucket: what `starlift.core.identity.bucket` is in Python."""
    return f"('x' || left(encode(sha256({_key(read)}), 'hex'), 3))::bit(12)::integer"


def origin(read: Read) -> str:
    """Return the clause that names where the rows of a read are."""
    schema, relation = read.address
    return f"FROM {identifier(schema)}.{identifier(relation or read.table)}"


def _from(read: Read) -> str:
    return f"{origin(read)} AS t"


_HMAC = (
    "encode(sha256((SELECT decode(current_setting('starlift.opad'), 'hex')) || "
    "sha256((SELECT decode(current_setting('starlift.ipad'), 'hex')) || "
    "convert_to({value}::text, 'UTF8'))), 'hex')"
)


def _value(read: Read, column: str) -> str:
    """Return the expression of what is taken of a column: the column, or its keyed hash."""
    value = f"t.{identifier(column)}"
    if column in read.forms:
        value = f"CAST({value} AS {read.forms[column]})"
    return _HMAC.format(value=value) if column in read.hmac else value


def printed(read: Read, column: str) -> str:
    """Return the expression of a column's text, as a line has it."""
    return f"{_value(read, column)}::text"


def source_hash(read: Read) -> str:
    """Return the expression of a row's source hash, a signed 64-bit integer."""
    columns = ", ".join(_value(read, column) for column in read.columns)
    return f"hashtextextended(ROW({columns})::text, 0)"


def measure(read: Read, parts: Mapping[int, Read]) -> str:
    """Return the query of the count and the sum of hashes of each part of a read. parts: by the number that
    tells their values apart.

    A read by time alone touches only its own rows, of which those of the next time pass are a part, since W
    never moves back.
    """
    wheres = [predicate(part, number) for number, part in parts.items()]
    digests = [
        f"count(*) FILTER (WHERE {where}), coalesce(sum({source_hash(read)}) FILTER (WHERE {where}), 0)::text"
        for where in wheres
    ]
    rows = " OR ".join(wheres) if read.scans else wheres[0]
    return f"SELECT {', '.join(digests)} {_from(read)} WHERE {rows}"


def counts(read: Read, parts: Sequence[Read]) -> str:
    """Return the query of a table's row count, and of the count of rows of each part.

    It needs none of the columns: a row that is of no part costs half as much as where its hash is asked for.
    """
    of_parts = (f"count(*) FILTER (WHERE {predicate(part, number)})" for number, part in enumerate(parts))
    return f"SELECT {', '.join(['count(*)', *of_parts])} {_from(read)}"


def repeated(read: Read) -> str:
    """Return the query of one key, as key text, by which two rows would be known, one of them of this read;
    or of one with a NULL in it. No index answers for what a view shows or children by inheritance add."""
    key = ", ".join(f"t.{identifier(name)}" for name in read.apart)
    texts = [printed(read, name) for name in read.apart]
    rows = predicate(read, 0)
    if read.has_xids:
        rows = f"({key}) IN (SELECT {key} {_from(read)} WHERE {rows})"
    missing = " OR ".join(f"{text} IS NULL" for text in texts)
    return (
        f"SELECT CAST(ROW({', '.join(texts)}) AS text) {_from(read)} WHERE {rows} "
        f"GROUP BY {', '.join(texts)} HAVING count(*) > 1 OR bool_or({missing}) LIMIT 1"
    )


def copy(read: Read) -> str:
    """Return the COPY that prints a read's rows as JSON lines."""
    return out(lines(read, rows(read)))


def rows(read: Read) -> str:
    """Return the query of a read's rows as text columns, with their source hash."""
    columns = ", ".join(f"{_shown(read, name)} AS {identifier(name)}" for name in read.columns)
    return f"SELECT {columns}, {source_hash(read)}::text AS _hash {_from(read)} WHERE {predicate(read, 0)}"


def _shown(read: Read, column: str) -> str:
    """Return what `printed` does, of a plain column cast to its type: should it have got another since it
    was looked up, what is printed needs no escape all the same. Of the type itself the cast is nothing."""
    if column in read.plain and column not in read.hmac:
        return f"CAST({_value(read, column)} AS {read.plain[column]})::text"
    return printed(read, column)


def lines(read: Read, rows: str) -> str:
    """Return the query of `rows` as JSON lines."""
    return json_lines(rows, (*read.columns, "_hash"), {*read.plain, *read.hmac, "_hash"})


def out(lines: str) -> str:
    """Return the COPY of lines as they are: JSON text has no control characters, so quote and delimiter
    never occur."""
    return f"COPY ({lines}) TO STDOUT " r"WITH (FORMAT csv, QUOTE e'\x01', DELIMITER e'\x02')"


def sums(read: Read) -> str:
    """Return the query of the bucket sums of a whole table."""
    rows = f"SELECT {_bucket(read)} AS bucket, {source_hash(read)} AS hash {_from(read)}"
    return (
        f"SELECT bucket, count(*), sum(hash)::text FROM ({rows}) AS r "  # noqa: S608 - identifiers only
        "GROUP BY bucket ORDER BY bucket"
    )


BUCKETS = "starlift.buckets"
"""The setting that carries the buckets whose keys are listed."""


def keys(read: Read, *, of_buckets: bool, selected: bool) -> str:
    """Return the COPY that prints key text, however long, and source hash of a table's rows: all, or those
    of `BUCKETS`, or those that the read selects, or of these those."""
    key = whole_text(_value(read, name) for name in read.key)
    rows = f"SELECT {key} AS _key, {source_hash(read)}::text AS _hash {_from(read)}"
    rows += f" WHERE {predicate(read, 0) if selected else 'true'}"
    if of_buckets:
        buckets = f"unnest(CAST(current_setting('{BUCKETS}') AS integer[]))"
        rows += f" AND {_bucket(read)} IN (SELECT {buckets})"
    return out(json_lines(rows, ("_key", "_hash"), {"_hash"}))

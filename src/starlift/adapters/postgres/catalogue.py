"""A source's whole catalogue, for `starlift init --source`: SQLAlchemy's inspector where it suffices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pg8000.dbapi
import sqlalchemy
from sqlalchemy.engine.interfaces import ReflectedForeignKeyConstraint
from sqlalchemy.engine.reflection import Inspector, ObjectKind

from starlift.adapters.postgres.connection import Dsn, connection_arguments, translated
from starlift.adapters.postgres.source import PostgresSource
from starlift.core.config import TableSpec
from starlift.core.draft.catalogue import Catalogue, ForeignKey, Relation
from starlift.errors import ConfigurationError

_OWN_SCHEMAS = sqlalchemy.text(r"""
    SELECT nspname::text FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
    ORDER BY nspname <> 'public', nspname""")

_RELATIONS = sqlalchemy.text("""
    SELECT n.nspname::text, c.relname::text,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
           row_security_active(c.oid),
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull),
           (SELECT coalesce(json_agg(json_build_array(h.nspname, p.relname) ORDER BY i.inhseqno), '[]')
            FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent
            JOIN pg_namespace AS h ON h.oid = p.relnamespace WHERE i.inhrelid = c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY array_position(:schemas, n.nspname::text), c.relname""").bindparams(
    sqlalchemy.bindparam("schemas", type_=sqlalchemy.ARRAY(sqlalchemy.Text))
)
"""What a schema offers: no partitions, which their parent brings, and nothing that an extension owns."""


def read_catalogue(dsn: Dsn, schemas: Sequence[str]) -> Catalogue:
    """Return the catalogue of the named schemas, of all but the system's where none is named.

    Nothing of the rows is read. Raises ConfigurationError for a schema that is not there, and what
    `PostgresSource.preflight` raises: this is the first time that the source is looked at.
    """
    with translated(dsn, "source"):
        try:
            wanted, listed, keys, foreign = _inspect(dsn, schemas)
        except sqlalchemy.exc.DBAPIError as error:
            raise (error.orig or error) from error
    specs = [
        TableSpec(str(number), (), (), schema=row[0], relation=row[1]) for number, row in enumerate(listed)
    ]
    if not specs:
        raise ConfigurationError(
            f"there is no table in schema {', '.join(wanted)} of the source {dsn}",
            "starlift init --source URL --schema NAME",
        )
    with PostgresSource(dsn) as source:
        found = source.preflight(specs).tables
    relations = tuple(
        Relation(
            schema,
            name,
            found[str(number)],
            primary_key=tuple(keys.get((schema, name), ())),
            foreign_keys=tuple(map(_foreign_key, foreign.get((schema, name), ()))),
            required=frozenset(required),
            readable=readable,
            hidden=hidden,
            parents=tuple(map(tuple, parents)),
        )
        for number, (schema, name, readable, hidden, required, parents) in enumerate(listed)
        if str(number) in found
    )
    return Catalogue(dsn.database, tuple(wanted), relations)


def _inspect(dsn: Dsn, schemas: Sequence[str]) -> tuple[list[str], list[Any], dict[Any, Any], dict[Any, Any]]:
    """Return the schemas, their relations, and primary and foreign keys by schema and name."""
    engine = sqlalchemy.create_engine(
        "postgresql+pg8000://",
        creator=lambda: pg8000.dbapi.connect(**connection_arguments(dsn, "source")),
        poolclass=sqlalchemy.pool.NullPool,
    )
    with engine.connect() as connection:
        # so that every name comes with its schema
        connection.execute(sqlalchemy.text("SET search_path = ''"))
        there = list(connection.execute(_OWN_SCHEMAS).scalars())
        if missing := [schema for schema in schemas if schema not in there]:
            raise ConfigurationError(
                f"schema {missing[0]} is not in the source {dsn}; there are: {', '.join(there)}",
                "starlift init --source URL --schema NAME",
            )
        wanted = list(schemas) or there
        listed = [tuple(row) for row in connection.execute(_RELATIONS, {"schemas": wanted})]
        inspector = sqlalchemy.inspect(connection)
        keys, foreign = {}, {}
        for schema in dict.fromkeys(row[0] for row in listed):
            keys.update(_primary_keys(inspector, schema))
            foreign.update(inspector.get_multi_foreign_keys(schema=schema, kind=ObjectKind.ANY))
    used = {row[0] for row in listed}
    return [schema for schema in wanted if schemas or schema in used], listed, keys, foreign


def _primary_keys(inspector: Inspector, schema: str) -> dict[Any, Any]:
    found = inspector.get_multi_pk_constraint(schema=schema, kind=ObjectKind.ANY)
    return {place: key["constrained_columns"] for place, key in found.items() if key}


def _foreign_key(found: ReflectedForeignKeyConstraint) -> ForeignKey:
    return ForeignKey(
        tuple(found["constrained_columns"]),
        found["referred_schema"] or "",
        found["referred_table"],
        tuple(found["referred_columns"]),
    )

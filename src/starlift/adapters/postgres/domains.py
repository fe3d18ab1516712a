"""A domain moves as the type under it."""

from __future__ import annotations

BASE_TYPE = """
    CROSS JOIN LATERAL (
        WITH RECURSIVE under (type, modifier, required) AS (
            SELECT a.atttypid, a.atttypmod, a.attnotnull
            UNION ALL
            SELECT t.typbasetype, t.typtypmod, under.required OR t.typnotnull
            FROM under JOIN pg_type AS t ON t.oid = under.type WHERE t.typtype = 'd')
        SELECT under.type, under.modifier, under.required
        FROM under JOIN pg_type AS t ON t.oid = under.type WHERE t.typtype <> 'd') AS base"""
"""To be joined to pg_attribute AS a: base.type and base.modifier are the column's, domains resolved;
base.required: it or a domain on the way is NOT NULL."""

"""A domain moves as the type under it."""

from __future__ import annotations

# OFFSET 0 has pg_type asked by oid: it would be read through for each column
BASE_TYPE = """
    CROSS JOIN LATERAL (
        WITH RECURSIVE under (type, modifier, required) AS (
            SELECT a.atttypid, a.atttypmod, a.attnotnull
            UNION ALL
            SELECT t.typbasetype, t.typtypmod, under.required OR t.typnotnull
            FROM under CROSS JOIN LATERAL (
                SELECT * FROM pg_type WHERE oid = under.type OFFSET 0) AS t WHERE t.typtype = 'd')
        SELECT under.type, under.modifier, under.required
        FROM under CROSS JOIN LATERAL (
            SELECT * FROM pg_type WHERE oid = under.type OFFSET 0) AS t WHERE t.typtype <> 'd') AS base"""
"""To be joined to pg_attribute AS a: base.type and base.modifier are the column's, domains resolved;
base.required: it or a domain on the way is NOT NULL."""

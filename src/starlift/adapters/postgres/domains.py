"""A domain moves as the type under it."""

from __future__ import annotations

BASE_TYPE = """
    CROSS JOIN LATERAL (
        WITH RECURSIVE under (type, modifier) AS (
            SELECT a.atttypid, a.atttypmod
            UNION ALL
            SELECT t.typbasetype, t.typtypmod
            FROM under JOIN pg_type AS t ON t.oid = under.type WHERE t.typtype = 'd')
        SELECT under.type, under.modifier
        FROM under JOIN pg_type AS t ON t.oid = under.type WHERE t.typtype <> 'd') AS base"""
"""To be joined to pg_attribute AS a: base.type and base.modifier are the column's, domains resolved."""

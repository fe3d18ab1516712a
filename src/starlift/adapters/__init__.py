"""The outside world behind the ports: PostgreSQL, the lake's folders and buckets, DuckDB."""

"""The tests. `tests/postgres.py` says how to get a database; a test that asks for none starts no server."""

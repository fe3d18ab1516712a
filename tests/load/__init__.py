"""The load against a real PostgreSQL, as role starlift_warehouse, with batches made by hand."""

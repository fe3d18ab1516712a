"""`starlift init`."""

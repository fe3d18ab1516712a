"""The use cases, one module a stage, written against `starlift.ports` only."""

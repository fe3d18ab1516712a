"""PostgreSQL through pg8000: connections, the source, the warehouse."""

"""Every type with every odd value, and generated tables of hostile names, on a real PostgreSQL."""

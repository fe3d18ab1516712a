"""What an administrator does to databases and roles, for the demo and the tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata

import pg8000.native

from starlift.adapters.postgres.connection import identifier

_ITERATIONS = 4096
"""PostgreSQL's own number."""


def create_database(admin: pg8000.native.Connection, name: str, template: str = "template1") -> None:
    """Create a database as a copy of one that nobody is connected to. Raises pg8000's DatabaseError."""
    admin.run(f"CREATE DATABASE {identifier(name)} TEMPLATE {identifier(template)}")


def drop_database(admin: pg8000.native.Connection, name: str) -> None:
    """Drop a database if it exists, ending the sessions in it."""
    admin.run(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")


def run_script(connection: pg8000.native.Connection, script: str) -> None:
    """Run a file of SQL statements, all of them or, on an error, none."""
    connection.run(script)


def set_password(admin: pg8000.native.Connection, role: str, password: str) -> None:
    """Set a role's password. Only its SCRAM verifier leaves this process: statements show in the
    server's activity, in its log and in errors. Raises pg8000's DatabaseError for an unknown role."""
    # as settings of the session, because ALTER ROLE takes no parameters
    admin.run(
        "SELECT set_config('starlift.login', :role, false), "
        "set_config('starlift.verifier', :verifier, false)",
        role=role,
        verifier=scram_verifier(password, secrets.token_bytes(16)),
    )
    admin.run(
        "DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', "
        "current_setting('starlift.login'), current_setting('starlift.verifier')); END $$"
    )


def scram_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL stores for a password (RFC 5803), from which it cannot be told.

    >>> scram_verifier("pencil", bytes(16))[:47]
    'SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$cYb'
    """
    normal = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", normal, salt, _ITERATIONS)
    client_key, server_key = (hmac.digest(salted, text, "sha256") for text in (b"Client Key", b"Server Key"))
    stored_key = hashlib.sha256(client_key).digest()
    salt_text, stored, server = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt_text}${stored}:{server}"

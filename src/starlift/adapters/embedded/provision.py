"""What an administrator does to databases and roles, for the demo and the tests."""

from __future__ import annotations

import pg8000.native

from starlift.adapters.postgres.connection import identifier


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
    """Set a role's password. It travels as a setting of the session: ALTER ROLE takes no parameters,
    and a password in SQL text would show in the server's activity and log."""
    hand_over = (
        "SELECT set_config('starlift.login', :role, false), set_config('starlift.password', :password, false)"
    )
    admin.run(hand_over, role=role, password=password)
    try:
        admin.run(
            "DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', "
            "current_setting('starlift.login'), current_setting('starlift.password')); END $$"
        )
    finally:
        admin.run("RESET starlift.login; RESET starlift.password")

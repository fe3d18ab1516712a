"""What an administrator does to databases and roles."""

from __future__ import annotations

import pytest
from pg8000.exceptions import DatabaseError

from starlift.adapters.embedded.provision import (
    create_database,
    drop_database,
    run_script,
    set_password,
)
from starlift.errors import UnavailableError
from tests.postgres import PostgresForTests, SourceDatabase, connected


def test_a_database_is_copied_and_dropped_although_someone_is_in_it(source_db: SourceDatabase) -> None:
    copy = f'{source_db.name} "copy"'
    with connected(source_db.admin) as admin:
        create_database(admin, copy)
        with pytest.raises(DatabaseError, match="already exists"):
            create_database(admin, copy)
        drop_database(admin, copy)
        drop_database(admin, copy)


def test_a_database_goes_at_the_end_of_the_test_although_someone_is_in_it(postgres: PostgresForTests) -> None:
    with postgres.source() as database:
        left_behind = connected(database.reader)
        left_behind.__enter__()
    with pytest.raises(UnavailableError, match="does not exist"), connected(database.admin):
        pass


def test_a_script_is_run_wholly_or_not_at_all(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin:
        with pytest.raises(DatabaseError, match="no_such_table"):
            run_script(admin, "CREATE TABLE half (); SELECT FROM no_such_table")
        assert admin.run("SELECT to_regclass('half')") == [[None]]


def test_a_password_with_quotes_opens_the_door_and_another_does_not(
    postgres: PostgresForTests, source_db: SourceDatabase
) -> None:
    role, password = f"o'{source_db.name}", "it's $$ a \\ pass:word é"
    with connected(source_db.admin) as admin:
        admin.run(f'CREATE ROLE "{role}" LOGIN')
        try:
            set_password(admin, role, password)
            with connected(postgres.server.url(source_db.name, role, password)) as opened:
                assert opened.run("SELECT current_user") == [[role]]
            wrong = postgres.server.url(source_db.name, role, password + "!")
            with pytest.raises(UnavailableError, match="password authentication failed"), connected(wrong):
                pass
        finally:
            admin.run(f'DROP ROLE "{role}"')


def test_an_unknown_role_is_an_error_that_does_not_tell_the_password(source_db: SourceDatabase) -> None:
    with connected(source_db.admin) as admin, pytest.raises(DatabaseError, match="no_such_role") as raised:
        set_password(admin, "no_such_role", "secret-word")
    assert "secret-word" not in str(raised.value)

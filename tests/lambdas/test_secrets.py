"""Passwords come from Secrets Manager, are kept while a function is warm, and may change at any time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from starlift.errors import UnavailableError
from tests.lambdas.events import SCHEDULE
from tests.lambdas.place import Place
from tests.lambdas.requests import watched
from tests.postgres import connected


@contextmanager
def asked_for() -> Iterator[list[str]]:
    """The secrets that are asked for within a block."""
    names: list[str] = []

    def note(operation: str, values: Mapping[str, Any], _code: str) -> None:
        names.extend([values["SecretId"]] if operation == "GetSecretValue" else [])

    with watched(note):
        yield names


class Rotating:
    """A login of a database whose password changes."""

    def __init__(self, place: Place, role: str) -> None:
        self.place, self.role = place, role
        self.admin = place.source.admin if role == "source" else place.warehouse.admin
        self.login = f"rotating_{uuid4().hex[:8]}"
        with connected(self.admin) as admin:
            admin.run(f"CREATE ROLE {self.login} LOGIN IN ROLE starlift_{role}")
        self.rotate()

    def rotate(self) -> None:
        """Change the password in the database and then in the secret, as Secrets Manager does."""
        password = uuid4().hex
        with connected(self.admin) as admin:
            admin.run(f"ALTER ROLE {self.login} PASSWORD '{password}'")
        self.place.put_secret(self.role, username=self.login, password=password)


@pytest.mark.parametrize(("stage", "role"), [("extract", "source"), ("load", "warehouse")])
def test_a_secret_is_kept_until_the_database_refuses_it(place: Place, stage: str, role: str) -> None:
    rotating = Rotating(place, role)
    place.invoke("extract", SCHEDULE)
    place.invoke("transform", SCHEDULE)
    secret = place.secret(role)
    with asked_for() as names:
        place.invoke(stage, SCHEDULE)
        place.invoke(stage, SCHEDULE)
    assert names == ([] if stage == "extract" else [secret]), "it is kept"

    rotating.rotate()
    with asked_for() as names:
        answer = place.invoke(stage, SCHEDULE)
    assert names == [secret]
    assert answer["outcome"] in ("nothing", "applied")
    (told,) = [line for line in place.log() if line["level"] == "WARNING"]
    assert "password authentication failed" in told["message"]
    assert not [password for password in place.passwords if password in place.said[-1][1]]


@pytest.mark.parametrize(("stage", "role"), [("extract", "source"), ("load", "warehouse")])
def test_a_password_that_is_wrong_twice_is_raised(place: Place, stage: str, role: str) -> None:
    place.put_secret(role, password="wrong-canary")
    with asked_for() as names, pytest.raises(UnavailableError, match="authentication failed") as raised:
        place.invoke(stage, SCHEDULE)
    assert names == [place.secret(role)] * 2
    assert raised.value.__cause__ is None
    assert place.log()[-1]["level"] == "ERROR"
    assert "StageSeconds" in place.metrics()
    assert "wrong-canary" not in place.said[-1][1]


def test_a_refusal_that_no_password_mends_asks_for_none(place: Place) -> None:
    place.put_secret("source", dbname="nowhere")
    with asked_for() as names, pytest.raises(UnavailableError, match="does not exist"):
        place.invoke("extract", SCHEDULE)
    assert len(names) == 1
